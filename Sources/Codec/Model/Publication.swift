/// What the bytes of a publication are. They are kept exactly as published; dialects convert where they must.
package enum PayloadKind: UInt8, Sendable {
    /// UTF-8 text that is not known to be JSON.
    case text = 0
    /// One JSON value, as UTF-8 text.
    case json = 1
    case binary = 2

    /// What bytes are whose publisher cannot say it: one JSON value, other text, or neither.
    package init(of bytes: UnsafeRawBufferPointer) {
        guard UTF8Validator.isValid(bytes) else {
            self = .binary
            return
        }
        self = JSONScanner.isValid(bytes) ? .json : .text
    }
}

/// A place in a channel's history.
package struct Position: Hashable, Sendable {
    package let epoch: UInt64
    package let offset: Offset

    package init(epoch: UInt64, offset: Offset) {
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
    /// When a node took it, in milliseconds since 1970; 0 where that is not known.
    package let time: UInt64
    /// What few publications have, kept apart so that the others do not carry it.
    package let extras: Extras?

    package final class Extras: Sendable {
        /// The publisher's own name for this publication; the same name again is the same publication.
        package let idempotencyKey: [UInt8]?
        /// The event name, in dialects that have one.
        package let event: [UInt8]?
        /// Sessions that do not get it (no echo).
        package let except: [SessionID]
        /// The client that published it, as its node knows it: a client has no say in it. Nil for the API, and for dialects
        /// that tell the others nothing.
        package let publisher: PresenceMember?
        /// It is no message: somebody came or is gone, and the payload is empty.
        package let change: (PresenceChange, PresenceMember)?
        /// What the publisher says about it, for filters and for clients; nil for nothing.
        package let tags: PublicationTags?
        /// It is no message: a node asked for this mark in the order of the channel, and the payload is empty.
        package let fence: UInt64?

        package init(
            idempotencyKey: [UInt8]? = nil, event: [UInt8]? = nil, except: [SessionID] = [],
            publisher: PresenceMember? = nil, change: (PresenceChange, PresenceMember)? = nil,
            tags: PublicationTags? = nil, fence: UInt64? = nil
        ) {
            self.fence = fence
            self.change = change
            self.tags = tags.flatMap { $0.isEmpty ? nil : $0 }
            self.idempotencyKey = idempotencyKey
            self.event = event
            self.except = except
            self.publisher = publisher
        }
    }

    package init(
        channel: ChannelName, kind: PayloadKind, payload: [UInt8], origin: NodeID, position: Position? = nil,
        time: UInt64 = 0, extras: Extras? = nil
    ) {
        self.channel = channel
        self.kind = kind
        self.payload = payload
        self.origin = origin
        self.position = position
        self.time = time
        self.extras = extras
    }

    /// The same on another channel.
    package func renamed(_ channel: ChannelName) -> Publication {
        Publication(
            channel: channel, kind: kind, payload: payload, origin: origin, position: position, time: time,
            extras: extras)
    }

    /// The latest time there is, in milliseconds since 1970: a number that every client can hold.
    package static let latestTime: UInt64 = 1 << 53

    /// What it counts against limits, in bytes: the payload, its tags, and what is told of its publisher.
    package var weight: Int {
        payload.count + (extras?.publisher?.info?.count ?? 0) + (extras?.tags?.packed.count ?? 0)
    }

    /// A mark in the order of the channel, which no subscriber is told of.
    package init(fence: UInt64, in channel: ChannelName, origin: NodeID) {
        self.init(channel: channel, kind: .binary, payload: [], origin: origin, extras: Extras(fence: fence))
    }

    /// A change of presence, which is delivered in its place between publications.
    package init(_ change: PresenceChange, of member: PresenceMember, in channel: ChannelName, origin: NodeID) {
        self.init(
            channel: channel, kind: .binary, payload: [], origin: origin, extras: Extras(change: (change, member)))
    }
}
