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
    /// By themselves, or in a batch.
    package var sends: UInt64 = 0
    package var sendBatches: UInt64 = 0
    /// Of `sends`, those in batches.
    package var batchedSends: UInt64 = 0
    /// Sends that the kernel did not take with their batch, and that were made one by one.
    package var sendsLeftOut: UInt64 = 0
    /// Publications that reached this reactor.
    package var publications: UInt64 = 0
    /// Publications handed to sessions.
    package var deliveries: UInt64 = 0
    package var passes: UInt64 = 0
    package var published: UInt64 = 0
    package var refusedPublishes: UInt64 = 0
    package var protocolErrors: UInt64 = 0
    package var oversizedMessages: UInt64 = 0
    /// Clients that went on sending after the node had said goodbye.
    package var discardLimitHits: UInt64 = 0
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
    package var callsPerSessionHits: UInt64 = 0
    package var subscribeRateHits: UInt64 = 0
    package var controlRateHits: UInt64 = 0
    package var loginRateHits: UInt64 = 0
    package var commandRateHits: UInt64 = 0
    /// Replies cut or refused, because too much waits for the client or for all.
    package var replyLimitHits: UInt64 = 0
    /// Requests with commands that reached their session.
    package var commandRequests: UInt64 = 0
    /// Such that did not.
    package var commandRequestsRefused: UInt64 = 0
    package var requestRateHits: UInt64 = 0
    /// Publications that came in requests of their own and were taken.
    package var publishRequests: UInt64 = 0
    /// Such that were refused after the request was understood.
    package var publishRequestsRefused: UInt64 = 0
    package var oversizedRequests: UInt64 = 0
    /// Clients of hubs that asked how they may connect, and were told.
    package var negotiations: UInt64 = 0
    /// Clients of hubs whose connection token is not good.
    package var connectionTokensRefused: UInt64 = 0
    /// Sessions whose connection was cut, and that wait for another one.
    package var sessionsCut: UInt64 = 0
    /// Such that got one.
    package var sessionsResumed: UInt64 = 0
    /// Of those, sessions that came from another node.
    package var sessionsTakenOver: UInt64 = 0
    /// Sessions that went to another node.
    package var sessionsHandedOver: UInt64 = 0
    /// Sessions that were on their way from node to node and are lost.
    package var handoversFailed: UInt64 = 0
    /// Sessions whose node has died, and that were put together again.
    package var sessionsRebuilt: UInt64 = 0
    /// Such that could not be.
    package var rebuildsFailed: UInt64 = 0
    /// Of those: more than one channel had publications, in an order that nobody knows.
    package var rebuildsUnordered: UInt64 = 0
    /// History does not reach back to where the client was.
    package var rebuildsTooOld: UInt64 = 0
    /// Something was sent that no history has.
    package var rebuildsUnkept: UInt64 = 0
    /// Records that were written, and those that were withdrawn.
    package var sessionRecords: UInt64 = 0
    package var sessionRecordsWithdrawn: UInt64 = 0
    /// Such that did not in time.
    package var resumeTimeouts: UInt64 = 0
    /// Clients that wanted to go on with a session that is not there, or cannot be gone on with.
    package var resumesRefused: UInt64 = 0
    /// Sessions for which more had to be kept than may be.
    package var resumeLimitHits: UInt64 = 0
    /// Messages that clients sent again, and that were not carried out again.
    package var resumeRepeats: UInt64 = 0
    /// Requests for what waits that sessions answered with messages.
    package var polls: UInt64 = 0
    /// Such for which nothing came in time.
    package var pollTimeouts: UInt64 = 0
    /// Such that waited when another one of the same client came.
    package var pollsReplaced: UInt64 = 0
    /// Such that were refused.
    package var pollsRefused: UInt64 = 0
    /// Answers that did not reach the client, and wait for its next request.
    package var pollAnswersReturned: UInt64 = 0
    /// Answers of which nobody knows whether the client has them: the session ended.
    package var pollAnswersLost: UInt64 = 0
    /// Sessions that were not asked for too long.
    package var pollGapTimeouts: UInt64 = 0
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
    /// Sessions and subscriptions ended because their tokens were revoked.
    package var revoked: UInt64 = 0
    /// Tokens that were refused because they were revoked.
    package var revokedRefused: UInt64 = 0
    /// Subscribers that came back and got what they had missed.
    package var recovered: UInt64 = 0
    /// Such that could not, and were told.
    package var unrecovered: UInt64 = 0
    /// Subscribers told that publications are lost.
    package var lostAnnouncements: UInt64 = 0
    /// Presence refused because too many are present for one reply.
    package var presenceLimitHits: UInt64 = 0

    /// Publications written as deltas, once for each variant.
    package var deltasMade: UInt64 = 0
    /// Publications for subscribers with deltas that are none, once for each variant.
    package var deltasNotMade: UInt64 = 0
    /// Publications that were not kept for the next delta, because of their size or because too much is kept.
    package var deltaLimitHits: UInt64 = 0
    /// Publications that subscribers did not want by their filters.
    package var filtered: UInt64 = 0
    /// Filters that are none, are too large, or are not allowed.
    package var filtersRefused: UInt64 = 0
    package var filterLimitHits: UInt64 = 0

    /// States that cannot be, found and left alone.
    package var faults: UInt64 = 0

    package init() {}
}
