package import Codec

/// Channels as nodes tell each other and operators of them.

package struct ChannelSummary: Codable, Equatable, Sendable {
    package var name: String
    /// Over all nodes that answered.
    package var subscribers: Count
    /// How many nodes have subscribers.
    package var onNodes: Count
    /// The same for operators; what nodes tell each other does not have it.
    package var nodes: Count?
    /// Nil where it is not known yet, or the node is of a version that does not say.
    package var publicationsPerS: Rate?
}

/// The order channels are listed in.
package enum ChannelSort: String, Codable, CaseIterable, Sendable {
    /// By bytes, so that pages hold still.
    case name
    /// Those with the most subscribers first.
    case subscribers
    /// Those with the most publications a second first.
    case rate

    package func value(of channel: ChannelSummary) -> Rate {
        switch self {
        case .name: 0.0
        case .subscribers: Rate(Double(channel.subscribers.value))
        case .rate: channel.publicationsPerS ?? 0.0
        }
    }
}

/// The place of a channel in a listing by a value: the cursor of the page that it ends.
package struct ChannelPlace: Codable, Equatable, Sendable {
    package var value: Rate
    package var name: String

    package init(value: Rate, name: String) {
        self.value = value
        self.name = name
    }

    package init(_ channel: ChannelSummary, _ sort: ChannelSort) {
        self.init(value: sort.value(of: channel), name: channel.name)
    }

    package static func precedes(_ left: ChannelPlace, _ right: ChannelPlace) -> Bool {
        if left.value != right.value { return left.value > right.value }
        return left.name.utf8.lexicographicallyPrecedes(right.name.utf8)
    }
}

package struct ChannelPage: Codable, Sendable {
    package var nodes: NodeCount
    package var channels: [ChannelSummary]
    /// To be given back for the next page.
    package var cursor: String?
}

/// How many subscribers speak a dialect.
package struct DialectShare: Codable, Equatable, Sendable {
    package var name: PlainText
    package var subscribers: Count
}

/// What a node says of one of its channels beside its subscribers.
package struct ChannelShareDetails: Codable, Equatable, Sendable {
    package var dialects: [DialectShare]
    package var publicationsPerS: Rate?
}

package struct ChannelReport: Codable, Sendable {
    package struct Share: Codable, Equatable, Sendable {
        package var node: String
        package var subscribers: Count
        /// Nil where the node is of a version that does not say.
        package var droppedPublications: Count?
        package var dialects: [DialectShare]?
        package var publicationsPerS: Rate?
    }

    package struct History: Codable, Equatable, Sendable {
        /// Publications.
        package var size: Count
        package var ttlMs: Count
    }

    package struct Presence: Codable, Equatable, Sendable {
        /// Who is told to the others: sessions, users, or nobody (false).
        package var joinLeave: String
        package var graceMs: Count
    }

    package var nodes: NodeCount
    package var name: String
    package var subscribers: Count
    /// Nil where no node knows it yet.
    package var publicationsPerS: Rate?
    /// Over all nodes that answered.
    package var dialects: [DialectShare]
    /// The pattern of the rule that applies.
    package var rule: String
    /// What happens to those who do not keep up.
    package var slow: String
    /// Nil where nothing is kept.
    package var history: History?
    /// Nil where it is not known who is subscribed.
    package var presence: Presence?
    /// How often a subscriber did not get a publication because it did not keep up, since the channel has subscribers.
    package var droppedPublications: Count
    package var byNode: [Share]
}
