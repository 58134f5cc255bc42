/// What happens in a node and can be listened to; each kind is a bit, and a listener wants a set of them.
package struct EventKinds: OptionSet, Hashable, Sendable {
    package let rawValue: UInt16

    package init(rawValue: UInt16) { self.rawValue = rawValue }

    /// A client is in: its request was accepted, or it has logged in where its dialect does that by a command.
    package static let sessionOpened = EventKinds(rawValue: 1 << 0)
    package static let sessionClosed = EventKinds(rawValue: 1 << 1)
    package static let subscribed = EventKinds(rawValue: 1 << 2)
    package static let unsubscribed = EventKinds(rawValue: 1 << 3)
    /// A channel has its first subscriber on any node.
    package static let channelOccupied = EventKinds(rawValue: 1 << 4)
    /// A channel lost its last subscriber on all nodes.
    package static let channelVacated = EventKinds(rawValue: 1 << 5)
    /// A member is present in a channel that was not, on any node.
    package static let memberJoined = EventKinds(rawValue: 1 << 6)
    package static let memberLeft = EventKinds(rawValue: 1 << 7)
    /// A client published.
    package static let published = EventKinds(rawValue: 1 << 8)
    /// A session is closed because its client did not keep up.
    package static let slowConsumer = EventKinds(rawValue: 1 << 9)

    /// Every kind with its name for operators and applications.
    package static let named: [(kind: EventKinds, name: String)] = [
        (.sessionOpened, "session_opened"), (.sessionClosed, "session_closed"), (.subscribed, "subscribed"),
        (.unsubscribed, "unsubscribed"), (.channelOccupied, "channel_occupied"), (.channelVacated, "channel_vacated"),
        (.memberJoined, "member_joined"), (.memberLeft, "member_left"), (.published, "published"),
        (.slowConsumer, "slow_consumer"),
    ]

    package static let all = named.reduce(into: EventKinds()) { $0.insert($1.kind) }

    /// The kind of that name; nil when there is none.
    package init?(name: some StringProtocol) {
        guard let found = Self.named.first(where: { $0.name.utf8.elementsEqual(name.utf8) }) else { return nil }
        self = found.kind
    }

    /// The name of one kind.
    package var name: String { Self.named.first { $0.kind == self }?.name ?? "" }

    /// Their names, in a fixed order.
    package var names: [String] { Self.named.lazy.filter { self.contains($0.kind) }.map(\.name) }
}
