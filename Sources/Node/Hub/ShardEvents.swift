import Codec

/// What listeners are told of sessions. Whoever calls has asked whether somebody wants to know.
extension ShardPart {
    final func noteOpened(_ slot: UInt32) {
        let session = session(slot)
        events.append(
            NodeEvent(
                .sessionOpened, session: lastingID(of: slot), user: credentials(slot)?.user,
                details: .opened(dialect: session.pointee.dialect.name, remote: session.pointee.peer.address)))
    }

    /// - Parameter id: What others know it by, which is not known any more once the session is cleared away.
    final func noteClosed(_ slot: UInt32, _ id: SessionID, code: CloseCode, reason: String, cause: String) {
        if events.wants(.slowConsumer), cause.utf8.elementsEqual(Ending.slow.cause.utf8) {
            events.append(NodeEvent(.slowConsumer, session: id, user: credentials(slot)?.user))
        }
        guard events.wants(.sessionClosed) else { return }
        events.append(
            NodeEvent(
                .sessionClosed, session: id, user: credentials(slot)?.user,
                details: .closed(code: code.rawValue, reason: reason, cause: cause)))
    }

    /// A subscription began or ended.
    final func note(_ kind: EventKinds, _ slot: UInt32, _ channel: ChannelName) {
        events.append(
            NodeEvent(kind, session: lastingID(of: slot), user: credentials(slot)?.user, channel: channel))
    }

    final func notePublished(_ slot: UInt32, _ publication: Publication, by user: ForeignText?) {
        events.append(
            NodeEvent(
                .published, session: lastingID(of: slot), user: user, channel: publication.channel,
                details: .publication(publication.kind, publication.payload)))
    }
}
