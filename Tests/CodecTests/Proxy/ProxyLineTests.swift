import Testing

@testable import Codec

/// Version 1 (proxy-protocol.txt 2.1).
@Suite struct ProxyLineTests {
    @Test func readsTheExampleOfTheText() throws {
        let line = "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"
        let header = try ProxyBytes.relayed(.v1, "192.168.0.1", 56324, "192.168.0.11", 443)
        #expect(
            ProxyBytes.parse(line + "GET / HTTP/1.1\r\nHost: 192.168.0.11\r\n\r\n")
                == .header(header, consumed: line.utf8.count))
        #expect(header.source == .ip(.v4(0xC0A8_0001), port: 56324))
    }

    /// The longest lines that the text names.
    @Test(arguments: [
        ("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", 56),
        (
            "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe 65535 65535\r\n",
            104
        ),
        (
            "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
            107
        ),
        ("PROXY UNKNOWN\r\n", 15),
    ])
    func readsTheLongest(line: String, bytes: Int) {
        #expect(line.utf8.count == bytes)
        guard case .header(let header, bytes) = ProxyBytes.parse(line + "x") else {
            Issue.record("not a header")
            return
        }
        #expect((header.source == nil) == line.contains("UNKNOWN"))
    }

    @Test func readsIPv6() throws {
        let line = "PROXY TCP6 2001:DB8::7 ::1 1 0\r\n"
        #expect(
            ProxyBytes.parse(line)
                == .header(try ProxyBytes.relayed(.v1, "2001:db8::7", 1, "::1", 0), consumed: line.utf8.count))
    }

    /// `UNKNOWN` says nothing, whatever is behind it.
    @Test(arguments: ["", " ", " TCP4", "  1.2.3.4 1.2.3.4 1 2", " \0\t\u{FF}"])
    func ignoresWhatIsUnknown(rest: String) {
        let line = "PROXY UNKNOWN\(rest)\r\n"
        #expect(
            ProxyBytes.parse(line + "\n")
                == .header(ProxyHeader(version: .v1, origin: .peer), consumed: line.utf8.count))
    }

    static let refused: [(String, ProxyError)] = [
        ("", .protocolName),
        ("TCP5 1.2.3.4 1.2.3.4 1 2", .protocolName),
        ("tcp4 1.2.3.4 1.2.3.4 1 2", .protocolName),
        (" TCP4 1.2.3.4 1.2.3.4 1 2", .protocolName),
        ("UNKNOWNX", .protocolName),
        ("UDP4 1.2.3.4 1.2.3.4 1 2", .protocolName),
        ("TCP4", .fields(0)),
        ("TCP4 1.2.3.4", .fields(1)),
        ("TCP4 1.2.3.4 1.2.3.4 1", .fields(3)),
        ("TCP4 1.2.3.4 1.2.3.4 1 2 ", .fields(5)),
        ("TCP4 1.2.3.4 1.2.3.4 1 2 3", .fields(5)),
        ("TCP4  1.2.3.4 1.2.3.4 1 2", .fields(5)),
        ("TCP4 1.2.3.4  1.2.3.4 1 2", .fields(5)),
        ("TCP4\t1.2.3.4 1.2.3.4 1 2", .protocolName),
        ("TCP4 1.2.3 1.2.3.4 1 2", .address(.source)),
        ("TCP4 1.2.3.4.5 1.2.3.4 1 2", .address(.source)),
        ("TCP4 01.2.3.4 1.2.3.4 1 2", .address(.source)),
        ("TCP4 1.2.3.00 1.2.3.4 1 2", .address(.source)),
        ("TCP4 256.2.3.4 1.2.3.4 1 2", .address(.source)),
        ("TCP4 +1.2.3.4 1.2.3.4 1 2", .address(.source)),
        ("TCP4 1.2.3.4 1..3.4 1 2", .address(.destination)),
        ("TCP4 1.2.3.4 0x1.2.3.4 1 2", .address(.destination)),
        ("TCP4 ::1 1.2.3.4 1 2", .address(.source)),
        ("TCP4 1.2.3.4 ::1 1 2", .address(.destination)),
        ("TCP6 1.2.3.4 ::1 1 2", .address(.source)),
        ("TCP6 ::1 [::1] 1 2", .address(.destination)),
        ("TCP6 ::1 fe80::1%eth0 1 2", .address(.destination)),
        ("TCP4 1.2.3.4 1.2.3.4 65536 2", .port(.source)),
        ("TCP4 1.2.3.4 1.2.3.4 99999999999999999999 2", .port(.source)),
        ("TCP4 1.2.3.4 1.2.3.4 01 2", .port(.source)),
        ("TCP4 1.2.3.4 1.2.3.4 -1 2", .port(.source)),
        ("TCP4 1.2.3.4 1.2.3.4 1 00", .port(.destination)),
        ("TCP4 1.2.3.4 1.2.3.4 1 2\0", .port(.destination)),
        ("TCP4 1.2.3.4 1.2.3.4 1 ", .port(.destination)),
        ("TCP4 1.2.3.4 1.2.3.4 1 2\n", .lineEnd),
        ("TCP4 1.2.3.4 1.2.3.4 1 2\r", .lineEnd),
        ("UNKNOWN a\nb", .lineEnd),
        ("UNKNOWN a\rb", .lineEnd),
    ]

    @Test(arguments: refused)
    func refuses(rest: String, error: ProxyError) {
        #expect(ProxyBytes.parse("PROXY \(rest)\r\n") == .malformed(error))
        #expect(ProxyBytes.verdict(Array("PROXY \(rest)\r\n".utf8))?.0 == .malformed(error))
    }

    /// The end has to be among the first 107 bytes, and the verdict comes with the last of these.
    @Test(arguments: [
        (String(repeating: "x", count: 91), nil), (String(repeating: "x", count: 92), 107),
        (String(repeating: "x", count: 5000), 107),
    ])
    func boundsTheLine(rest: String, refusedAfter: Int?) throws {
        let line = Array("PROXY UNKNOWN \(rest)\r\n".utf8)
        let (parsed, count) = try #require(ProxyBytes.verdict(line))
        if let refusedAfter {
            #expect(parsed == .malformed(.lineTooLong))
            #expect(count == refusedAfter)
        } else {
            #expect(line.count == 107)
            #expect(parsed == .header(ProxyHeader(version: .v1, origin: .peer), consumed: 107))
        }
    }
}
