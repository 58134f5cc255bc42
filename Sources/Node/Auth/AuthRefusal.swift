package import Authentication
package import Codec

/// Why somebody does not get in, for each dialect in its own words.
package enum AuthRefusal: Error, Equatable, Sendable {
    /// This node lets nobody in without a token.
    case tokenMissing
    case token(TokenError)
    /// A token was given, and this node has no keys to check it with.
    case noKeys
    /// The application said no.
    case denied(reason: String)
    /// The application did not answer, or not in time.
    case undecided
    /// `limits.sessions_per_user`.
    case tooManySessions

    /// For dialects that are refused before they begin.
    package var response: HTTPError {
        switch self {
        case .tokenMissing:
            HTTPError(
                status: 401, code: "token_missing",
                message: "a token is needed: Authorization: Bearer TOKEN, or the query parameter token=TOKEN",
                headers: Self.challenge)
        case .token(.expired(let seconds)):
            HTTPError(
                status: 401, code: "token_expired", message: "\(TokenError.expired(secondsAgo: seconds))",
                headers: Self.challenge)
        case .token(.revoked):
            HTTPError(
                status: 401, code: "token_revoked", message: "\(TokenError.revoked)", headers: Self.challenge)
        case .token(let error):
            HTTPError(status: 401, code: "token_invalid", message: "\(error)", headers: Self.challenge)
        case .noKeys:
            HTTPError(
                status: 401, code: "token_invalid", message: "tokens cannot be checked here: no keys are configured",
                headers: Self.challenge)
        case .denied(let reason):
            HTTPError(
                status: 403, code: "denied", message: reason.isEmpty ? "the application refused this client" : reason)
        case .undecided:
            HTTPError(
                status: 503, code: "temporarily_unavailable",
                message: "the client could not be authenticated in time, try again", headers: [("Retry-After", "1")])
        case .tooManySessions:
            HTTPError(
                status: 429, code: "too_many_sessions",
                message: "this user has too many sessions on this node (limits.sessions_per_user)",
                headers: [("Retry-After", "10")])
        }
    }

    private static var challenge: [(String, String)] { [("WWW-Authenticate", "Bearer realm=\"carillon\"")] }

    /// What a client that logs in with a command is told: a failure it can do something about, or the end.
    package var answer: Answer {
        switch self {
        case .token(.expired): .failure(.tokenExpired)
        case .tokenMissing, .token, .noKeys: .ending(.tokenInvalid)
        case .denied: .ending(.denied)
        case .undecided: .failure(.temporary)
        case .tooManySessions: .ending(.tooManySessions)
        }
    }

    package enum Answer: Equatable, Sendable {
        case failure(Failure)
        case ending(Ending)
    }

    /// For metrics: whose fault it is.
    package var isOurs: Bool { self == .undecided }
}
