import Testing

@testable import Codec

@Suite struct FrameWriterTests {
    @Test(arguments: [0, 1, 125, 126, 127, 65535, 65536, 100_000])
    func whatItWritesIsRead(count: Int) {
        let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let limits = FrameLimits(messageBytes: 1 << 20)
        let writer = ByteWriter()
        payload.withUnsafeBytes { FrameWriter.write(.binary, $0, to: writer) }
        #expect(writer.count == count + FrameWriter.headerBytes(payloadBytes: count))
        #expect(hear([Array(writer.bytes)], role: .client, limits: limits) == [.message(.binary, payload)])

        writer.removeAll()
        payload.withUnsafeBytes { FrameWriter.writeMasked(.binary, $0, key: 0x1234_5678, to: writer) }
        #expect(hear([Array(writer.bytes)], role: .server, limits: limits) == [.message(.binary, payload)])
    }

    @Test func cutsReasonsBetweenCharacters() {
        let writer = ByteWriter()
        FrameWriter.writeClose(.goingAway, reason: String(repeating: "ü", count: 100), to: writer)
        #expect(hear([Array(writer.bytes)], role: .client) == [.close(1001, String(repeating: "ü", count: 61))])
    }

    @Test func neverSendsACodeThatMustNotBeSent() {
        let writer = ByteWriter()
        FrameWriter.writeClose(.noStatus, reason: "x", to: writer)
        #expect(Array(writer.bytes) == [0x88, 0])
    }

    @Test(arguments: [0, 1, 2, 3, 4, 7, 8, 9, 64, 1000])
    func masksFromAnyPlace(offset: Int) {
        let key: UInt32 = 0xA1B2_C3D4
        let keyBytes: [UInt8] = [0xD4, 0xC3, 0xB2, 0xA1]
        for count in [0, 1, 3, 7, 8, 9, 31] {
            var bytes = [UInt8](repeating: 0, count: count)
            bytes.withUnsafeMutableBytes { Masking.apply(key, to: $0, offset: offset) }
            #expect(bytes == (0..<count).map { keyBytes[($0 + offset) % 4] })
        }
    }
}

@Suite struct UTF8ValidatorTests {
    static let good: [[UInt8]] = [
        [], Array("ascii only, more than eight bytes".utf8), Array("κόσμε".utf8), [0xC2, 0x80], [0xDF, 0xBF],
        [0xE0, 0xA0, 0x80], [0xED, 0x9F, 0xBF], [0xEE, 0x80, 0x80], [0xEF, 0xBF, 0xBF], [0xF0, 0x90, 0x80, 0x80],
        [0xF4, 0x8F, 0xBF, 0xBF], [0],
    ]
    static let bad: [[UInt8]] = [
        [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x9F, 0xBF], [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF],
        [0xF0, 0x8F, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFE], [0xFF], [0xC2, 0x41],
        [0xE2, 0x82], [0xF0, 0x9F, 0x98],
    ]

    @Test(arguments: good)
    func accepts(_ bytes: [UInt8]) {
        #expect(bytes.withUnsafeBytes { UTF8Validator.isValid($0) })
    }

    @Test(arguments: bad)
    func refuses(_ bytes: [UInt8]) {
        #expect(!bytes.withUnsafeBytes { UTF8Validator.isValid($0) })
        // Behind ASCII of any length too, so that the fast path changes nothing.
        for padding in 0..<20 {
            let padded = [UInt8](repeating: 65, count: padding) + bytes
            #expect(!padded.withUnsafeBytes { UTF8Validator.isValid($0) })
        }
    }

    /// The standard library's verdict, on random bytes.
    @Test func agreesWithTheLibrary() {
        var random = Seeded(state: 5)
        for _ in 0..<20_000 {
            let bytes = (0..<Int(random.next() % 12)).map { _ in
                [UInt8(0x41), 0x80, 0xBF, 0xC3, 0xE2, 0xED, 0xF0, 0xF4, 0x9F, 0x90][Int(random.next() % 10)]
            }
            let expected = String(validating: bytes, as: UTF8.self) != nil
            #expect(bytes.withUnsafeBytes { UTF8Validator.isValid($0) } == expected, "\(bytes)")
        }
    }
}
