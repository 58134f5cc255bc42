/// Errors that answer a command (Centrifuge client protocol v2, error codes).
package struct CentrifugeError: Error, Equatable, Sendable {
    package let code: UInt32
    package let message: String
    /// The client may try the same again.
    package let isTemporary: Bool

    private init(_ code: UInt32, _ message: String, isTemporary: Bool = false) {
        self.code = code
        self.message = message
        self.isTemporary = isTemporary
    }

    package static let `internal` = CentrifugeError(100, "internal server error", isTemporary: true)
    package static let unauthorized = CentrifugeError(101, "unauthorized")
    package static let unknownChannel = CentrifugeError(102, "unknown channel")
    package static let permissionDenied = CentrifugeError(103, "permission denied")
    package static let methodNotFound = CentrifugeError(104, "method not found")
    package static let alreadySubscribed = CentrifugeError(105, "already subscribed")
    package static let limitExceeded = CentrifugeError(106, "limit exceeded")
    package static let badRequest = CentrifugeError(107, "bad request")
    package static let notAvailable = CentrifugeError(108, "not available")
    package static let tokenExpired = CentrifugeError(109, "token expired")
    package static let expired = CentrifugeError(110, "expired")
    package static let tooManyRequests = CentrifugeError(111, "too many requests", isTemporary: true)
    package static let unrecoverablePosition = CentrifugeError(112, "unrecoverable position")
    package static let concurrentPagination = CentrifugeError(113, "concurrent pagination", isTemporary: true)
}

/// Why the node closes a connection (same source, disconnect codes): clients come back on 3000 to 3499 and stay away on
/// 3500 to 3999.
package struct CentrifugeDisconnect: Error, Equatable, Sendable {
    package let code: UInt16
    /// At most 123 bytes.
    package let reason: String

    private init(_ code: UInt16, _ reason: String) {
        self.code = code
        self.reason = reason
    }

    package var isReconnectWelcome: Bool { code < 3500 }

    package static let connectionClosed = CentrifugeDisconnect(3000, "connection closed")
    package static let shutdown = CentrifugeDisconnect(3001, "shutdown")
    package static let serverError = CentrifugeDisconnect(3004, "internal server error")
    package static let expired = CentrifugeDisconnect(3005, "connection expired")
    package static let subscriptionExpired = CentrifugeDisconnect(3006, "subscription expired")
    package static let slow = CentrifugeDisconnect(3008, "slow")
    package static let writeError = CentrifugeDisconnect(3009, "write error")
    package static let insufficientState = CentrifugeDisconnect(3010, "insufficient state")
    package static let forceReconnect = CentrifugeDisconnect(3011, "force reconnect")
    package static let noPong = CentrifugeDisconnect(3012, "no pong")
    package static let tooManyRequests = CentrifugeDisconnect(3013, "too many requests")
    package static let stateInvalidated = CentrifugeDisconnect(3014, "state invalidated")
    package static let invalidToken = CentrifugeDisconnect(3500, "invalid token")
    package static let badRequest = CentrifugeDisconnect(3501, "bad request")
    package static let stale = CentrifugeDisconnect(3502, "stale")
    package static let forceDisconnect = CentrifugeDisconnect(3503, "force disconnect")
    package static let connectionLimit = CentrifugeDisconnect(3504, "connection limit")
    package static let channelLimit = CentrifugeDisconnect(3505, "channel limit")
    package static let inappropriateProtocol = CentrifugeDisconnect(3506, "inappropriate protocol")
    package static let permissionDenied = CentrifugeDisconnect(3507, "permission denied")
    package static let notAvailable = CentrifugeDisconnect(3508, "not available")
    package static let tooManyErrors = CentrifugeDisconnect(3509, "too many errors")
}

// MARK: - What the core says, in these codes

extension CentrifugeError {
    /// In the application's words.
    package init(_ refusal: CallResult.Refusal) {
        self.init(refusal.code, refusal.message, isTemporary: refusal.isTemporary)
    }

    package init(_ failure: Failure) {
        switch failure {
        case .temporary: self = .internal
        case .permissionDenied: self = .permissionDenied
        case .alreadySubscribed: self = .alreadySubscribed
        case .limitExceeded: self = .limitExceeded
        case .malformed, .invalidFilter, .badArguments: self = .badRequest
        case .unknownMethod: self = .methodNotFound
        case .notAvailable: self = .notAvailable
        case .tokenExpired: self = .tokenExpired
        case .tooManyRequests: self = .tooManyRequests
        case .unrecoverable: self = .unrecoverablePosition
        }
    }
}

extension CentrifugeDisconnect {
    /// Nil for what the protocol leaves to WebSocket.
    package init?(_ ending: Ending) {
        switch ending {
        case .shutdown: self = .shutdown
        case .wrongEncoding: self = .inappropriateProtocol
        case .malformed, .oversizedCommand: self = .badRequest
        case .notAvailable: self = .notAvailable
        case .tooManyRequests: self = .tooManyRequests
        case .publishRefused, .subscriptionRefused: self = .permissionDenied
        case .notLoggedIn: self = .stale
        case .tokenInvalid: self = .invalidToken
        case .tokenExpired: self = .expired
        case .denied: self = .forceDisconnect
        case .tooManySessions: self = .connectionLimit
        case .undecided, .notResumed, .unknownSession: self = .serverError
        case .slow: self = .slow
        case .silent: self = .noPong
        case .lost: self = .insufficientState
        case .left, .requested, .brokeFraming, .tooManyControlFrames, .messageTimedOut, .tooMuchIncomplete: return nil
        }
    }
}

extension SubscriptionEnding {
    /// The protocol's codes: from 2500 on the client subscribes again by itself.
    var centrifuge: (code: UInt32, reason: StaticString) {
        switch self {
        case .notGranted: (2000, "not granted any more")
        case .requested: (2000, "server unsubscribe")
        case .insufficientState: (2500, "insufficient state")
        case .tokenExpired: (2501, "subscription expired")
        }
    }
}
