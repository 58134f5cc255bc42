package import Codec

/// Which sessions a command of an application is about. What is nil does not matter.
package struct SessionSelection: Codable, Equatable, Sendable {
    /// The user; an empty one means sessions without a user.
    package var user: ForeignText?
    /// One session, by its id.
    package var client: String?
    /// Sessions that are left out, by their ids.
    package var except: [String]?
    // Nodes of version 0.3 do not know those that follow: they are asked in another question, which they do not answer.
    /// Only sessions of this hub, by its number.
    package var hub: UInt16?
    /// Only sessions that are subscribed to this channel.
    package var channel: String?

    package init(
        user: ForeignText? = nil, client: String? = nil, except: [String]? = nil, hub: UInt16? = nil,
        channel: String? = nil
    ) {
        self.user = user
        self.client = client
        self.except = except
        self.hub = hub
        self.channel = channel
    }

    /// Whether a session is meant.
    ///
    /// - Parameter id: Asked for only where it matters.
    package func includes(user known: ForeignText?, id: @autoclosure () -> SessionID) -> Bool {
        if let user, (known ?? "") != user { return false }
        guard client != nil || !(except ?? []).isEmpty else { return true }
        let text = id().description
        if let client, !client.utf8.elementsEqual(text.utf8) { return false }
        return !(except ?? []).contains { $0.utf8.elementsEqual(text.utf8) }
    }
}

/// What an application has done with sessions, on every node.
package enum SessionAction: Codable, Equatable, Sendable {
    /// - Parameters:
    ///   - data: One JSON value for the clients.
    ///   - epoch: With `offset`: what was published since is sent too, or the session is not subscribed.
    ///   - expiresAt: In seconds since 1970; nil for never.
    case subscribe(channel: String, data: String?, epoch: String?, offset: UInt64?, expiresAt: Int64?)
    /// - Parameter channel: Nil for all of them.
    case unsubscribe(channel: String?)
    case disconnect(code: UInt16, reason: String)
    /// All groups of the session's hub.
    case leaveGroups
    /// - Parameter expiresAt: When the sessions are to end, in seconds since 1970; nil for never.
    case refresh(expiresAt: Int64?)
    /// As if they had expired now.
    case expire
}

/// Why an action was not carried out on a session.
package enum SessionRefusal: String, Codable, Sendable {
    /// It has as many channels as it may have.
    case limit
    /// The channel's rule lets nobody subscribe.
    case notPermitted = "not_permitted"
    /// What was published since cannot be had.
    case unrecoverable
    /// Its dialect has no words for it.
    case wordless
    /// It ended, or was not confirmed in time: trying again may help.
    case temporary
}

/// What became of an action on one node.
package struct SessionsActedOn: Codable, Equatable, Sendable {
    /// Sessions for which it is done, or was done before.
    package var done: Count = 0
    package var limit: Count = 0
    package var notPermitted: Count = 0
    package var unrecoverable: Count = 0
    package var wordless: Count = 0
    package var temporary: Count = 0

    package init() {}

    package mutating func note(_ refusal: SessionRefusal?) {
        switch refusal {
        case nil: done += 1
        case .limit: limit += 1
        case .notPermitted: notPermitted += 1
        case .unrecoverable: unrecoverable += 1
        case .wordless: wordless += 1
        case .temporary: temporary += 1
        }
    }

    package static func += (left: inout SessionsActedOn, right: SessionsActedOn) {
        left.done += right.done
        left.limit += right.limit
        left.notPermitted += right.notPermitted
        left.unrecoverable += right.unrecoverable
        left.wordless += right.wordless
        left.temporary += right.temporary
    }

    /// All sessions that were meant.
    package var total: Count { done + refusals.lazy.map(\.count).sum }

    /// How often it was refused, and why; what trying again does not help comes first.
    package var refusals: [(reason: SessionRefusal, count: Count)] {
        [
            (.limit, limit), (.notPermitted, notPermitted), (.unrecoverable, unrecoverable), (.wordless, wordless),
            (.temporary, temporary),
        ].filter { $0.1 > 0 }
    }
}
