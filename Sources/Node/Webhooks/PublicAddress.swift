package import Codec

/// Which addresses are of the internet, so that whoever can change a webhook, or the name of its host, cannot make the node ask
/// services that only the node can reach (SSRF).
package enum PublicAddress {
    /// Those of IPv4 that are not (IANA IPv4 Special-Purpose Address Registry, RFC 6890), multicast and class E.
    private static let closed4: [(base: UInt32, bits: UInt32)] = [
        (0x0000_0000, 8), (0x0A00_0000, 8), (0x6440_0000, 10), (0x7F00_0000, 8), (0xA9FE_0000, 16), (0xAC10_0000, 12),
        (0xC000_0000, 24), (0xC000_0200, 24), (0xC058_6300, 24), (0xC0A8_0000, 16), (0xC612_0000, 15),
        (0xC633_6400, 24), (0xCB00_7100, 24), (0xE000_0000, 3),
    ]

    package static func isOne(_ address: IPAddress) -> Bool {
        switch address.unmapped {
        case .v4(let bits):
            return !closed4.contains { bits >> (32 - $0.bits) == $0.base >> (32 - $0.bits) }
        case .v6(let high, _):
            // Global unicast is 2000::/3. Of it: 2001::/23 (Teredo and others), documentation 2001:db8::/32 and 3fff::/20,
            // and 2002::/16, which has an IPv4 address inside.
            guard high >> 61 == 1 else { return false }
            return high >> 41 != 0x2001_0000 >> 9 && high >> 32 != 0x2001_0DB8 && high >> 48 != 0x2002
                && high >> 44 != 0x3FFF0
        }
    }
}
