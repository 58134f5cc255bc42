import Testing

@testable import Codec

/// RSV1 in both directions (RFC 7692 6).
@Suite struct CompressedFrameTests {
    static let hello: [UInt8] = [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00]

    @Test func arePassedOnUndone() {
        let whole = frame(0xC1, Self.hello)
        let cut = frame(0x41, Array(Self.hello[..<3])) + frame(0x89, [1]) + frame(0x80, Array(Self.hello[3...]))
        #expect(hear([whole], allowsCompression: true) == [.compressed(.text, Self.hello)])
        #expect(hear(whole.map { [$0] }, allowsCompression: true) == [.compressed(.text, Self.hello)])
        #expect(hear([cut], allowsCompression: true) == [.ping([1]), .compressed(.text, Self.hello)])
        #expect(hear(cut.map { [$0] }, allowsCompression: true) == [.ping([1]), .compressed(.text, Self.hello)])
        // A message that is not compressed may come between.
        #expect(
            hear([frame(0x81, [65]) + whole + frame(0x01, [66]) + frame(0x80, [67])], allowsCompression: true) == [
                .message(.text, [65]), .compressed(.text, Self.hello), .message(.text, [66, 67]),
            ])
    }

    static let violations: [[UInt8]] = [
        // RSV1 of a control frame, of a fragment that is not the first, of nothing known; and the other two bits.
        frame(0xC9, [1]), frame(0xC8, []), frame(0x41, [1]) + frame(0xC0, [2]), frame(0x01, [65]) + frame(0xC0, [2]),
        frame(0xE1, hello), frame(0xD1, hello), frame(0xA1, hello), frame(0x91, hello),
    ]

    @Test(arguments: violations)
    func otherReservedBitsAreErrors(_ bytes: [UInt8]) {
        #expect(hear([bytes], allowsCompression: true).failureCodes.last == 1002)
        #expect(hear(bytes.map { [$0] }, allowsCompression: true).failureCodes.last == 1002)
    }

    @Test func needAnAgreement() {
        #expect(hear([frame(0xC1, Self.hello)]).failureCodes == [1002])
    }

    /// What cannot be compressed becomes larger: the limit is the message's, not the bytes' on the wire.
    @Test func mayBeALittleLargerThanTheMessage() {
        var random = SeededNumbers(state: 5)
        let limit = 100_000
        let payload = (0..<limit).map { _ in UInt8.random(in: 0...255, using: &random) }
        let packed = deflated(payload, by: Deflater(windowBits: 9, level: 1))
        #expect(packed.count > limit)
        let limits = FrameLimits(messageBytes: limit)
        for pieces in [[frame(0xC2, packed)], frame(0xC2, packed).cut(longest: 9999, &random)] {
            #expect(hear(pieces, limits: limits, allowsCompression: true) == [.compressed(.binary, packed)])
        }
        let tooMuch = [UInt8](repeating: 1, count: limit + limit >> 3 + 65)
        #expect(hear([frame(0xC2, tooMuch)], limits: limits, allowsCompression: true).failureCodes == [1009])
        // And what is not compressed has the limit itself, in one frame or in two.
        let plain = [UInt8](repeating: 1, count: limit + 1)
        #expect(hear([frame(0x82, plain)], limits: limits, allowsCompression: true).failureCodes == [1009])
        #expect(
            hear([frame(0x02, [1]) + frame(0x80, Array(plain[1...]))], limits: limits, allowsCompression: true)
                .failureCodes == [1009])
        #expect(
            hear([frame(0x02, Array(plain[2...])) + frame(0x80, [1])], limits: limits, allowsCompression: true)
                == [.message(.binary, Array(plain[1...]))])
    }

    static func written(_ payload: [UInt8], _ variant: Variant, _ settings: Packing.Settings = .init()) -> [UInt8] {
        let publication = Publication(
            channel: ChannelName(trusted: Array("a".utf8)), kind: .text, payload: payload, origin: NodeID(1))
        return Written.bytes {
            // Behind something else, because frames of a batch lie one behind the other.
            $0.append(0x55)
            PublicationEncoder.write(publication, as: variant, packing: Packing(settings), to: $0)
        }.dropFirst().map { $0 }
    }

    static let compressing: [Variant] = [
        .rawDeflate, .rawSmall, .centrifugeJSONDeflate, .centrifugeJSONSmall, .centrifugeProtobufDeflate,
        .centrifugeProtobufSmall,
    ]
    static let plain: [Variant] = [
        .raw, .raw, .centrifugeJSON, .centrifugeJSON, .centrifugeProtobuf, .centrifugeProtobuf,
    ]

    @Test(arguments: zip(compressing, plain))
    func sayWhatTheUncompressedOnesSay(_ variant: Variant, _ plain: Variant) {
        let opcode: Opcode = variant.encoding == .protobuf ? .binary : .text
        for count in [256, 1000, 70_000, 200_000] {
            let payload = Array(repeatElement(Array("tick ".utf8), count: count / 5 + 1).joined())
            let packed = hear(
                [Self.written(payload, variant)], role: .client, limits: .init(messageBytes: 1 << 20),
                allowsCompression: true)
            guard case .compressed(opcode, let bytes)? = packed.first, packed.count == 1 else {
                Issue.record("\(variant) of \(payload.count) bytes is not compressed")
                continue
            }
            #expect(bytes.count < payload.count / 4)
            let expected = hear([Self.written(payload, plain)], role: .client, limits: .init(messageBytes: 1 << 20))
            guard case .message(let message) = inflated(bytes, by: Inflater()) else {
                Issue.record("\(variant) of \(payload.count) bytes cannot be inflated")
                continue
            }
            #expect([.message(opcode, message)] == expected)
        }
    }

    @Test func areNotMadeWhenItDoesNotPay() {
        var random = SeededNumbers(state: 9)
        let short = [UInt8](repeating: 65, count: 255)
        #expect(Self.written(short, .rawDeflate) == Self.written(short, .raw))
        #expect(Self.written(short + [65], .rawDeflate) != Self.written(short + [65], .raw))
        var settings = Packing.Settings()
        settings.minimumBytes = 0
        #expect(Self.written(short, .rawDeflate, settings).count < 20)
        #expect(Self.written([], .rawDeflate, settings) == Self.written([], .raw))
        let noise = (0..<4000).map { _ in UInt8.random(in: 0...255, using: &random) }
        #expect(Self.written(noise, .rawDeflate) == Self.written(noise, .raw))
    }
}
