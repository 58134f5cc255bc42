/// An IP address in host byte order, without port or scope.
package enum IPAddress: Hashable, Sendable {
    case v4(UInt32)
    /// The first 8 bytes and the last 8.
    case v6(UInt64, UInt64)

    /// Reads 4 or 16 bytes in network byte order; nil for any other number of them.
    package init?(bytes: some Collection<UInt8>) {
        switch bytes.count {
        case 4: self = .v4(bytes.reduce(0) { $0 << 8 | UInt32($1) })
        case 16:
            self = .v6(
                bytes.prefix(8).reduce(0) { $0 << 8 | UInt64($1) },
                bytes.dropFirst(8).reduce(0) { $0 << 8 | UInt64($1) })
        default: return nil
        }
    }

    /// Reads `192.0.2.1` or `2001:db8::1` strictly: no leading zeros, brackets, scopes or white space.
    package init?(parsing text: some Collection<UInt8>) {
        // The longest is an IPv6 address whose last 32 bits are written as an IPv4 address.
        guard text.count <= 45 else { return nil }
        if text.contains(UInt8(ascii: ":")) {
            guard let (high, low) = Self.parse6(Array(text)) else { return nil }
            self = .v6(high, low)
        } else {
            guard let address = Self.parse4(text) else { return nil }
            self = .v4(address)
        }
    }

    /// The address itself, or the IPv4 address that is written as an IPv6 one (`::ffff:192.0.2.1`, RFC 4291 2.5.5.2), as
    /// sockets for both families do.
    package var unmapped: IPAddress {
        guard case .v6(0, let low) = self, low >> 32 == 0xFFFF else { return self }
        return .v4(UInt32(truncatingIfNeeded: low))
    }

    /// 4 or 16 bytes in network byte order.
    package var bytes: [UInt8] {
        switch self {
        case .v4(let address): (0..<4).map { UInt8(truncatingIfNeeded: address >> (24 - 8 * $0)) }
        case .v6(let high, let low):
            (0..<16).map { UInt8(truncatingIfNeeded: ($0 < 8 ? high : low) >> (56 - 8 * ($0 % 8))) }
        }
    }

    private static func parse4(_ text: some Collection<UInt8>) -> UInt32? {
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var address: UInt32 = 0
        for part in parts {
            guard let number = DecimalField.parse(part, atMost: 255) else { return nil }
            address = address << 8 | UInt32(number)
        }
        return address
    }

    /// RFC 4291 2.2, all three forms.
    private static func parse6(_ text: [UInt8]) -> (UInt64, UInt64)? {
        let colon = UInt8(ascii: ":")
        let gap = text.indices.dropLast().first { text[$0] == colon && text[$0 + 1] == colon }
        guard let last = groups(text[(gap.map { $0 + 2 } ?? 0)...], isEnd: true) else { return nil }
        var all = last
        if let gap {
            guard let first = groups(text[..<gap], isEnd: false), first.count + last.count < 8 else { return nil }
            all = first + Array(repeating: 0, count: 8 - first.count - last.count) + last
        }
        guard all.count == 8 else { return nil }
        return (all[..<4].reduce(0) { $0 << 16 | UInt64($1) }, all[4...].reduce(0) { $0 << 16 | UInt64($1) })
    }

    /// Groups of 1 to 4 hexadecimal digits. The last group of an address may be an IPv4 address, which HAProxy writes for
    /// mapped ones.
    private static func groups(_ text: ArraySlice<UInt8>, isEnd: Bool) -> [UInt16]? {
        guard !text.isEmpty else { return [] }
        let parts = text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        var groups: [UInt16] = []
        for (index, part) in parts.enumerated() {
            if isEnd, index == parts.count - 1, part.contains(UInt8(ascii: ".")) {
                guard let address = parse4(part) else { return nil }
                groups += [UInt16(address >> 16), UInt16(truncatingIfNeeded: address)]
            } else {
                guard let group = hexadecimal(part) else { return nil }
                groups.append(group)
            }
        }
        return groups
    }

    private static func hexadecimal(_ text: ArraySlice<UInt8>) -> UInt16? {
        guard (1...4).contains(text.count) else { return nil }
        var number: UInt16 = 0
        for byte in text {
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "a")...UInt8(ascii: "f"): digit = byte - UInt8(ascii: "a") + 10
            case UInt8(ascii: "A")...UInt8(ascii: "F"): digit = byte - UInt8(ascii: "A") + 10
            default: return nil
            }
            number = number << 4 | UInt16(digit)
        }
        return number
    }
}

extension IPAddress: CustomStringConvertible {
    /// RFC 5952 4: lower case, and the longest run of two or more zero groups left out.
    package var description: String {
        switch self {
        case .v4: return bytes.map { String($0) }.joined(separator: ".")
        case .v6(let high, let low):
            let groups = (0..<8).map { UInt16(truncatingIfNeeded: ($0 < 4 ? high : low) >> (48 - 16 * ($0 % 4))) }
            var longest = 0..<0
            var start = 0
            for end in 1...8 where end == 8 || groups[end] != 0 || groups[start] != 0 {
                if groups[start] == 0, end - start > max(longest.count, 1) { longest = start..<end }
                start = end
            }
            let written = groups.map { String($0, radix: 16) }
            guard !longest.isEmpty else { return written.joined(separator: ":") }
            return written[..<longest.lowerBound].joined(separator: ":") + "::"
                + written[longest.upperBound...].joined(separator: ":")
        }
    }
}
