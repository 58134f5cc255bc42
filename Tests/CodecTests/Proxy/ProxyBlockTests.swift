import Testing

@testable import Codec

/// Version 2 (proxy-protocol.txt 2.2).
@Suite struct ProxyBlockTests {
    @Test func readsIPv4() throws {
        let bytes = ProxyBytes.block(0x21, 0x11, ProxyBytes.ipv4)
        #expect(bytes.count == 28)
        #expect(
            ProxyBytes.parse(bytes + Array("GET".utf8))
                == .header(try ProxyBytes.relayed(.v2, "192.168.0.1", 56324, "192.168.0.11", 443), consumed: 28))
    }

    @Test func readsIPv6() throws {
        let source: [UInt8] = [0x20, 0x01, 0x0D, 0xB8] + Array(repeating: 0, count: 11) + [7]
        let destination: [UInt8] = Array(repeating: 0, count: 15) + [1]
        let bytes = ProxyBytes.block(0x21, 0x21, source + destination + [0xFF, 0xFF, 0, 80])
        #expect(
            ProxyBytes.parse(bytes)
                == .header(try ProxyBytes.relayed(.v2, "2001:db8::7", 65535, "::1", 80), consumed: 52))
    }

    @Test func readsUnixSockets() {
        let path = Array("/run/a.sock".utf8)
        let zeros = [UInt8](repeating: 0, count: 108)
        let full = [UInt8](repeating: 0xC3, count: 108)
        for (from, expected) in [(path + zeros.dropLast(path.count), path), (full, full), (zeros, [])] {
            #expect(
                ProxyBytes.parse(ProxyBytes.block(0x21, 0x31, from + zeros))
                    == .header(
                        ProxyHeader(version: .v2, origin: .relayed(source: .unix(expected), destination: .unix([]))),
                        consumed: 232))
        }
    }

    /// The balancer's own connections, and those it cannot tell the ends of: family, addresses and TLVs are skipped.
    @Test(arguments: [
        ProxyBytes.block(0x20, 0x00), ProxyBytes.block(0x20, 0x11, ProxyBytes.ipv4), ProxyBytes.block(0x20, 0x11),
        ProxyBytes.block(0x20, 0xFF, [1]), ProxyBytes.block(0x20, 0x12, [3, 0, 4, 0]),
        ProxyBytes.block(0x21, 0x00), ProxyBytes.block(0x21, 0x00, [3, 0, 4, 0, 0, 0, 0]),
        ProxyBytes.block(0x21, 0x01, [0xFF]), ProxyBytes.block(0x21, 0x10, ProxyBytes.ipv4),
    ])
    func keepsThePeer(bytes: [UInt8]) {
        #expect(
            ProxyBytes.parse(bytes + [0]) == .header(ProxyHeader(version: .v2, origin: .peer), consumed: bytes.count))
    }

    static let refused: [(bytes: [UInt8], error: ProxyError, after: Int)] = [
        (ProxyBytes.block(0x11, 0x11, ProxyBytes.ipv4), .version(1), 13),
        (ProxyBytes.block(0x31, 0x11, ProxyBytes.ipv4), .version(3), 13),
        (ProxyBytes.block(0x01, 0x11, ProxyBytes.ipv4), .version(0), 13),
        (ProxyBytes.block(0x22, 0x11, ProxyBytes.ipv4), .command(2), 13),
        (ProxyBytes.block(0x2F, 0x11, ProxyBytes.ipv4), .command(15), 13),
        (ProxyBytes.block(0x21, 0x41, ProxyBytes.ipv4), .family(4), 14),
        (ProxyBytes.block(0x21, 0xF1, ProxyBytes.ipv4), .family(15), 14),
        (ProxyBytes.block(0x21, 0x13, ProxyBytes.ipv4), .transport(3), 14),
        (ProxyBytes.block(0x21, 0x12, ProxyBytes.ipv4), .datagram, 14),
        (ProxyBytes.block(0x21, 0x22, Array(repeating: 0, count: 36)), .datagram, 14),
        (ProxyBytes.block(0x21, 0x32, Array(repeating: 0, count: 216)), .datagram, 14),
        // Brought down servers that read addresses of no bytes.
        (ProxyBytes.block(0x21, 0x12), .datagram, 14),
        (ProxyBytes.block(0x21, 0x11), .addressesTooShort(announced: 0, needed: 12), 16),
        (ProxyBytes.block(0x21, 0x11, ProxyBytes.ipv4.dropLast()), .addressesTooShort(announced: 11, needed: 12), 16),
        (ProxyBytes.block(0x21, 0x21, ProxyBytes.ipv4), .addressesTooShort(announced: 12, needed: 36), 16),
        (ProxyBytes.block(0x21, 0x31, [0]), .addressesTooShort(announced: 1, needed: 216), 16),
        (ProxyBytes.block(0x21, 0x11, length: 65535), .headerTooLong(announced: 65535), 16),
        (ProxyBytes.block(0x20, 0x00, length: 65535), .headerTooLong(announced: 65535), 16),
        (ProxyBytes.block(0x21, 0x11, length: 521), .headerTooLong(announced: 521), 16),
    ]

    /// Each as soon as its byte is there, whatever comes after it.
    @Test(arguments: refused)
    func refuses(bytes: [UInt8], error: ProxyError, after: Int) throws {
        #expect(ProxyBytes.parse(bytes) == .malformed(error))
        #expect(ProxyBytes.parse(bytes + Array(repeating: 0, count: 70_000)) == .malformed(error))
        let (parsed, count) = try #require(ProxyBytes.verdict(bytes))
        #expect(parsed == .malformed(error))
        #expect(count == after)
    }

    @Test func readsTheLongest() {
        let bytes = ProxyBytes.block(
            0x21, 0x11, ProxyBytes.ipv4 + ProxyBytes.vector(0x05, Array(repeating: 1, count: 505)))
        #expect(bytes.count == 536)
        guard case .header(_, 536) = ProxyBytes.parse(bytes) else {
            Issue.record("not a header")
            return
        }
    }

    /// What is said about TLS, names and more is passed over, whatever its type (2.2.1 to 2.2.8).
    @Test func passesVectorsOver() throws {
        let header = try ProxyBytes.relayed(.v2, "192.168.0.1", 56324, "192.168.0.11", 443)
        for type: UInt8 in 0...255 where type != 0x03 {
            for value: [UInt8] in [[], [0], Array(repeating: 0xFF, count: 300)] {
                let bytes = ProxyBytes.block(
                    0x21, 0x11, ProxyBytes.ipv4 + ProxyBytes.vector(type, value) + ProxyBytes.vector(0x04, [0, 0]))
                #expect(ProxyBytes.parse(bytes) == .header(header, consumed: bytes.count))
            }
        }
    }

    @Test(arguments: [
        [0x02], [0x02, 0], [0x02, 0, 1], [0x02, 0xFF, 0xFF, 1], [0x04, 0, 0, 0x04], [0x04, 0, 1, 9, 0x04, 0, 2, 9],
        [0x03, 0, 4, 1, 2, 3], [0x20, 0, 5, 1, 0, 0, 0],
    ])
    func refusesVectorsThatGoOn(vectors: [UInt8]) {
        let bytes = ProxyBytes.block(0x21, 0x11, ProxyBytes.ipv4 + vectors)
        // The bytes behind the header are not the TLV's.
        #expect(ProxyBytes.parse(bytes + Array(repeating: 0, count: 70_000)) == .malformed(.vectorTooLong))
    }
}
