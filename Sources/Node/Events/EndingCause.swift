import Codec

extension Ending {
    /// Why a session ended, in one word that does not change: codes differ between dialects.
    var cause: String {
        switch self {
        case .left: "left"
        case .requested: "requested"
        case .shutdown: "shutdown"
        case .brokeFraming, .wrongEncoding, .malformed: "protocol_error"
        case .oversizedCommand: "too_large"
        case .notAvailable: "not_available"
        case .tooManyRequests, .tooManyControlFrames: "rate_limit"
        case .messageTimedOut: "message_timeout"
        case .publishRefused: "publish_refused"
        case .subscriptionRefused: "subscription_refused"
        case .notLoggedIn: "not_logged_in"
        case .tokenInvalid: "token_invalid"
        case .tokenExpired: "token_expired"
        case .denied: "denied"
        case .tooManySessions: "too_many_sessions"
        case .undecided: "login_timeout"
        case .slow: "slow"
        case .silent: "silent"
        case .lost: "publications_lost"
        case .tooMuchIncomplete: "node_limit"
        case .notResumed: Self.goneCause
        case .unknownSession: "unknown_session"
        }
    }

    /// Of a session whose connection ended without a goodbye.
    static var goneCause: String { "gone" }
}
