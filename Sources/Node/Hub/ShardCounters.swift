/// What happened on one reactor since it started. Plain numbers, added to on the reactor and read there.
package struct ShardCounters: Sendable {
    package var accepted: UInt64 = 0
    package var opened: UInt64 = 0
    package var closed: UInt64 = 0
    package var refusedHandshakes: UInt64 = 0
    package var handshakeTimeouts: UInt64 = 0
    /// No slot was left for a new connection.
    package var refusedSessions: UInt64 = 0
    package var messagesIn: UInt64 = 0
    package var bytesIn: UInt64 = 0
    package var bytesOut: UInt64 = 0
    /// `send`/`writev` calls.
    package var sends: UInt64 = 0
    /// Publications that reached this reactor.
    package var publications: UInt64 = 0
    /// Publications handed to sessions.
    package var deliveries: UInt64 = 0
    package var passes: UInt64 = 0
    package var published: UInt64 = 0
    package var refusedPublishes: UInt64 = 0
    package var protocolErrors: UInt64 = 0
    package var oversizedMessages: UInt64 = 0
    package var channelLimitHits: UInt64 = 0
    package var slowDisconnects: UInt64 = 0
    package var slowBytesDropped: UInt64 = 0
    /// Publications that subscribers of `drop_oldest` channels did not get.
    package var slowDroppedOldest: UInt64 = 0
    /// Publications that subscribers of `latest` channels did not get, because there were newer ones.
    package var slowReplaced: UInt64 = 0
    /// Subscribers told that publications were dropped.
    package var slowAnnouncements: UInt64 = 0
    package var nodeOutboundLimitHits: UInt64 = 0
    package var backlogOverruns: UInt64 = 0
    package var publicationsOverrun: UInt64 = 0
    package var publishersPaused: UInt64 = 0
    package var missedPongs: UInt64 = 0
    package var subscribeTimeouts: UInt64 = 0
    package var writeErrors: UInt64 = 0
    package var handshakeLimitHits: UInt64 = 0
    package var addressLimitHits: UInt64 = 0
    package var connectRateHits: UInt64 = 0
    package var addressConnectRateHits: UInt64 = 0
    package var publishRateHits: UInt64 = 0
    package var subscribeRateHits: UInt64 = 0
    package var controlRateHits: UInt64 = 0
    package var messageTimeouts: UInt64 = 0
    package var incompleteLimitHits: UInt64 = 0
    /// From addresses that are not trusted to speak for others.
    package var proxyRefused: UInt64 = 0
    /// No PROXY header, or none that is right, in time.
    package var proxyErrors: UInt64 = 0
    package var tlsHandshakes: UInt64 = 0
    package var tlsErrors: UInt64 = 0
    package var userLimitHits: UInt64 = 0
    /// Refused for who they are, or are not.
    package var unauthorized: UInt64 = 0
    /// Decisions that somebody else had to be asked for.
    package var asked: UInt64 = 0
    /// Refused because that did not come in time.
    package var undecided: UInt64 = 0
    /// Sessions and subscriptions ended because their tokens expired.
    package var expired: UInt64 = 0
    /// Subscribers that came back and got what they had missed.
    package var recovered: UInt64 = 0
    /// Such that could not, and were told.
    package var unrecovered: UInt64 = 0
    /// Subscribers told that publications are lost.
    package var lostAnnouncements: UInt64 = 0
    /// Presence refused because too many are present for one reply.
    package var presenceLimitHits: UInt64 = 0

    package init() {}
}
