import Testing

@testable import Codec

/// What a reader said, in a form that can be compared.
enum Heard: Equatable, CustomStringConvertible {
    case message(Opcode, [UInt8])
    case ping([UInt8])
    case pong([UInt8])
    case close(UInt16?, String)
    case failure(UInt16)

    var description: String {
        switch self {
        case .message(let opcode, let bytes): "\(opcode) of \(bytes.count)"
        case .ping(let bytes): "ping of \(bytes.count)"
        case .pong(let bytes): "pong of \(bytes.count)"
        case .close(let code, let reason): "close \(code.map(String.init) ?? "-") \(reason)"
        case .failure(let code): "failure \(code)"
        }
    }

    init(_ event: FrameEvent) {
        switch event {
        case .message(let opcode, let bytes): self = .message(opcode, Array(bytes))
        case .ping(let bytes): self = .ping(Array(bytes))
        case .pong(let bytes): self = .pong(Array(bytes))
        case .close(let code, let reason): self = .close(code?.rawValue, String(decoding: reason, as: UTF8.self))
        case .failure(let error): self = .failure(error.closeCode.rawValue)
        }
    }
}

/// Feeds pieces and gathers what is said.
func hear(_ pieces: [[UInt8]], role: FrameReader.Role = .server, limits: FrameLimits = FrameLimits()) -> [Heard] {
    var reader = FrameReader(role: role)
    defer { reader.reset() }
    var heard: [Heard] = []
    for piece in pieces {
        var piece = piece
        piece.withUnsafeMutableBytes { reader.receive($0, limits: limits) { heard.append(Heard($0)); return true } }
    }
    return heard
}

/// A frame of a client, with any first byte.
func frame(_ first: UInt8, _ payload: [UInt8], masked: Bool = true) -> [UInt8] {
    let mask: UInt8 = masked ? 0x80 : 0
    var bytes = [first]
    switch payload.count {
    case ...125: bytes.append(mask | UInt8(payload.count))
    case ...0xFFFF: bytes += [mask | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
    default: bytes += [mask | 127] + (0..<8).map { UInt8(payload.count >> ((7 - $0) * 8) & 0xFF) }
    }
    guard masked else { return bytes + payload }
    let key: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]
    return bytes + key + payload.enumerated().map { $1 ^ key[$0 % 4] }
}

