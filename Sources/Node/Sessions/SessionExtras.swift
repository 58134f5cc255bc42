import Codec
import Reactor

/// What is rare about one session, hung on its slot while there is any of it: most sessions have it only until they are open.
final class SessionExtras {
    /// The request head or PROXY header as far as it came, or frames that came before the session was open.
    var early: [UInt8] = []
    /// The request, until it is answered.
    var asked: Asked?
    /// The body of the request, as far as it came.
    var body: RequestBody?
    /// What opens the session to commands that come in requests of their own.
    var commandSecret: SessionID.Secret?
    /// Somebody is asked who it is.
    var pendingLogin: PendingLogin?
    /// What the opening session will be answered.
    var opening: OpeningReply?
    /// It waits for its first channels.
    var connecting: Connecting?
    /// It is not known yet which groups its user was added to.
    var awaitsGroups = false
    /// What it knows of channels that its token may give, until it has logged in.
    var known: [ChannelName: SeenPosition] = [:]
    /// Channels that it named itself, until it has logged in.
    var wanted: [ChannelName] = []
    /// What the application may want to see of its request.
    var handshake: HandshakeContext?
    /// What it sent behind something that is not decided yet.
    var suspended: SuspendedInput?
    /// When subscriptions that a token opened end: by channel index, in seconds since 1970; `.max` is never.
    var expiries: [UInt32: Int64] = [:]
    /// The tokens that opened subscriptions, by channel index.
    var tokens: [UInt32: TokenMark] = [:]
    /// The filters of subscriptions, by channel index: their numbers in the channels' lists.
    var filters: [UInt32: UInt32] = [:]
    /// Bytes of them.
    var filterBytes = 0
    /// What it calls the publications that it waits to hear of.
    var replies = AwaitedReplies()
    /// Its commands that somebody is asked about before they count.
    var verdictsUnderWay = 0
    /// Its calls that the application is asked about.
    var callsUnderWay = 0
    /// What its application is told of it.
    var shown: ShownClient?
    /// Subscriptions that wait for their confirmation, by channel index: a session is subscribed to a channel once.
    var pending: [UInt32: PendingSubscription] = [:]

    /// Its client would count messages, once it has logged in.
    var wantsCounting = false
    /// Messages are counted, and what is kept of them.
    var resumption: Resumption?
    /// It is looked for the session that its client wants to go on with.
    var resuming: ResumeRequest?
    /// The id that it had at the node where it was opened; nil for a session that never was on another one.
    var origin: SessionID?

    /// It is no session, but a request that asks one for what waits.
    var poll: AwaitedPoll?
    /// Its client asks it for what waits.
    var polled: PolledSession?
    /// When the alarm for that rings.
    var pollAlarm: MonotonicTime?

    var isEmpty: Bool {
        early.isEmpty && asked == nil && body == nil && commandSecret == nil && pendingLogin == nil && opening == nil
            && connecting == nil && known.isEmpty && wanted.isEmpty
            && handshake == nil && suspended == nil && expiries.isEmpty && tokens.isEmpty && pending.isEmpty
            && filters.isEmpty && replies.isEmpty && callsUnderWay == 0 && verdictsUnderWay == 0 && !wantsCounting
            && resumption == nil
            && resuming == nil && shown == nil && !awaitsGroups && poll == nil && polled == nil && origin == nil
    }
}
