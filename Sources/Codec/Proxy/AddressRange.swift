/// Addresses that begin with the same bits (CIDR, RFC 4632 3.1): `10.0.0.0/8`, `fd00::/8`, or one address, `::1`.
///
/// An IPv4 address written as an IPv6 one is the IPv4 address: `::ffff:10.1.2.3` is in `10.0.0.0/8`, and in no range of
/// IPv6 addresses, not even `::/0`. Who trusts an IPv6 network does not mean the whole of IPv4.
package struct AddressRange: Hashable, Sendable {
    /// The first address.
    package let base: IPAddress
    /// How many bits are the same, 0 to 32 or 0 to 128.
    package let prefixBits: Int

    package struct ParseError: Error, Equatable, Sendable, CustomStringConvertible {
        package let description: String
    }

    /// Reads a range strictly: what could be a mistake (`10.0.0.1/8`) is refused, because a range says who is trusted.
    package init(parsing text: String) throws(ParseError) {
        let parts = text.utf8.split(separator: UInt8(ascii: "/"), maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = IPAddress(parsing: parts[0]) else {
            throw ParseError(
                description: "'\(text)' does not begin with an IP address; right would be 10.0.0.0/8, ::1 or fd00::/8")
        }
        let width = if case .v4 = address { 32 } else { 128 }
        var prefixBits = width
        if parts.count == 2 {
            guard let number = DecimalField.parse(parts[1], atMost: width) else {
                throw ParseError(
                    description: "'\(text)' does not end with a number of bits; right would be /0 to /\(width)")
            }
            prefixBits = number
        }
        let base = Self.masked(address, prefixBits)
        guard base == address else {
            throw ParseError(
                description:
                    "'\(text)' has bits behind its first \(prefixBits); right would be \(base)/\(prefixBits) for "
                    + "all of them, or \(address) for one address")
        }
        if prefixBits >= 96, case .v4(let mapped) = address.unmapped, width == 128 {
            self.base = .v4(mapped)
            self.prefixBits = prefixBits - 96
        } else {
            self.base = base
            self.prefixBits = prefixBits
        }
    }

    package func contains(_ address: IPAddress) -> Bool {
        let address = address.unmapped
        switch (base, address) {
        case (.v4, .v4), (.v6, .v6): return Self.masked(address, prefixBits) == base
        case (.v4, .v6), (.v6, .v4): return false
        }
    }

    /// Whether 4 or 16 bytes in network byte order are an address of the range.
    package func contains(bytes: some Collection<UInt8>) -> Bool {
        IPAddress(bytes: bytes).map { contains($0) } ?? false
    }

    /// The address with everything behind its first bits cleared. Shifts beyond the width give 0.
    private static func masked(_ address: IPAddress, _ bits: Int) -> IPAddress {
        switch address {
        case .v4(let address): .v4(address & ~(UInt32.max >> bits))
        case .v6(let high, let low):
            .v6(high & ~(UInt64.max >> min(bits, 64)), low & ~(UInt64.max >> max(bits - 64, 0)))
        }
    }
}

extension AddressRange: CustomStringConvertible {
    package var description: String { "\(base)/\(prefixBits)" }
}
