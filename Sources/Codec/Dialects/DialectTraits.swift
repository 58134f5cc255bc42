/// What a dialect is like where dialects differ in kind. The core asks these, and never which dialect it is.
///
/// Trivial on purpose: it is handed out as a copy.
package struct DialectTraits: Sendable {
    /// Where it is said who the client is.
    package enum Login: Sendable {
        /// Whether the request decides about it alone.
        package var isInRequest: Bool { self == .request || self == .greeting }

        /// In the request, which names the channels too.
        case request
        /// In a command. A request with a token is judged all the same.
        case command
        /// In its first message, which is its last one too: whoever is refused has to go. A request with a token is judged all
        /// the same.
        case firstMessage
        /// In the request. But the client has to greet first: until its first message has said what is spoken, it is told nothing.
        case greeting
    }

    /// Who finds out whether the other side is there.
    package enum Liveness: Sendable {
        /// The node pings a client that was silent, and whatever comes answers.
        case anySign
        /// The node pings every time, as it has promised, and whatever comes answers.
        case promised
        /// The node pings, and the dialect has an answer to that.
        case pong
        /// The node says something now and then, and nobody answers.
        case unanswered
        /// Both sides say something now and then, each by itself.
        case mutual
        /// The client asks for what waits, again and again, which shows that it is there. Neither side says anything else for that.
        case polls
    }

    /// How a client learns where it is in a history channel, and comes back there.
    package enum Recovery: Sendable {
        case none
        /// The stream carries positions, and the request of a client that comes back has the last one.
        case stream
        /// The reply to a subscription has the position, and the next subscription names one.
        case replies
    }

    /// What a client is told whose publications are lost.
    package enum Loss: Sendable {
        /// Its session ends.
        case endsSession
        /// Its subscription ends, if it subscribed by itself; else its session.
        case endsSubscription
        /// A notice in its place between the publications.
        case isAnnounced
    }

    package let name: StaticString
    package let login: Login
    package let liveness: Liveness
    package let recovery: Recovery
    package let loss: Loss
    /// Whether what a client sends on its connection after its request means anything.
    package let takesInput: Bool
    /// Whether the client sends its commands in requests of their own, to any node, because its connection carries none.
    package let takesCommandRequests: Bool
    /// Whether clients send commands: several in one message, whose batch has a limit of its own, and that cost time.
    package let hasCommands: Bool
    /// Whether a client can bring a new token, and has time for it when the old one has expired.
    package let refreshesTokens: Bool
    /// Whether the others are told who published.
    package let namesPublishers: Bool
    /// Whether commands in requests of their own name the session by the id that was negotiated, which says nothing of its node.
    package var isFoundByID = false
    /// Whether a refusal that may soon be over is told in a stream, because clients come back by themselves when it ends.
    package var refusesInStream = true
}

/// What carries a session's bytes.
package enum Transport: UInt8, Sendable {
    case webSocket
    /// One response that does not end (WHATWG HTML, "Server-sent events").
    case eventStream
    /// The same without the framing of events: messages one after the other.
    case stream
    /// None of its own: the client asks for what waits, and each request is answered with messages one after the other.
    case longPolling
}
