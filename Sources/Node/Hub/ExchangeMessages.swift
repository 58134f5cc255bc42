package import Backplane
package import Codec

/// What the reactors and the exchange tell each other.
extension Exchange {
    /// What a reactor asks for.
    package enum Request: Sendable {
        case join(ChannelName)
        case leave(ChannelName)
        /// With what is kept of its channel, by the channel's rule.
        case publish(Publication, HistorySettings?, PublishTicket)
        /// Where a history channel stands, for somebody who joins it.
        case beginning(ChannelName, ReadRequest)
        case read(HistoryQuery, ReadRequest)
        case enter(ChannelName, PresenceMember, PresenceSettings)
        case depart(ChannelName, SessionID, isFinal: Bool)
        /// The same of a session that stays subscribed while its channel's rule gets or loses presence.
        case enterQuietly(ChannelName, PresenceMember, PresenceSettings)
        case departQuietly(ChannelName, SessionID)
        case presence(PresenceQuery, ReadRequest)
        /// Commands that came in a request of their own, and what became of such.
        case carry(CommandRequest, CommandAsker)
        case carried(CommandRequest.Verdict, CommandAsker)
        /// A session is open that commands find by its id, or is no more.
        case opened(SessionID.Secret, Locator)
        case closed(SessionID.Secret, Locator)
        /// A client of a hub has come whose user may have been added to groups.
        case userGroups(UserGroups, Locator)
        /// A client wants to go on with a session.
        case resume(ResumeRequest)
        /// Where that is, and for which connection; nil when it cannot be gone on with.
        case resumable(Locator?, Locator)
        /// The connection goes to the session.
        case moved(MovedConnection, to: Locator)
        /// What another node is told that wants a session of this one.
        case answerHandover([UInt8], NodeAsker)
        /// Something about the record of a session; what is answered is for the locator, if it matters.
        case record(SessionRecordRequest, SessionID.Secret, RecordStep?, Locator?)
        /// A connection wants to go on with a session of which there may be a record.
        case takeRecord(SessionID.Secret, owner: [UInt8], Locator)
        /// All that was published in a channel behind a position, up to another one.
        case readMissed(ChannelName, since: Position, until: Position, most: Int, Locator)
        /// How long ago something was sent in these channels that no history has.
        case lookForMarks([ChannelName], Locator)
        /// A session is on another node now.
        case handedOver(SessionID.Secret, to: NodeID)
        /// A node is asked for a session that comes from there.
        case askHandover(HandoverQuestion, NodeID, Locator)
        /// A mark in the order of a channel, for a session that comes from another node.
        case fence(ChannelName, UInt64, Locator)
        /// A client asks for what waits for a session, or ends it; when it negotiated, in seconds since 1970; and its connection.
        case poll(PollRequest, issuedAt: Int64, Locator)
        /// The same is answered.
        case pollAnswered(SessionID.Secret, PollAnswer, CommandAsker)
        /// What became of an answer with messages.
        case pollSettled(PollRequest, PollSource, Locator)
        /// The connection of such a request is gone.
        case pollGone(SessionID.Secret, PollSource?, Locator)
        /// A session that is asked has ended, and can be asked for its last words; or for nothing any more.
        case pollsEnding(SessionID.Secret, Locator)
        case pollsOver(SessionID.Secret, Locator)
    }

    /// What a reactor is told.
    package enum Notice: Sendable {
        case delivered(Publication)
        /// The channel is held; `leaves` says how many of the reactor's `leave`s were heard before that.
        case interestConfirmed(ChannelName, leaves: UInt64)
        case published(PublishTicket, PublishOutcome)
        case link(Reach)
        case begins(ChannelName, ReadRequest, BeginningAnswer)
        case read(ReadRequest, Result<HistoryPage, PublishRefusal>)
        /// Publications of a history channel are gone for good: its subscribers have to be told.
        /// Publications are lost for good; what follows the position is not.
        case lost(ChannelName, Position?)
        case presence(PresenceQuery, ReadRequest, Result<PresencePage, PublishRefusal>)
        case carry(CommandRequest, CommandAsker)
        case carried(Locator, CommandRequest.Verdict)
        /// The groups that the user of a session was added to; nil when they cannot be read now.
        case userGroups(Locator, [UserGroups.Membership]?)
        /// Whether that session of the reactor can be gone on with.
        case resume(ResumeRequest, Locator)
        case resumable(Locator?, Locator)
        case moved(MovedConnection, Locator)
        /// Another node wants that session of the reactor.
        case handOver(HandoverQuestion, Locator, NodeAsker)
        /// What another node said to a question for that session; no node where none has what was asked for.
        case handoverAnswered(HandoverQuestion, Locator, NodeID?, HandoverAnswer)
        /// What became of a request about the record of a session of the reactor.
        case recorded(Locator, RecordStep, Result<SessionRecordAnswer, PublishRefusal>)
        case recordTaken(Locator, Result<SessionRecordAnswer, PublishRefusal>)
        /// Nil where it cannot be known what a client missed.
        case missed(Locator, ChannelName, [Publication]?)
        case marked(Locator, Result<Int64?, PublishRefusal>)
        /// A fence could not be put.
        case handoverFailed(Locator)
        /// A client asks for what waits for that session of the reactor.
        case poll(PollRequest, Locator, CommandAsker)
        /// What becomes of such a request of that connection, and who says so.
        case polled(Locator, SessionID.Secret, PollAnswer, PollSource)
        /// Nobody has the session: it begins with that connection.
        case pollBegins(Locator, SessionID.Secret)
    }
}
