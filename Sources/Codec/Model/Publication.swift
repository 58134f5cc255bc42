/// What the bytes of a publication are. They are kept exactly as published; dialects convert where they must.
package enum PayloadKind: UInt8, Sendable {
    /// UTF-8 text that is not known to be JSON.
    case text = 0
    /// One JSON value, as UTF-8 text.
    case json = 1
    case binary = 2
}

/// A place in a channel's history.
package struct Position: Hashable, Sendable {
    package let epoch: UInt64
    package let offset: UInt64

    package init(epoch: UInt64, offset: UInt64) {
        self.epoch = epoch
        self.offset = offset
    }
}

/// What was published: a channel, a payload, where it came from and, with history, its position.
package struct Publication: Sendable {
    package let channel: ChannelName
    package let kind: PayloadKind
    package let payload: [UInt8]
    package let origin: NodeID
    package var position: Position?
    /// What few publications have, kept apart so that the others do not carry it.
    package let extras: Extras?

    package final class Extras: Sendable {
        /// The publisher's own name for this publication; the same name again is the same publication.
        package let idempotencyKey: [UInt8]?
        /// The event name, in dialects that have one.
        package let event: [UInt8]?
        /// Sessions that do not get it (no echo).
        package let except: [SessionID]
        /// The session that published it, where the dialect tells the others.
        package let publisher: SessionID?
        /// It is no message: somebody came or is gone, and the payload is empty.
        package let change: (PresenceChange, PresenceMember)?

        package init(
            idempotencyKey: [UInt8]? = nil, event: [UInt8]? = nil, except: [SessionID] = [],
            publisher: SessionID? = nil, change: (PresenceChange, PresenceMember)? = nil
        ) {
            self.change = change
            self.idempotencyKey = idempotencyKey
            self.event = event
            self.except = except
            self.publisher = publisher
        }
    }

    package init(
        channel: ChannelName, kind: PayloadKind, payload: [UInt8], origin: NodeID, position: Position? = nil,
        extras: Extras? = nil
    ) {
        self.channel = channel
        self.kind = kind
        self.payload = payload
        self.origin = origin
        self.position = position
        self.extras = extras
    }

    /// A change of presence, which is delivered in its place between publications.
    package init(_ change: PresenceChange, of member: PresenceMember, in channel: ChannelName, origin: NodeID) {
        self.init(
            channel: channel, kind: .binary, payload: [], origin: origin, extras: Extras(change: (change, member)))
    }
}
