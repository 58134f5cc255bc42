package import Codec

/// What the answers on the subscriber connection are about. Redis answers commands in the order it was asked, and pub/sub
/// messages are told apart from answers, so an error belongs to the oldest command that is not answered. Pure.
package struct SubscriberReplies {
    package enum Command: Equatable, Sendable {
        case authenticate
        /// `CLIENT SETNAME`: for people who look at Redis.
        case name
        /// The node's own channels, without which there is no link: so many.
        case join(Int)
        /// The node's own channels in one partition, and how many they are.
        case joinPartition(Int, count: Int)
        case subscribe([ChannelName])
        case unsubscribe([ChannelName])
        case ping
    }

    /// What kind of answer came.
    package enum Kind: Equatable, Sendable {
        case error
        /// One channel of a `SUBSCRIBE` is confirmed.
        case subscribed
        /// One channel of an `UNSUBSCRIBE` is confirmed.
        case unsubscribed
        /// Any other answer: a status, or a pong.
        case other
    }

    private var queue = Fifo<Command>(keeping: 64)
    /// Channels of the oldest command that were confirmed.
    private var confirmed = 0

    package init() {}

    package var count: Int { queue.count }

    package mutating func append(_ command: Command) { queue.append(command) }

    /// An answer came.
    ///
    /// - Returns: The command it belongs to; nil when no command that was sent can be answered like this.
    package mutating func answered(_ kind: Kind) -> Command? {
        guard let command = queue.first else { return nil }
        switch (kind, command) {
        case (.error, _): finish()
        case (.subscribed, .join(let count)), (.subscribed, .joinPartition(_, let count)): confirm(of: count)
        case (.subscribed, .subscribe(let channels)): confirm(of: channels.count)
        case (.unsubscribed, .unsubscribe(let channels)): confirm(of: channels.count)
        case (.other, .authenticate), (.other, .name), (.other, .ping): finish()
        default: return nil
        }
        return command
    }

    /// Whether an answer that a channel is not subscribed any more belongs to the oldest command. If not, the server ended the subscription
    /// by itself.
    package func isUnsubscribing(_ channel: ChannelName) -> Bool {
        if case .unsubscribe(let channels) = queue.first { channels.contains(channel) } else { false }
    }

    /// The connection is gone, and its commands will not be answered.
    package mutating func removeAll() { self = SubscriberReplies() }

    private mutating func confirm(of count: Int) {
        confirmed += 1
        if confirmed >= count { finish() }
    }

    private mutating func finish() {
        confirmed = 0
        _ = queue.next()
    }
}
