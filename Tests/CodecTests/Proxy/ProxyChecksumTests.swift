import Testing

@testable import Codec

/// PP2_TYPE_CRC32C (proxy-protocol.txt 2.2.3).
@Suite struct ProxyChecksumTests {
    static let origin = ProxyHeader.Origin.relayed(
        source: .ip(.v4(0xC0A8_0001), port: 56324), destination: .ip(.v4(0xC0A8_000B), port: 443))

    static func header(_ vectors: [ProxyHeaderWriter.Vector] = []) -> [UInt8] {
        Written.bytes { ProxyHeaderWriter.writeBlock(origin, vectors: vectors, hasChecksum: true, to: $0) }
    }

    /// The check value of the Castagnoli polynomial, and the examples of RFC 3720 B.4 (their bytes as one number).
    @Test(
        arguments: [
            (Array("123456789".utf8), 0xE306_9283), ([], 0), (Array(repeating: 0, count: 32), 0x8A91_36AA),
            (Array(repeating: 0xFF, count: 32), 0x62A8_AB43), (Array(0..<32), 0x46DD_794E),
            (Array((0..<32).reversed()), 0x113F_DB5C),
        ] as [([UInt8], UInt32)])
    func isTheKnownOne(bytes: [UInt8], checksum: UInt32) {
        #expect(bytes.withUnsafeBytes { CRC32C.checksum($0) } == checksum)
    }

    @Test func takesWhatIsZeroedAsZero() {
        let bytes: [UInt8] = [1, 2, 3, 4]
        let zeroed: [UInt8] = [1, 0, 0, 4]
        #expect(
            bytes.withUnsafeBytes { CRC32C.checksum($0, zeroed: 1..<3) }
                == zeroed.withUnsafeBytes { CRC32C.checksum($0) })
    }

    @Test(arguments: [[], [ProxyHeaderWriter.Vector(type: 0x02, value: Array("example.com".utf8))]])
    func acceptsTheRightOne(vectors: [ProxyHeaderWriter.Vector]) {
        let bytes = Self.header(vectors)
        #expect(
            ProxyBytes.parse(bytes) == .header(ProxyHeader(version: .v2, origin: Self.origin), consumed: bytes.count))
    }

    /// Wherever the TLV stands.
    @Test func acceptsItInFrontOfOthers() throws {
        var bytes = ProxyBytes.block(
            0x21, 0x11, ProxyBytes.ipv4 + ProxyBytes.vector(0x03, [0, 0, 0, 0]) + ProxyBytes.vector(0x04, [7]))
        #expect(ProxyBytes.parse(bytes) == .malformed(.checksum))
        let checksum = bytes.withUnsafeBytes { CRC32C.checksum($0) }
        for index in 0..<4 { bytes[31 + index] = UInt8(truncatingIfNeeded: checksum >> (24 - 8 * index)) }
        #expect(
            ProxyBytes.parse(bytes)
                == .header(ProxyHeader(version: .v2, origin: Self.origin), consumed: bytes.count))
    }

    /// No address but the right one is read from a header with a checksum of which a bit is wrong. Two bytes can say that
    /// there is nothing to check: what the connection is, and the type of the TLV.
    @Test func noticesEachBit() {
        let right = Self.header([ProxyHeaderWriter.Vector(type: 0x02, value: Array("example.com".utf8))])
        let type = right.count - 7
        for index in right.indices {
            for bit in 0..<8 {
                var wrong = right
                wrong[index] ^= 1 << bit
                guard case .header(let header, _) = ProxyBytes.parse(wrong) else { continue }
                #expect(header.origin == (index == type ? Self.origin : .peer), "byte \(index), bit \(bit)")
                #expect([12, 13, type].contains(index))
            }
        }
    }

    @Test(arguments: [
        ProxyBytes.vector(0x03, []), ProxyBytes.vector(0x03, [1, 2, 3]), ProxyBytes.vector(0x03, [1, 2, 3, 4, 5]),
        ProxyBytes.vector(0x03, [0, 0, 0, 0]) + ProxyBytes.vector(0x03, [0, 0, 0, 0]),
    ])
    func refusesWhatIsNoChecksum(vectors: [UInt8]) {
        #expect(
            ProxyBytes.parse(ProxyBytes.block(0x21, 0x11, ProxyBytes.ipv4 + vectors)) == .malformed(.checksumVector))
    }
}
