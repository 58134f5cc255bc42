import Testing

@testable import Codec

@Suite struct IPAddressTests {
    static func parse(_ text: String) -> IPAddress? { IPAddress(parsing: text.utf8) }

    static let read: [(String, IPAddress)] = [
        ("0.0.0.0", .v4(0)), ("255.255.255.255", .v4(.max)), ("10.1.2.3", .v4(0x0A01_0203)),
        ("::", .v6(0, 0)), ("::1", .v6(0, 1)), ("1::", .v6(1 << 48, 0)),
        ("2001:DB8::a:0:1", .v6(0x2001_0DB8 << 32, 0xA_0000_0001)),
        ("1:2:3:4:5:6:7:8", .v6(0x0001_0002_0003_0004, 0x0005_0006_0007_0008)),
        ("1:2:3:4:5:6:7::", .v6(0x0001_0002_0003_0004, 0x0005_0006_0007_0000)),
        ("::2:3:4:5:6:7:8", .v6(0x0000_0002_0003_0004, 0x0005_0006_0007_0008)),
        ("0001:0:0:0:0:0:0:1", .v6(1 << 48, 1)),
        ("::ffff:192.0.2.1", .v6(0, 0xFFFF_C000_0201)), ("::192.0.2.1", .v6(0, 0xC000_0201)),
        ("64:ff9b::192.0.2.33", .v6(0x0064_FF9B << 32, 0xC000_0221)),
        ("1:2:3:4:5:6:1.2.3.4", .v6(0x0001_0002_0003_0004, 0x0005_0006_0102_0304)),
        ("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", .v6(.max, .max)),
    ]

    @Test(arguments: read)
    func reads(text: String, address: IPAddress) {
        #expect(Self.parse(text) == address)
    }

    @Test(arguments: [
        "", " ", "1", "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.04", "1.2.3.", ".1.2.3", "1.2.3.4 ", " 1.2.3.4",
        "0x1.2.3.4",
        "1.2.3.-4", "1.2.3.4:5", "1,2,3,4", "localhost", "١.2.3.4",
        ":", ":::", "1:", ":1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::", "1:2:3:4::5:6:7:8", "::1::",
        "1::2::3", ":::1", "1:::", "00001::", "g::", "::1%lo", "[::1]", "::1/128", "1.2.3.4::", "::1.2.3",
        "::1.2.3.4.5",
        "::1.2.3.4:5", "1:2:3:4:5:6:7:1.2.3.4", "::01.2.3.4", "::-1", "::1 ",
        String(repeating: "0:", count: 40), String(repeating: ":", count: 1000),
    ])
    func refuses(text: String) {
        #expect(Self.parse(text) == nil)
    }

    /// RFC 5952 4 and 5, but for mapped addresses, whose groups stay what they are.
    @Test(arguments: [
        ("0:0:0:0:0:0:0:0", "::"), ("0:0:0:0:0:0:0:1", "::1"), ("2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"),
        ("2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"), ("1:0:0:2:0:0:0:3", "1:0:0:2::3"), ("1:0:0:0:0:0:0:0", "1::"),
        ("0:0:1:0:0:0:0:0", "0:0:1::"), ("::ffff:192.0.2.1", "::ffff:c000:201"), ("10.0.0.1", "10.0.0.1"),
    ])
    func isWrittenShortly(text: String, short: String) {
        #expect(Self.parse(text)?.description == short)
    }

    @Test func isReadBack() {
        var numbers = SeededNumbers(state: 3)
        for round in 0..<5000 {
            var bytes = numbers.bytes(round % 2 == 0 ? 4 : 16)
            // Zeros are what is written in another way.
            for index in bytes.indices where Bool.random(using: &numbers) { bytes[index & ~1] = 0 }
            for index in bytes.indices where Bool.random(using: &numbers) { bytes[index | 1] = 0 }
            guard let address = IPAddress(bytes: bytes) else {
                Issue.record("\(bytes)")
                continue
            }
            #expect(address.bytes == bytes)
            #expect(Self.parse(address.description) == address)
        }
    }

    @Test func hasFourOrSixteenBytes() {
        for count in 0...20 where count != 4 && count != 16 {
            #expect(IPAddress(bytes: [UInt8](repeating: 0, count: count)) == nil)
        }
    }

    @Test func unmapsMappedAddressesOnly() {
        #expect(Self.parse("::ffff:10.1.2.3")?.unmapped == .v4(0x0A01_0203))
        for text in ["::10.1.2.3", "::fffe:10.1.2.3", "1::ffff:10.1.2.3", "::1:ffff:10.1.2.3", "10.1.2.3"] {
            #expect(Self.parse(text)?.unmapped == Self.parse(text))
        }
    }
}
