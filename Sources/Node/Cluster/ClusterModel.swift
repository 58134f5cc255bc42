/// What nodes tell each other and operators, as JSON with snake_case keys.

/// How many nodes were asked and how many answered: an answer that is not whole says so.
package struct NodeCount: Codable, Equatable, Sendable {
    package var asked: Int
    package var answered: Int
}

/// A node in a few numbers; travels in its beats.
package struct NodeSummary: Codable, Equatable, Sendable {
    package struct Rates: Codable, Equatable, Sendable {
        /// Per second, over the last second.
        package var messagesIn = 0.0
        package var publications = 0.0
        package var deliveries = 0.0
        package var bytesOut = 0.0
    }

    package struct Link: Codable, Equatable, Sendable {
        package var kind: String
        package var phase: String
        /// Milliseconds since 1970.
        package var since: UInt64
        package var reason: String?
        package var beatAgeMs: UInt64?
        package var roundTripUs: UInt64?
        package var reconnects: UInt64
        package var resubscribed: UInt64
        package var waitingPublishes: Int
        package var badMessages: UInt64
        /// Where Redis is; with Sentinel, who the master was when the link came up.
        package var server: String?
    }

    package var id: String
    package var name: String
    package var version: String
    /// Milliseconds since 1970.
    package var startedAt: UInt64
    package var client: String
    package var admin: String
    package var sessions: Int
    package var channels: Int
    package var rates: Rates
    /// Of one core.
    package var cpuPercent: Double
    package var memoryBytes: Int
    /// Bytes that wait for sessions.
    package var backlogBytes: Int
    package var link: Link
    /// How far it is on its way out: waiting, leaving or drained; nil while it serves.
    package var draining: String?
}

/// A node as the asked one sees it.
package struct NodeEntry: Codable, Equatable, Sendable {
    package var id: String
    package var name: String
    /// Whether it was heard in the last three seconds.
    package var isFresh: Bool
    package var lastSeenMs: UInt64
    package var isSelf: Bool
    package var summary: NodeSummary?
}

package struct LinkEventEntry: Codable, Equatable, Sendable {
    package var time: UInt64
    package var level: String
    package var message: String
}

package struct ClusterReport: Codable, Sendable {
    package var nodes: NodeCount
    /// The node that answers.
    package var answeredBy: String
    package var sessions: Int
    package var cluster: [NodeEntry]
    package var events: [LinkEventEntry]
}

package struct ChannelSummary: Codable, Equatable, Sendable {
    package var name: String
    /// Over all nodes that answered.
    package var subscribers: Int
    /// How many nodes have subscribers.
    package var onNodes: Int
}

package struct ChannelPage: Codable, Sendable {
    package var nodes: NodeCount
    package var channels: [ChannelSummary]
    /// To be given back for the next page.
    package var cursor: String?
}

package struct ChannelReport: Codable, Sendable {
    package struct Share: Codable, Equatable, Sendable {
        package var node: String
        package var subscribers: Int
        /// Nil where the node is of a version that does not say.
        package var droppedPublications: UInt64?
    }

    package var nodes: NodeCount
    package var name: String
    package var subscribers: Int
    /// What happens to those who do not keep up.
    package var slow: String
    /// How often a subscriber did not get a publication because it did not keep up, since the channel has subscribers.
    package var droppedPublications: UInt64
    package var byNode: [Share]
}

package struct ConnectionSummary: Codable, Equatable, Sendable {
    package var id: String
    package var node: String
    package var dialect: String
    package var remote: String
    package var user: String?
    package var channels: [String]
    /// Channels beyond those listed.
    package var moreChannels: Int
    package var ageSeconds: Int
    package var messagesIn: Int
    package var bytesIn: UInt64
    package var bytesOut: UInt64
    package var backlogBytes: Int
    /// Publications it did not get because it did not keep up. Nil where its node is of a version that does not say.
    package var droppedPublications: Int?
}

package struct ConnectionPage: Codable, Sendable {
    package var nodes: NodeCount
    package var connections: [ConnectionSummary]
    package var cursor: String?
}

/// The order connections are listed in.
package enum ConnectionSort: String, Codable, CaseIterable, Sendable {
    /// By id, so that pages hold still.
    case id
    /// Those with the most bytes waiting first.
    case backlog
}

package struct ConnectionQuery: Codable, Equatable, Sendable {
    package var channel: String?
    package var node: String?
    package var user: String?
    package var sort: ConnectionSort
    package var cursor: ConnectionCursor?
    package var limit: Int
}

/// The last connection of a page.
package struct ConnectionCursor: Codable, Equatable, Sendable {
    package var backlog: Int
    package var id: String
}

/// What one node asks the others.
package enum ClusterQuestion: Codable, Equatable, Sendable {
    case channels(prefix: String, after: String?, limit: Int)
    case channel(name: String)
    /// The node it is put to is to let its sessions go.
    case drain
    case connections(ConnectionQuery)
    case close(connection: String, code: UInt16, reason: String)
    case closeUser(String, code: UInt16, reason: String)
}

/// What it gets from each.
package enum ClusterAnswer: Codable, Equatable, Sendable {
    case channels([ChannelSummary])
    case channel(subscribers: Int, dropped: UInt64?)
    case connections([ConnectionSummary])
    case closed(Bool)
    case closedUser(sessions: Int)
    case draining
}
