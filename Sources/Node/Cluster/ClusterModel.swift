package import Codec

/// What nodes tell each other and operators, as JSON with snake_case keys.
///
/// Numbers of other nodes are a `Count` or a `Rate`, and texts that are only shown a `PlainText`: decoding one is the only
/// place where it is looked at whether it is right.

/// How many nodes were asked and how many answered: an answer that is not whole says so.
package struct NodeCount: Codable, Equatable, Sendable {
    package var asked: Int
    package var answered: Int
    /// The names of the nodes that did not answer; nil where all did. A node that left meanwhile is not one of them.
    package var missing: [String]?

    package init(asked: Int, answered: Int, missing: [String]? = nil) {
        self.asked = asked
        self.answered = answered
        self.missing = missing
    }

    /// Whether nobody is missing who is there.
    package var isComplete: Bool { missing == nil }
}

/// A node in a few numbers; travels in its beats.
package struct NodeSummary: Codable, Equatable, Sendable {
    package struct Rates: Codable, Equatable, Sendable {
        /// Per second, over the last second.
        package var messagesIn: Rate = 0.0
        package var publications: Rate = 0.0
        package var deliveries: Rate = 0.0
        package var bytesOut: Rate = 0.0
    }

    package struct Link: Codable, Equatable, Sendable {
        package var kind: PlainText
        package var phase: PlainText
        /// Milliseconds since 1970.
        package var since: Count
        package var reason: PlainText?
        package var beatAgeMs: Count?
        package var roundTripUs: Count?
        package var reconnects: Count
        package var resubscribed: Count
        package var waitingPublishes: Count
        package var badMessages: Count
        /// Where Redis is; with Sentinel, who the master was when the link came up.
        package var server: PlainText?
        /// What it is there: a node is linked to masters only. Nil while it is not linked, without Redis, and where the node is of
        /// a version that does not say, as those that follow.
        package var role: PlainText?
        /// Missed publications that were read from history and delivered in order.
        package var healed: Count?
        /// Times missed publications of a channel were no longer in its history, and its subscribers were told.
        package var lost: Count?
        /// How many servers join the nodes; nil where there is one, or none.
        package var servers: Count?
        /// Those of several servers that do not work, the first few of them.
        package var away: [AwayServer]?
        /// How far a change of these servers has come, or what it waits for; nil without one.
        package var change: PlainText?

        /// Entries of `away`, and characters of a reason: a beat has little room.
        package static let mostAway = 8
        package static let longestReason = 200
        package static let longestChange = 400
    }

    /// One of several servers, through which the node is not linked: it does not hear the channels that live there.
    package struct AwayServer: Codable, Equatable, Sendable {
        package var name: PlainText
        /// Milliseconds since 1970.
        package var since: Count
        package var reason: PlainText?
        /// How many of the 128 partitions of channels live there.
        package var partitions: Count
    }

    package var id: PlainText
    package var name: PlainText
    package var version: PlainText
    /// Milliseconds since 1970.
    package var startedAt: Count
    package var client: PlainText
    package var admin: PlainText
    package var sessions: Count
    package var channels: Count
    package var rates: Rates
    /// Of one core.
    package var cpuPercent: Rate
    package var memoryBytes: Count
    /// Bytes that wait for sessions.
    package var backlogBytes: Count
    package var link: Link
    /// How far it is on its way out: waiting, leaving or drained; nil while it serves.
    package var draining: PlainText?
    /// The same on nodes with the same configuration (`Configuration.digest`); nil where the node is of a version that does not say.
    package var configuration: PlainText?
    /// How it sends to clients (`SendPath`); nil where the node is of a version that does not say.
    package var sends: PlainText?
}

/// A node as the asked one sees it.
package struct NodeEntry: Codable, Equatable, Sendable {
    package var id: String
    package var name: String
    /// Whether it was heard in the last three seconds.
    package var isFresh: Bool
    package var lastSeenMs: Count
    package var isSelf: Bool
    package var summary: NodeSummary?
}

package struct LinkEventEntry: Codable, Equatable, Sendable {
    package var time: Count
    package var level: String
    package var message: String
}

