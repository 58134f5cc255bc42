/// What a client is told, in reply to what it asked or by the node itself. Publications are not among it: those are encoded
/// once for all who get them (`PublicationEncoder`).
package enum Outcome {
    package struct Connected {
        package let client: SessionID
        package let version: String
        /// How often the node pings, in seconds.
        package let ping: UInt32
        /// Seconds until the client needs a new token; nil for never.
        package let timeToLive: UInt32?
        /// What it was subscribed to by the node, and where that begins, if it has history.
        package let channels: [(name: ChannelName, beginning: Beginning?)]
        /// What it has to show with commands that come in requests of their own; nil where none do.
        package let key: CommandKey?

        package init(
            client: SessionID, version: String, ping: UInt32, timeToLive: UInt32?,
            channels: [(name: ChannelName, beginning: Beginning?)], key: CommandKey? = nil
        ) {
            self.client = client
            self.version = version
            self.ping = ping
            self.timeToLive = timeToLive
            self.channels = channels
            self.key = key
        }
    }

    /// Where a subscription to a history channel begins.
    package struct Beginning {
        /// What the client is to take for its position.
        package let position: Position
        /// Nil for one that did not ask to recover.
        package let isRecovered: Bool?
        package let missed: [Publication]

        package init(position: Position, isRecovered: Bool?, missed: [Publication]) {
            self.position = position
            self.isRecovered = isRecovered
            self.missed = missed
        }
    }

    // MARK: Replies

    case connected(Connected)
    /// With the seconds until the subscription needs a new token, nil for never; and whether publications may come as deltas.
    case subscribed(timeToLive: UInt32?, Beginning?, hasDeltas: Bool)
    case unsubscribed
    case published
    case history(HistoryPage)
    case presence([PresenceMember])
    case presenceCounts(PresenceCounts)
    case refreshed(client: SessionID, version: String, timeToLive: UInt32?)
    case subscriptionRefreshed(timeToLive: UInt32?)
    /// A call that the application answers.
    case called(CallResult)
    case failed(Failure)

    // MARK: By the node itself

    /// Whether the client is there, or so that whatever is between keeps the connection.
    case ping
    /// The node has all messages of the client up to this number.
    case acknowledged(UInt64)
    /// The message that the client is sent next has this number.
    case renumbered(next: UInt64)
    /// An application had the session subscribed: where that begins, if the channel has history, and one JSON value for the client.
    case subscriptionBegan(ChannelName, at: Position?, data: [UInt8]?)
    /// An application moved the moment at which the session ends: seconds until then; nil for never.
    case expiryMoved(timeToLive: UInt32?)
    /// The node ended a subscription.
    case subscriptionEnded(ChannelName, SubscriptionEnding)
    /// Publications of a channel are lost for good; what follows the position, if there is one, is not.
    case lost(ChannelName, at: Position?)
    /// Where the channels of the session are.
    case positions([(channel: ChannelName, position: Position)])
    /// The request is refused, on a transport whose status cannot say so.
    case refused(HTTPError)

    /// Whether both sides count the message that says it, where they count messages.
    package var isCounted: Bool {
        switch self {
        case .connected, .ping, .acknowledged, .renumbered, .refused: false
        default: true
        }
    }
}

/// Why a command is not carried out.
package enum Failure: Error, Equatable, Sendable {
    /// It could not be done now; the client may try the same again.
    case temporary
    case permissionDenied
    case alreadySubscribed
    case limitExceeded
    case malformed
    /// The hub has no method of that name.
    case unknownMethod
    /// The arguments of a call do not fit its method.
    case badArguments
    /// The filter is none, or is larger than filters may be.
    case invalidFilter
    case notAvailable
    case tokenExpired
    /// Later the same is welcome.
    case tooManyRequests
    /// What the client missed cannot be had any more.
    case unrecoverable
}

/// Why the node ends a subscription.
package enum SubscriptionEnding: Equatable, Sendable {
    /// Its token has expired; the client may come back with a new one.
    case tokenExpired
    /// A new token of the client, or the changed rules of the channel, do not permit it any more.
    case notGranted
    /// An application ended it.
    case requested
    /// Publications were lost: the client begins anew.
    case insufficientState

    /// Whether the client does not subscribe again by itself.
    package var isFinal: Bool { self == .notGranted || self == .requested }
}
