import Testing

@testable import Codec

@Suite struct ProxyHeaderWriterTests {
    static let ipv4 = ProxyHeader.Origin.relayed(
        source: .ip(.v4(0xC0A8_0001), port: 56324), destination: .ip(.v4(0xC0A8_000B), port: 443))
    static let ipv6 = ProxyHeader.Origin.relayed(
        source: .ip(.v6(0x2001_0DB8 << 32, 7), port: 0), destination: .ip(.v6(0, 1), port: 65535))
    static let mapped = ProxyHeader.Origin.relayed(
        source: .ip(.v6(0, 0xFFFF_C000_0201), port: 1), destination: .ip(.v6(.max, .max), port: 2))
    static let unix = ProxyHeader.Origin.relayed(
        source: .unix(Array("/run/a".utf8)), destination: .unix(Array(repeating: 0x2F, count: 108)))
    static let mixed = ProxyHeader.Origin.relayed(
        source: .ip(.v4(1), port: 1), destination: .ip(.v6(0, 1), port: 2))

    static func bytes(_ header: ProxyHeader) -> [UInt8] { Written.bytes { ProxyHeaderWriter.write(header, to: $0) } }

    @Test func writesTheExampleOfTheText() {
        #expect(
            Written.text { ProxyHeaderWriter.writeLine(Self.ipv4, to: $0) }
                == "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n")
        #expect(
            Written.text { ProxyHeaderWriter.writeLine(Self.ipv6, to: $0) } == "PROXY TCP6 2001:db8::7 ::1 0 65535\r\n")
        #expect(
            Written.bytes { ProxyHeaderWriter.writeBlock(Self.ipv4, to: $0) }
                == ProxyBytes.block(0x21, 0x11, ProxyBytes.ipv4))
        #expect(Written.bytes { ProxyHeaderWriter.writeBlock(.peer, to: $0) } == ProxyBytes.block(0x20, 0x00))
    }

    @Test(arguments: [ProxyHeader.Origin.peer, ipv4, ipv6, mapped])
    func isReadBack(origin: ProxyHeader.Origin) {
        for version in [ProxyHeader.Version.v1, .v2] {
            let header = ProxyHeader(version: version, origin: origin)
            let bytes = Self.bytes(header)
            #expect(ProxyBytes.parse(bytes) == .header(header, consumed: bytes.count))
        }
    }

    @Test func writesUnixSocketsInVersion2Only() {
        let header = ProxyHeader(version: .v2, origin: Self.unix)
        #expect(ProxyBytes.parse(Self.bytes(header)) == .header(header, consumed: 232))
        #expect(Written.text { ProxyHeaderWriter.writeLine(Self.unix, to: $0) } == "PROXY UNKNOWN\r\n")
    }

    /// There is no family for two: the connection is passed on, its ends are not told.
    @Test func doesNotTellTwoFamilies() {
        #expect(Written.text { ProxyHeaderWriter.writeLine(Self.mixed, to: $0) } == "PROXY UNKNOWN\r\n")
        #expect(Written.bytes { ProxyHeaderWriter.writeBlock(Self.mixed, to: $0) } == ProxyBytes.block(0x21, 0x00))
    }

    /// Behind what is in the writer already, which the checksum is not of.
    @Test func writesBehindOtherBytes() {
        let vectors = [
            ProxyHeaderWriter.Vector(type: 0x04, value: []), ProxyHeaderWriter.Vector(type: 0xE0, value: [1, 2]),
        ]
        let bytes = Written.bytes {
            $0.append("before")
            ProxyHeaderWriter.writeBlock(Self.ipv6, vectors: vectors, hasChecksum: true, to: $0)
        }
        #expect(
            ProxyBytes.parse(Array(bytes.dropFirst(6)))
                == .header(ProxyHeader(version: .v2, origin: Self.ipv6), consumed: 16 + 36 + 3 + 5 + 7))
    }
}