@Suite struct FrameReaderTests {
    /// The examples of RFC 6455 5.7.
    @Test func readsTheExamplesOfTheStandard() {
        let hello = Array("Hello".utf8)
        #expect(hear([[0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]]) == [.message(.text, hello)])
        #expect(hear([[0x81, 0x05] + hello], role: .client) == [.message(.text, hello)])
        #expect(
            hear([[0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f]], role: .client) == [.message(.text, hello)])
        #expect(hear([[0x89, 0x05] + hello], role: .client) == [.ping(hello)])
        #expect(
            hear([[0x8a, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58]]) == [.pong(hello)])
    }

    @Test(arguments: [0, 1, 125, 126, 127, 65535, 65536, 70_000])
    func readsEverySizeOfLength(count: Int) {
        let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
        let limits = FrameLimits(messageBytes: 70_000)
        #expect(hear([frame(0x82, payload)], limits: limits) == [.message(.binary, payload)])
    }

    /// Whole streams, cut in every way: the events are the same.
    @Test func cutsMakeNoDifference() {
        let text = Array("grüße, 世界 🎉".utf8)
        let stream =
            frame(0x81, text) + frame(0x01, Array(text[..<3])) + frame(0x89, [1, 2]) + frame(0x00, Array(text[3..<9]))
            + frame(0x8A, []) + frame(0x80, Array(text[9...])) + frame(0x82, Array(repeating: 7, count: 300))
            + frame(0x02, []) + frame(0x80, []) + frame(0x88, [0x03, 0xE8] + Array("bye".utf8)) + frame(0x81, text)
        let expected = hear([stream])
        #expect(
            expected == [
                .message(.text, text), .ping([1, 2]), .pong([]), .message(.text, text),
                .message(.binary, Array(repeating: 7, count: 300)), .message(.binary, []), .close(1000, "bye"),
            ])
        #expect(hear(stream.map { [$0] }) == expected)
        for cut in 1..<stream.count {
            #expect(hear([Array(stream[..<cut]), Array(stream[cut...])]) == expected, "cut at \(cut)")
        }
    }

    struct Violation: CustomTestStringConvertible {
        let name: String
        let bytes: [UInt8]
        let code: UInt16
        var testDescription: String { name }
    }

    static let violations: [Violation] = [
        .init(name: "RSV1", bytes: frame(0xC1, [1]), code: 1002),
        .init(name: "RSV2", bytes: frame(0xA1, [1]), code: 1002),
        .init(name: "RSV3", bytes: frame(0x91, [1]), code: 1002),
        .init(name: "reserved data opcode", bytes: frame(0x83, []), code: 1002),
        .init(name: "reserved control opcode", bytes: frame(0x8B, []), code: 1002),
        .init(name: "not masked", bytes: frame(0x81, [65], masked: false), code: 1002),
        .init(name: "long ping", bytes: frame(0x89, Array(repeating: 0, count: 126)), code: 1002),
        .init(name: "fragmented ping", bytes: frame(0x09, []), code: 1002),
        .init(name: "continuation of nothing", bytes: frame(0x80, []), code: 1002),
        .init(name: "text inside a message", bytes: frame(0x01, [65]) + frame(0x81, [66]), code: 1002),
        .init(name: "length not minimal, 16 bits", bytes: [0x82, 0xFE, 0, 125, 0, 0, 0, 0], code: 1002),
        .init(name: "length not minimal, 64 bits", bytes: [0x82, 0xFF, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF], code: 1002),
        .init(name: "highest bit of the length", bytes: [0x82, 0xFF] + Array(repeating: 0xFF, count: 8), code: 1002),
        .init(name: "4 GiB announced", bytes: [0x82, 0xFF, 0, 0, 0, 1, 0, 0, 0, 0], code: 1009),
        .init(name: "one byte over the limit", bytes: frame(0x82, Array(repeating: 0, count: 65537)), code: 1009),
        .init(name: "close with one byte", bytes: frame(0x88, [3]), code: 1002),
        .init(name: "close code 999", bytes: frame(0x88, [0x03, 0xE7]), code: 1002),
        .init(name: "close code 1005", bytes: frame(0x88, [0x03, 0xED]), code: 1002),
        .init(name: "close code 1015", bytes: frame(0x88, [0x03, 0xF7]), code: 1002),
        .init(name: "close code 2999", bytes: frame(0x88, [0x0B, 0xB7]), code: 1002),
        .init(name: "close code 5000", bytes: frame(0x88, [0x13, 0x88]), code: 1002),
        .init(name: "close reason not UTF-8", bytes: frame(0x88, [0x03, 0xE8, 0xFF]), code: 1007),
        .init(name: "text not UTF-8", bytes: frame(0x81, [0xC0, 0xAF]), code: 1007),
        .init(name: "surrogate in text", bytes: frame(0x81, [0xED, 0xA0, 0x80]), code: 1007),
        .init(name: "text ends within a character", bytes: frame(0x81, [0xE2, 0x82]), code: 1007),
        .init(name: "fragments end within a character", bytes: frame(0x01, [0xE2]) + frame(0x80, [0x82]), code: 1007),
    ]

    /// The same verdict however the bytes come, and nothing after it.
    @Test(arguments: violations)
    func refuses(_ violation: Violation) {
        let afterwards = frame(0x81, Array("more".utf8))
        #expect(hear([violation.bytes + afterwards]) == [.failure(violation.code)])
        #expect(hear((violation.bytes + afterwards).map { [$0] }) == [.failure(violation.code)])
    }

    /// RFC 6455 8.1 and Autobahn 6.4: as soon as the text cannot be right any more, not when it is whole.
    @Test func failsFastInsideAFrame() {
        let whole = frame(0x81, Array("abc".utf8) + [0xF4, 0x90, 0x80, 0x80] + Array("def".utf8))
        // Header of 6 bytes, "abc", F4, 90.
        #expect(hear([Array(whole[..<10])]) == [])
        #expect(hear([Array(whole[..<10]), [whole[10]]]) == [.failure(1007)])
    }

    @Test func takesNoMoreMemoryThanCame() {
        var reader = FrameReader(role: .server)
        defer { reader.reset() }
        var head: [UInt8] = [0x82, 0xFF, 0, 0, 0, 0, 0x01, 0, 0, 0, 1, 2, 3, 4]
        head.withUnsafeMutableBytes {
            reader.receive($0, limits: FrameLimits(messageBytes: 1 << 24)) { _ in true }
        }
        #expect(reader.isIncomplete)
        #expect(reader.bufferedBytes == 0)
        var piece = [UInt8](repeating: 0, count: 100)
        piece.withUnsafeMutableBytes {
            reader.receive($0, limits: FrameLimits(messageBytes: 1 << 24)) { _ in true }
        }
        #expect(reader.bufferedBytes <= 512)
    }

    @Test func boundsFragmentsAndTheirSum() {
        let limits = FrameLimits(messageBytes: 100, fragments: 10)
        let tiny = frame(0x01, [1]).map { $0 } + (0..<9).flatMap { _ in frame(0x00, []) }
        #expect(hear([tiny], limits: limits) == [])
        #expect(hear([tiny + frame(0x00, [])], limits: limits) == [.failure(1009)])
        let large = frame(0x02, Array(repeating: 0, count: 60))
        #expect(hear([large + frame(0x80, Array(repeating: 0, count: 40))], limits: limits).count == 1)
        #expect(hear([large + frame(0x80, Array(repeating: 0, count: 41))], limits: limits) == [.failure(1009)])
    }

    @Test func stopsWhenToldTo() {
        var reader = FrameReader(role: .server)
        var bytes = frame(0x81, [65]) + frame(0x81, [66])
        var heard = 0
        bytes.withUnsafeMutableBytes {
            reader.receive($0, limits: FrameLimits()) { _ in
                heard += 1
                return false
            }
        }
        #expect(heard == 1)
        #expect(!reader.isIncomplete)
    }

    @Test func isSmallWhileIdle() {
        #expect(MemoryLayout<FrameReader>.size <= 32)
        var reader = FrameReader(role: .server)
        var bytes = frame(0x01, [65]) + frame(0x80, [66])
        bytes.withUnsafeMutableBytes { reader.receive($0, limits: FrameLimits()) { _ in true } }
        #expect(!reader.isIncomplete, "the memory of a message is given back with it")
    }

    /// Random bytes: never a crash, and at most one failure, at the end.
    @Test(arguments: 1...40 as ClosedRange<UInt64>)
    func survivesNoise(seed: UInt64) {
        var random = Seeded(state: seed)
        var bytes = (0..<4096).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        // Half of them begin like something that could be a frame.
        if seed % 2 == 0 { bytes[0] = 0x82; bytes[1] |= 0x80 }
        let once = hear([bytes])
        var pieces: [[UInt8]] = []
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = rest.prefix(Int(random.next() % 97) + 1)
            pieces.append(Array(piece))
            rest = rest.dropFirst(piece.count)
        }
        #expect(hear(pieces) == once)
        let failures = once.filter { if case .failure = $0 { true } else { false } }
        #expect(failures.count <= 1)
        if let first = failures.first { #expect(once.last == first) }
    }
}

/// A small seeded generator, so that a failure can be run again.
struct Seeded: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        let mixed = (state ^ (state >> 29)) &* 0xBF58_476D_1CE4_E5B9
        return mixed ^ (mixed >> 32)
    }
}
