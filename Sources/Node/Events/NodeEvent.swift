package import Codec
package import Reactor

/// Something that happened in a node. Events of one session are in order, and so are those that a channel has on one reactor.
package struct NodeEvent: Sendable {
    /// What only some kinds have.
    package enum Details: Sendable {
        case nothing
        /// The channel is occupied or vacated: the number of the change, which grows with each change of a channel anywhere.
        case occupancy(order: UInt64)
        /// A session opened: the dialect it speaks, and where it comes from.
        case opened(dialect: String, remote: SocketAddress?)
        /// A session closed: what it was told, or would have been, and why in one word.
        case closed(code: UInt16, reason: String, cause: String)
        /// What others may know of a member, as JSON.
        case member(info: [UInt8]?)
        /// What was published; not copied.
        case publication(PayloadKind, [UInt8])
    }

    /// One kind.
    package let kind: EventKinds
    /// In milliseconds since 1970.
    package let time: UInt64
    package let session: SessionID?
    package let user: ForeignText?
    package let channel: ChannelName?
    package let details: Details

    package init(
        _ kind: EventKinds, time: UInt64 = WallClock.milliseconds, session: SessionID? = nil, user: ForeignText? = nil,
        channel: ChannelName? = nil, details: Details = .nothing
    ) {
        self.kind = kind
        self.time = time
        self.session = session
        self.user = user
        self.channel = channel
        self.details = details
    }

    /// What an event counts beyond the texts in it.
    package static let overhead = 192

    /// What it counts against limits, in bytes.
    package var weight: Int {
        var bytes = Self.overhead + (channel?.bytes.count ?? 0) + (user?.utf8.count ?? 0)
        switch details {
        case .nothing, .opened, .occupancy: break
        case .closed(_, let reason, _): bytes += reason.utf8.count
        case .member(let info): bytes += info?.count ?? 0
        case .publication(_, let payload): bytes += payload.count
        }
        return bytes
    }
}
