import Testing

@testable import Codec

@Suite struct AddressRangeTests {
    static let members: [(range: String, inside: [String], outside: [String])] = [
        (
            "10.0.0.0/8", ["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"],
            ["9.255.255.255", "11.0.0.0", "::10.1.2.3", "a00::"]
        ),
        ("192.0.2.7", ["192.0.2.7", "::ffff:192.0.2.7"], ["192.0.2.6", "192.0.2.8"]),
        ("192.0.2.6/31", ["192.0.2.6", "192.0.2.7"], ["192.0.2.5", "192.0.2.8"]),
        ("0.0.0.0/0", ["0.0.0.0", "255.255.255.255", "::ffff:1.2.3.4"], ["::", "::1"]),
        ("::1", ["::1"], ["::", "::2", "0.0.0.1", "1::1"]),
        ("fd00::/8", ["fd00::", "fdff:ffff::1"], ["fc00::", "fe00::", "253.0.0.0"]),
        ("2001:db8:0:1::/64", ["2001:db8:0:1:ffff::"], ["2001:db8:0:2::", "2001:db8::"]),
        ("2001:db8::8000:0:0:0/65", ["2001:db8::8000:0:0:0", "2001:db8::ffff:0:0:1"], ["2001:db8::7fff:0:0:0"]),
        ("2001:db8::10/127", ["2001:db8::10", "2001:db8::11"], ["2001:db8::12"]),
        ("::/0", ["::", "ffff::"], ["1.2.3.4", "::ffff:1.2.3.4"]),
        ("::ffff:10.0.0.0/104", ["10.1.2.3", "::ffff:10.1.2.3"], ["11.0.0.0", "::10.1.2.3"]),
        ("::ffff:0.0.0.0/96", ["10.1.2.3"], ["::1"]),
    ]

    @Test(arguments: members)
    func contains(range: String, inside: [String], outside: [String]) throws {
        let range = try AddressRange(parsing: range)
        for (texts, isInside) in [(inside, true), (outside, false)] {
            for text in texts {
                let address = try #require(IPAddress(parsing: text.utf8))
                #expect(range.contains(address) == isInside, "\(text)")
                #expect(range.contains(bytes: address.bytes) == isInside, "\(text)")
            }
        }
    }

    @Test func containsNoOtherNumberOfBytes() throws {
        let all = try AddressRange(parsing: "0.0.0.0/0")
        for count in [0, 1, 3, 5, 15, 17] { #expect(!all.contains(bytes: [UInt8](repeating: 0, count: count))) }
    }

    static let refused: [(String, String)] = [
        ("", "an IP address"), ("/8", "an IP address"), ("localhost", "an IP address"), ("10.0.0/8", "an IP address"),
        ("10.0.0.0 /8", "an IP address"), ("[::1]", "an IP address"), ("*", "an IP address"),
        ("::1%lo/8", "an IP address"),
        ("10.0.0.0/", "/0 to /32"), ("10.0.0.0/33", "/0 to /32"), ("10.0.0.0/08", "/0 to /32"),
        ("10.0.0.0/-1", "/0 to /32"),
        ("10.0.0.0/+8", "/0 to /32"), ("10.0.0.0/8 ", "/0 to /32"), ("10.0.0.0/8/8", "/0 to /32"),
        ("10.0.0.0/255.0.0.0", "/0 to /32"), ("10.0.0.0/99999999999999999999", "/0 to /32"), ("::/129", "/0 to /128"),
        ("10.0.0.1/8", "right would be 10.0.0.0/8 for all of them, or 10.0.0.1 for one"),
        ("10.0.0.1/0", "right would be 0.0.0.0/0"), ("fd00::1/8", "right would be fd00::/8"),
        ("::1/127", "right would be ::/127"),
        ("2001:db8::1:0:0:0/64", "right would be"), ("::ffff:10.0.0.1/104", "right would be ::ffff:a00:0/104"),
    ]

    @Test(arguments: refused)
    func refuses(text: String, reason: String) {
        let error = #expect(throws: AddressRange.ParseError.self) { try AddressRange(parsing: text) }
        let description = error?.description ?? ""
        #expect(description.contains(reason), "\(description)")
        #expect(description.contains("'\(text)'"))
    }

    @Test(arguments: [
        ("10.0.0.0/8", "10.0.0.0/8"), ("::1", "::1/128"), ("FD00::/8", "fd00::/8"), ("1.2.3.4", "1.2.3.4/32"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
    ])
    func isWritten(text: String, written: String) throws {
        let range = try AddressRange(parsing: text)
        #expect(range.description == written)
        #expect(try AddressRange(parsing: written) == range)
    }

    /// Each prefix, bit by bit: the address of which one bit is another is inside if the bit is behind the prefix.
    @Test func goesByItsBits() throws {
        for (width, text) in [(32, "170.85.170.85"), (128, "aa55:aa55:aa55:aa55:aa55:aa55:aa55:aa55")] {
            let address = try #require(IPAddress(parsing: text.utf8))
            for prefix in 0...width {
                var first = address.bytes
                for bit in prefix..<width { first[bit / 8] &= ~(0x80 >> UInt8(bit % 8)) }
                let base = try #require(IPAddress(bytes: first))
                let range = try AddressRange(parsing: "\(base)/\(prefix)")
                #expect(range.contains(address))
                for bit in 0..<width {
                    var other = address.bytes
                    other[bit / 8] ^= 0x80 >> UInt8(bit % 8)
                    #expect(range.contains(bytes: other) == (bit >= prefix), "/\(prefix), bit \(bit)")
                }
            }
        }
    }
}
