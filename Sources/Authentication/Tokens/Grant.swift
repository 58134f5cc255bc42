package import Codec

/// What a token allows beside what the channel's rule allows everybody.
package struct Grant: Equatable, Sendable {
    package struct Permissions: OptionSet, Hashable, Sendable {
        package let rawValue: UInt8
        package init(rawValue: UInt8) { self.rawValue = rawValue }

        package static let subscribe = Permissions(rawValue: 1 << 0)
        package static let publish = Permissions(rawValue: 1 << 1)
        package static let presence = Permissions(rawValue: 1 << 2)
        package static let history = Permissions(rawValue: 1 << 3)

        /// As they are called in tokens.
        package static let names: [(name: String, value: Permissions)] = [
            ("subscribe", .subscribe), ("publish", .publish), ("presence", .presence), ("history", .history),
        ]

        /// The permission of a name.
        package init?(name: String) {
            guard let known = Self.names.first(where: { $0.name == name }) else { return nil }
            self = known.value
        }
    }

    /// Any of these.
    package var match: [GrantPattern]
    package var allow: Permissions

    package init(match: [GrantPattern], allow: Permissions) {
        self.match = match
        self.allow = allow
    }

    package func matches(_ channel: ChannelName) -> Bool { match.contains { $0.matches(channel.bytes) } }
}

extension [Grant] {
    /// All that the grants together allow in a channel. Channels that the node made for itself are never granted.
    package func permissions(in channel: ChannelName) -> Grant.Permissions {
        guard !channel.isReserved else { return [] }
        return reduce(into: Grant.Permissions()) { sum, grant in
            if !sum.isSuperset(of: grant.allow), grant.matches(channel) { sum.formUnion(grant.allow) }
        }
    }
}

/// A channel name in which `*` stands for any bytes, none included: what a channel rule's `match` is.
package struct GrantPattern: Hashable, Sendable, CustomStringConvertible {
    /// As long as a channel name may be.
    package static let maximumBytes = ChannelName.maximumBytes

    private let bytes: [UInt8]

    /// Nil for a pattern that no channel name could match because of its length or its bytes.
    package init?(_ text: String) {
        let bytes = Array(text.utf8)
        guard (1...Self.maximumBytes).contains(bytes.count), bytes.allSatisfy({ $0 > 0x20 && $0 != 0x7F })
        else { return nil }
        self.bytes = bytes
    }

    package var description: String { String(decoding: bytes, as: UTF8.self) }

    /// In time proportional to the lengths multiplied, whatever the pattern.
    package func matches(_ name: [UInt8]) -> Bool {
        let star = UInt8(ascii: "*")
        var pattern = 0
        var index = 0
        // Where to go on when what follows the last star does not fit: one byte further for the star.
        var retry: (pattern: Int, index: Int)?
        while index < name.count {
            if pattern < bytes.count, bytes[pattern] == star {
                pattern += 1
                retry = (pattern, index)
            } else if pattern < bytes.count, bytes[pattern] == name[index] {
                pattern += 1
                index += 1
            } else if let last = retry {
                index = last.index + 1
                pattern = last.pattern
                retry = (pattern, index)
            } else {
                return false
            }
        }
        return bytes[pattern...].allSatisfy { $0 == star }
    }
}
