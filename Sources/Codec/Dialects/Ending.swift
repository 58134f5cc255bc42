/// Why a client is sent away, or went.
package enum Ending: Equatable, Sendable {
    /// It said goodbye, with this code.
    case left(CloseCode)
    /// An operator, or the application, wants it gone.
    case requested(CloseCode, reason: String)
    /// The node leaves; the client is welcome elsewhere, if it says so after so many milliseconds.
    case shutdown(comeBackAfter: Int?)

    // What it did wrong.

    case brokeFraming(FrameError)
    /// It sent a message in another encoding than its session's.
    case wrongEncoding
    /// It sent what is no command, or not in this place.
    case malformed
    case oversizedCommand
    /// It wants something of which there is nothing here, and that has no other refusal.
    case notAvailable
    case tooManyRequests
    case tooManyControlFrames
    case messageTimedOut
    /// It published to a channel without being allowed to.
    case publishRefused(ChannelName)
    /// The rules of a channel it is subscribed to do not permit that any more.
    case subscriptionRefused(ChannelName)

    // Who it is.

    case notLoggedIn
    case tokenInvalid
    case tokenExpired
    /// The application refused it.
    case denied
    case tooManySessions
    /// Nobody could say in time who it is.
    case undecided

    // How it does.

    case slow
    /// No answer to a ping came within this time.
    case silent(Duration)
    /// Publications of a channel were lost.
    case lost(ChannelName)
    /// The node holds too much of messages that are incomplete.
    case tooMuchIncomplete
    /// Its connection was cut, and it did not come back in time, or more was kept for it than may be.
    case notResumed
    /// The session that it wants to go on with is not here any more.
    case unknownSession

    /// Whether the client wanted it, and did nothing wrong.
    package var isOwnWish: Bool { if case .left = self { true } else { false } }
}

/// A goodbye: the code and the reason that a client is told, if its dialect has words for them, and that the log names.
package struct Farewell: Equatable, Sendable {
    package let code: CloseCode
    /// At most 123 bytes.
    package let reason: String

    init(_ code: CloseCode, _ reason: String) {
        self.code = code
        self.reason = reason
    }

    /// The goodbye of a dialect without codes of its own (RFC 6455 7.4; 4000 to 4999 are for applications).
    init(plain ending: Ending) {
        switch ending {
        case .left(let code): self.init(code, "")
        case .requested(let code, let reason): self.init(code, reason)
        case .shutdown: self.init(.goingAway, "the node is shutting down, reconnect")
        case .brokeFraming(let error): self.init(error.closeCode, error.reason)
        case .wrongEncoding: self.init(.unsupported, "this encoding is not spoken here")
        case .malformed: self.init(.policyViolation, "the message is malformed")
        case .oversizedCommand: self.init(.tooBig, "the command is larger than the limit")
        case .notAvailable: self.init(.policyViolation, "this is not available")
        case .tooManyRequests: self.init(.policyViolation, "too many requests")
        case .tooManyControlFrames:
            self.init(.policyViolation, "too many control frames (limits.control_rate)")
        case .messageTimedOut:
            self.init(.policyViolation, "a message was not complete in time (limits.message_timeout)")
        case .publishRefused(let channel):
            self.init(.policyViolation, "publishing to channel '\(channel)' is not permitted")
        case .subscriptionRefused(let channel):
            self.init(.policyViolation, "subscribing to channel '\(channel)' is not permitted any more")
        case .notLoggedIn: self.init(.policyViolation, "the client did not log in in time (limits.connect_timeout)")
        case .tokenInvalid: self.init(.policyViolation, "the token is not valid")
        case .tokenExpired: self.init(.policyViolation, "the token has expired, reconnect with a new one")
        case .denied: self.init(.policyViolation, "the application refused this client")
        case .tooManySessions:
            self.init(.policyViolation, "this user has too many sessions on this node (limits.sessions_per_user)")
        case .undecided: self.init(.tryAgainLater, "the client could not be authenticated in time, reconnect")
        case .slow: self.init(.tryAgainLater, "slow consumer: messages were lost, reconnect")
        case .silent(let time): self.init(.policyViolation, "no pong within \(time)")
        case .lost(let channel):
            self.init(CloseCode(rawValue: 4010), "messages were lost, reconnect: \(channel)")
        case .notResumed: self.init(.abnormal, "the connection was cut, and the client did not come back in time")
        case .unknownSession: self.init(CloseCode(rawValue: 4011), "the session cannot be resumed, reconnect")
        case .tooMuchIncomplete:
            self.init(
                .tryAgainLater, "too many bytes of incomplete messages on this node (limits.incomplete_bytes_node)")
        }
    }

    /// A word for `carillon_refusals_total`, for codes that say that the client did something wrong or has too much; nil for
    /// the others.
    package var refusal: String? {
        switch code.rawValue {
        case 1002: "close_1002"
        case 1003: "close_1003"
        case 1007: "close_1007"
        case 1008: "close_1008"
        case 1009: "close_1009"
        case 1013: "close_1013"
        // Those of RFC 6455 7.4.2 that libraries register.
        case 3008: "disconnect_3008"
        case 3012: "disconnect_3012"
        case 3013: "disconnect_3013"
        case 3500...3999: Self.disconnects[Int(code.rawValue) - 3500]
        default: nil
        }
    }

    private static let disconnects = (3500...3999).map { "disconnect_\($0)" }
}
