import Testing

@testable import Codec

/// What a reader said, in a form that can be compared.
enum Heard: Equatable, CustomStringConvertible {
    case message(Opcode, [UInt8])
    case compressed(Opcode, [UInt8])
    case ping([UInt8])
    case pong([UInt8])
    case close(UInt16?, String)
    case failure(FrameError)

    init(_ event: FrameEvent) {
        switch event {
        case .message(let opcode, let bytes): self = .message(opcode, Array(bytes))
        case .compressed(let opcode, let bytes): self = .compressed(opcode, Array(bytes))
        case .ping(let bytes): self = .ping(Array(bytes))
        case .pong(let bytes): self = .pong(Array(bytes))
        case .close(let code, let reason): self = .close(code?.rawValue, String(decoding: reason, as: UTF8.self))
        case .failure(let error): self = .failure(error)
        }
    }

    var description: String {
        switch self {
        case .message(let opcode, let bytes): "\(opcode) of \(bytes.count)"
        case .compressed(let opcode, let bytes): "compressed \(opcode) of \(bytes.count)"
        case .ping(let bytes): "ping of \(bytes.count)"
        case .pong(let bytes): "pong of \(bytes.count)"
        case .close(let code, let reason): "close \(code.map(String.init) ?? "-") \(reason)"
        case .failure(let error): "failure \(error.closeCode) \(error.reason)"
        }
    }

    var isLast: Bool {
        switch self {
        case .close, .failure: true
        case .message, .compressed, .ping, .pong: false
        }
    }
}

extension [Heard] {
    /// The close codes of what are failures, and nil for everything else.
    var failureCodes: [UInt16?] {
        map { heard in
            if case .failure(let error) = heard { error.closeCode.rawValue } else { nil }
        }
    }
}

/// Feeds pieces to one reader and gathers what it says.
func hear(
    _ pieces: [[UInt8]], role: FrameReader.Role = .server, limits: FrameLimits = FrameLimits(),
    allowsCompression: Bool = false
) -> [Heard] {
    var reader = FrameReader(role: role, allowsCompression: allowsCompression)
    defer { reader.reset() }
    var heard: [Heard] = []
    for piece in pieces { heard += reader.hear(piece, limits: limits) }
    return heard
}

extension FrameReader {
    mutating func hear(_ piece: [UInt8], limits: FrameLimits = FrameLimits()) -> [Heard] {
        var piece = piece
        var heard: [Heard] = []
        _ = piece.withUnsafeMutableBytes { bytes in
            receive(bytes, limits: limits) {
                heard.append(Heard($0))
                return true
            }
        }
        return heard
    }
}

/// A frame with any first byte; of a client, unless it is not masked.
func frame(
    _ first: UInt8, _ payload: [UInt8], masked: Bool = true, key: [UInt8] = [0x37, 0xFA, 0x21, 0x3D]
) -> [UInt8] {
    let mask: UInt8 = masked ? 0x80 : 0
    var bytes = [first]
    switch payload.count {
    case ...125: bytes.append(mask | UInt8(payload.count))
    case ...0xFFFF: bytes += [mask | 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)]
    default: bytes += [mask | 127] + (0..<8).map { UInt8(payload.count >> ((7 - $0) * 8) & 0xFF) }
    }
    guard masked else { return bytes + payload }
    return bytes + key + payload.enumerated().map { $1 ^ key[$0 % 4] }
}

/// The payload of a close frame.
func goodbye(_ code: UInt16, _ reason: [UInt8] = []) -> [UInt8] {
    [UInt8(code >> 8), UInt8(code & 0xFF)] + reason
}

extension Array where Element == UInt8 {
    /// In pieces of 1 to `longest` bytes.
    func cut(longest: Int, _ random: inout SeededNumbers) -> [[UInt8]] {
        var pieces: [[UInt8]] = []
        var rest = self[...]
        while !rest.isEmpty {
            let piece = rest.prefix(Int.random(in: 1...longest, using: &random))
            pieces.append(Array(piece))
            rest = rest.dropFirst(piece.count)
        }
        return pieces
    }
}