package struct ClusterReport: Codable, Sendable {
    package var nodes: NodeCount
    /// The node that answers.
    package var answeredBy: String
    package var sessions: Count
    package var cluster: [NodeEntry]
    package var events: [LinkEventEntry]
}

/// What one node asks the others.
package enum ClusterQuestion: Codable, Equatable, Sendable {
    case channels(prefix: String, after: String?, limit: Int)
    case channel(name: String)
    /// The node it is put to is to let its sessions go.
    case drain
    /// The node it is put to is to serve again.
    case undrain
    case connections(ConnectionQuery)
    case close(connection: String, code: UInt16, reason: String)
    case closeUser(ForeignText, code: UInt16, reason: String)
    // Nodes of version 0.2 do not answer those that follow.
    /// What an application has done with sessions.
    case act(SessionAction, on: SessionSelection)
    /// How many users and subscriptions there are.
    case population
    /// Channels whose names match a pattern (`GlobPattern`).
    case matching(pattern: String, after: String?, limit: Int)
    /// The history of a channel was removed up to an offset: it is not to be handed out from memory either.
    case forgetHistory(channel: String, upTo: UInt64)
    // Nodes of version 0.3 do not answer those that follow.
    /// The channels with the most subscribers or publications, as far as the node itself knows.
    case busiest(prefix: String, by: ChannelSort, limit: Int)
    /// What the node has of channels that are named.
    case counts(names: [String])
    /// The newest samples of its last ten minutes.
    case series(samples: Int)
    /// What happened lately.
    case recent(limit: Int)
    /// Which limits were reached in the last minute.
    case limits
    /// Everything known of one of its connections, with the first subscriptions after a name.
    case connection(id: String, after: String?, limit: Int)
    /// One of its connections is to be traced; answered with a number by which the next part is asked for.
    case trace(connection: String, seconds: Int)
    /// Waits for a second at most.
    case traceNext(id: String)
    case traceEnd(id: String)
    /// What the node has that all nodes of a cluster should have alike.
    case configuration
    /// Tokens are revoked: they are not accepted any more, and what they opened is closed.
    case revoke(RevokedTokens)
    /// Which of its sessions of a hub have these negotiated ids.
    case sessions(secrets: [String], hub: UInt16?)
    /// What an application has done with sessions of a hub.
    case actInHub(SessionAction, on: SessionSelection)

    private static let lookups = [
        "channel", "close", "drain", "undrain", "forget_history", "counts", "series", "recent", "limits", "connection",
        "trace", "trace_next", "trace_end", "configuration", "revoke", "sessions",
    ]

    /// What answering costs, told by the name of the case without decoding the rest. Whatever is not known to be cheap is
    /// not.
    package static func cost(of body: [UInt8]) -> QuestionGate.Cost {
        body.withUnsafeBytes { bytes in
            var scanner = JSONScanner(bytes)
            guard scanner.skip(UInt8(ascii: "{")), let name = scanner.string() else { return .walk }
            return lookups.contains { name.elementsEqual($0.utf8) } ? .lookup : .walk
        }
    }
}

/// What it gets from each.
package enum ClusterAnswer: Codable, Equatable, Sendable {
    case channels([ChannelSummary])
    case channel(subscribers: Count, dropped: Count?, more: ChannelShareDetails?)
    case connections([ConnectionSummary])
    case closed(Bool)
    case closedUser(sessions: Count)
    case draining
    /// Why the node does not serve again, or nil.
    case undrained(reason: PlainText?)
    case acted(SessionsActedOn)
    case population(users: Count, subscriptions: Count)
    case historyForgotten
    case series(NodeSeries)
    case recent([LinkEventEntry])
    case limits([LimitHits])
    /// Nil for a connection that is not there any more.
    case connection(ConnectionDetail?)
    case traceBegun(id: String)
    case traceRefused(TraceRefusal)
    case traceItems([TraceItem])
    case traceEnded
    /// Defaults are left out.
    case configuration([CommonValue])
    /// How many sessions and subscriptions were closed.
    case revoked(sessions: Count)
    case sessions(ids: [String])
}
