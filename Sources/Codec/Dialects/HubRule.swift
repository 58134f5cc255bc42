/// A hub of the configuration: where a dialect with methods is spoken, and what its clients may call.
///
/// Its groups are channels whose names begin with its prefix.
package struct HubRule: Equatable, Sendable {
    /// What a method does.
    package enum Action: String, CaseIterable, Sendable {
        /// `(group)`: subscribes the caller.
        case join
        /// `(group)`: ends that.
        case leave
        /// `(group, target, arguments…)`
        case sendToGroup = "send_to_group"
        /// `(user, target, arguments…)`
        case sendToUser = "send_to_user"
        /// `(target, arguments…)`: to every client of the hub.
        case sendToAll = "send_to_all"
    }

    /// The application's name for an action.
    package struct Method: Equatable, Sendable {
        package let name: [UInt8]
        package let action: Action

        package init(_ name: some Sequence<UInt8>, _ action: Action) {
            self.name = Array(name)
            self.action = action
        }
    }

    /// Connection tokens one key signed are good with any of these; the first one signs.
    package static let maximumKeys = 2
    /// The longest name of a method or of an event, in bytes.
    package static let maximumNameBytes = 255

    /// Begins with a slash.
    package var path: String
    /// What names of its channels begin with; may be empty.
    package var prefix: [UInt8] = []
    /// The channel that each of its clients is subscribed to.
    package var everyone = ChannelName(trusted: Array("all".utf8))
    /// At most two, the newest first.
    package var keys: [[UInt8]] = []
    package var methods: [Method] = []
    /// The largest call, in bytes; nil for what limits all messages.
    package var messageBytes: Int?
    /// Where calls of all other methods go, and what is told of connections: a URL in which `{hub}`, `{category}` and `{event}` stand
    /// for what they say.
    package var upstream: String?
    /// How long a connection token is good for, in seconds.
    package var tokenSeconds: Int64 = 3600

    package init(path: String) { self.path = path }

    /// Names the hub where there is little room: the same for one path on every node and after a reload. Two hubs of a node never
    /// have the same, because the configuration refuses that. Never 0.
    package var number: UInt16 {
        // FNV-1a of 32 bits, folded.
        // trap-ok: a byte becomes wider
        let hash = path.utf8.reduce(0x811C_9DC5 as UInt32) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
        return max(1, UInt16(truncatingIfNeeded: hash ^ hash >> 16))
    }

    /// What a method does. Letters are compared as clients of this kind expect, without their case, as far as ASCII goes.
    package func action(named name: [UInt8]) -> Action? {
        methods.first { $0.name.elementsEqual(name) { Self.lower($0) == Self.lower($1) } }?.action
    }

    private static func lower(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
    }

    /// What applications call it: its path without the slash in front.
    package var name: String { String(path.dropFirst()) }

    /// Whether applications mean this hub: their libraries make names lower case, so the case of ASCII letters does not count.
    package func isCalled(_ name: some Collection<UInt8>) -> Bool {
        name.elementsEqual(path.utf8.dropFirst()) { Self.lower($0) == Self.lower($1) }
    }

    /// Whether a channel is one of its groups: everything behind its prefix, but for the channel of everyone.
    package func isGroup(_ channel: ChannelName) -> Bool {
        !channel.isReserved && channel.bytes.starts(with: prefix) && channel != everyone
    }

    /// The channel of a group.
    ///
    /// - Parameter name: As a client wrote it.
    package func channel(ofGroup name: [UInt8]) -> ChannelName? { try? ChannelName(validating: prefix + name) }
}

/// The hubs of a node.
package struct Hubs: Equatable, Sendable {
    package let rules: [HubRule]

    package init(_ rules: [HubRule] = []) { self.rules = rules }

    package func rule(_ number: UInt16) -> HubRule? { rules.first { $0.number == number } }

    /// What a request to a hub is for; nil for a path at which there is none.
    package func route(of head: RequestHead) -> DialectRoute? {
        for hub in rules {
            if let route = Dialect.route(of: head, at: hub) { return route }
        }
        return nil
    }

    /// The paths that clients may ask for.
    package var paths: [String] { rules.map(\.path) + (rules.isEmpty ? [] : [HubAddress.path + "/?hub=NAME"]) }
}
