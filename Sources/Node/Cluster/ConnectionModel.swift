package import Codec

/// Connections as nodes tell each other and operators of them.

package struct ConnectionSummary: Codable, Equatable, Sendable {
    package var id: String
    package var node: String
    package var dialect: PlainText
    package var remote: PlainText
    package var user: String?
    package var channels: [String]
    /// Channels beyond those listed.
    package var moreChannels: Count
    package var ageSeconds: Count
    package var messagesIn: Count
    package var bytesIn: Count
    package var bytesOut: Count
    /// Bytes that wait for it, in the node and in the kernel.
    package var backlogBytes: Count
    /// How many of them are in the kernel, for a session that takes no more. Nil where its node is of a version that does not say.
    package var kernelBytes: Count?
    /// Publications it did not get because it did not keep up. Nil where its node is of a version that does not say.
    package var droppedPublications: Count?
    /// When it was opened, in milliseconds since 1970, to the second. Nil where its node is of a version that does not say.
    package var openedAt: Count?
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
    /// The oldest first.
    case age
    /// Those that missed the most publications first.
    case dropped

    /// Whether a place with one value comes before one with another; nil when their ids decide.
    package func precedes(_ left: Count, _ right: Count) -> Bool? {
        guard self != .id, left != right else { return nil }
        return self == .age ? left < right : left > right
    }

    package func value(of connection: ConnectionSummary) -> Count {
        switch self {
        // The value has no part in it; cursors have always had the backlog.
        case .id, .backlog: connection.backlogBytes
        case .age: connection.openedAt ?? 0
        case .dropped: connection.droppedPublications ?? 0
        }
    }
}

package struct ConnectionQuery: Codable, Equatable, Sendable {
    package var channel: String?
    package var node: String?
    package var user: ForeignText?
    /// An address or a range of addresses, as `AddressRange` reads them.
    package var address: String?
    /// The name of a dialect.
    package var dialect: String?
    /// The number of a hub.
    package var hub: UInt16?
    /// Only those for which so many bytes wait.
    package var minimumBacklog: Count?
    package var sort: ConnectionSort
    package var cursor: ConnectionCursor?
    package var limit: Int
}

/// The last connection of a page.
package struct ConnectionCursor: Codable, Equatable, Sendable {
    /// By which it is listed.
    package var value: Count
    package var id: String

    // What version 0.3 knows, which listed by nothing else.
    private enum CodingKeys: String, CodingKey {
        case value = "backlog"
        case id
    }

    package init(value: Count, id: String) {
        self.value = value
        self.id = id
    }
}

/// One subscription of a connection.
package struct SubscriptionSummary: Codable, Equatable, Sendable {
    package var name: String
    /// Whether everything that is published arrives; until then it waits for the backplane.
    package var confirmed: Bool
    /// In what form it gets publications: all, deltas or filtered.
    package var form: PlainText
    /// When the token ends that opened it, in seconds since 1970; nil for never.
    package var expiresAt: Count?
}

/// Everything that is known of one connection.
package struct ConnectionDetail: Codable, Equatable, Sendable {
    package struct Permission: Codable, Equatable, Sendable {
        package var match: [String]
        package var allow: [PlainText]
    }

    package struct More: Codable, Equatable, Sendable {
        package var transport: PlainText
        package var encoding: PlainText
        /// none, full, or small for clients that keep a small window.
        package var compression: PlainText
        package var unidirectional: Bool
        package var tls: Bool
        /// Whether the client has logged in; true in dialects where the request does that.
        package var loggedIn: Bool
        /// Why the node does not read from it now; empty while it does.
        package var unread: [PlainText]
        /// Its publications that the backplane has not answered yet.
        package var unanswered: Count
        /// What others may know of its user, as JSON text.
        package var info: String?
        /// When its token ends, in seconds since 1970; nil for never.
        package var expiresAt: Count?
        /// What its token grants.
        package var grants: [Permission]
        package var subscriptions: [SubscriptionSummary]
        package var subscriptionCount: Count
        /// To be given back for the next subscriptions; a channel name between nodes.
        package var cursor: String?
    }

    package var summary: ConnectionSummary
    package var more: More
}

/// The same for operators, in one object.
struct ConnectionReport: Encodable {
    let detail: ConnectionDetail
    /// What the node is called.
    let nodeName: String?

    private enum CodingKeys: String, CodingKey { case nodeName }

    func encode(to encoder: any Encoder) throws {
        try detail.summary.encode(to: encoder)
        try detail.more.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encodeIfPresent(nodeName, forKey: .nodeName)
    }
}
