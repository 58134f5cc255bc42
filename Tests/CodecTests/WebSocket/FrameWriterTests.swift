import Testing

@testable import Codec

@Suite struct FrameWriterTests {
    @Test(arguments: [0, 1, 125, 126, 127, 65535, 65536, 100_000])
    func whatItWritesIsRead(count: Int) {
        let payload = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let limits = FrameLimits(messageBytes: 1 << 20)
        let plain = Written.bytes { writer in
            payload.withUnsafeBytes { FrameWriter.write(.binary, $0, to: writer) }
        }
        #expect(plain.count == count + FrameWriter.headerBytes(payloadBytes: count))
        #expect(hear([plain], role: .client, limits: limits) == [.message(.binary, payload)])

        let masked = Written.bytes { writer in
            payload.withUnsafeBytes { FrameWriter.writeMasked(.binary, $0, key: 0x1234_5678, to: writer) }
        }
        #expect(masked.count == plain.count + 4)
        #expect(hear([masked], role: .server, limits: limits) == [.message(.binary, payload)])
    }

    /// Byte for byte what RFC 6455 5.7 shows.
    @Test func writesTheExamplesOfTheStandard() {
        let hello = Array("Hello".utf8)
        let plain = Written.bytes { writer in hello.withUnsafeBytes { FrameWriter.write(.text, $0, to: writer) } }
        #expect(plain == [0x81, 0x05] + hello)
        let masked = Written.bytes { writer in
            hello.withUnsafeBytes { FrameWriter.writeMasked(.text, $0, key: 0x3D21_FA37, to: writer) }
        }
        #expect(masked == [0x81, 0x85, 0x37, 0xFA, 0x21, 0x3D, 0x7F, 0x9F, 0x4D, 0x51, 0x58])
    }

    @Test(arguments: [
        ("", ""), ("bye", "bye"), (String(repeating: "x", count: 123), String(repeating: "x", count: 123)),
        (String(repeating: "x", count: 124), String(repeating: "x", count: 123)),
        (String(repeating: "ü", count: 100), String(repeating: "ü", count: 61)),
        ("x" + String(repeating: "🎉", count: 40), "x" + String(repeating: "🎉", count: 30)),
    ])
    func cutsReasonsBetweenCharacters(reason: String, expected: String) {
        let bytes = Written.bytes { FrameWriter.writeClose(.goingAway, reason: reason, to: $0) }
        #expect(hear([bytes], role: .client) == [.close(1001, expected)])
    }

    @Test(arguments: [0, 999, 1005, 1006, 1015, 5000] as [UInt16])
    func neverSendsACodeThatMustNotBeSent(code: UInt16) {
        #expect(Written.bytes { FrameWriter.writeClose(CloseCode(rawValue: code), reason: "x", to: $0) } == [0x88, 0])
    }

    /// A payload written before its length is known.
    @Test(arguments: [0, 1, 125, 126, 65535, 65536])
    func framesWhatWasWrittenBefore(count: Int) {
        let payload = [UInt8](repeating: 0x61, count: count)
        let bytes = Written.bytes { writer in
            writer.append([1, 2, 3])
            let start = writer.count
            writer.append([UInt8](repeating: 0, count: 10))
            writer.append(payload)
            writer.closeFrame(.text, at: start, reserved: 10)
        }
        #expect(bytes.starts(with: [1, 2, 3]))
        #expect(
            hear([Array(bytes[3...])], role: .client, limits: FrameLimits(messageBytes: count))
                == [.message(.text, payload)])
    }
}
