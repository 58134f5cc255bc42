import Codec
import Reactor

/// What is published through one server: at once, in its turn behind others that are kept, or when the link is back.
extension RedisServer {
    @inline(__always)
    func publish(_ publication: Publication, _ history: HistorySettings?, _ ticket: PublishTicket) {
        if case .linked = state { return publishNow(publication, history, ticket) }
        if state.isRunning, buffer.append(publication, history: history, ticket, now: home.now) {
            owner.waitingChanged()
            scheduleExpiry()
        } else {
            owner.refuse(ticket, state.isRunning ? .bufferFull : .isolated)
        }
    }

    @inline(__always)
    func publishNow(_ publication: Publication, _ history: HistorySettings?, _ ticket: PublishTicket) {
        if publication.channel.isReserved { noteReserved(publication) }
        if isInCluster || history != nil || publication.extras?.idempotencyKey != nil {
            return publishNow(PublishBuffer.Waiting(publication: publication, history: history, ticket: ticket))
        }
        // Behind what is kept of the same channel.
        if pacing.count > 0, pacing.hasWaiting(for: publication.channel) {
            return pace(PublishBuffer.Waiting(publication: publication, history: nil, ticket: ticket))
        }
        replies.appendPublish(ticket)
        write(publication)
    }

    /// One that may have to be sent again.
    func publishNow(_ waiting: PublishBuffer.Waiting) {
        if waiting.history == nil, pacing.count == 0 || !pacing.hasWaiting(for: waiting.publication.channel) {
            // One that only has a key stays between the plain ones of its channel.
            if waiting.publication.extras?.idempotencyKey != nil { return keep([waiting]) }
            replies.append(.plain(waiting))
            return write(waiting.publication)
        }
        pace(waiting)
    }

    /// Goes with others of its channel, at the end of the turn.
    private func pace(_ waiting: PublishBuffer.Waiting) {
        guard pacing.bytes <= Self.outboundLimit else { return owner.refuse(waiting.ticket, .bufferFull) }
        pacing.append(waiting)
        owner.hasPaced = true
        // The others go at the end of the turn. Redis can begin with these.
        if pacing.count >= PublishPacing.batch { sendPaced() }
    }

    @inline(__always)
    private func write(_ publication: Publication) {
        if publication.channel.isReserved, let id = SessionID(connectionChannel: publication.channel) {
            write(
                publication, prefix: [],
                channel: names.directed(id.node, in: names.partition(of: publication.channel)))
        } else {
            write(publication, prefix: names[publication.channel].channel, channel: publication.channel.bytes)
        }
    }

    /// What is for a user, a connection or everybody has no history: whoever goes on with a session of a dead node has to know that it may
    /// have missed some.
    func noteReserved(_ publication: Publication) {
        guard publication.extras?.fence == nil else { return }
        owner.mark(publication.channel)
    }

    /// The payload is copied once, from the publication to where it is sent from.
    @inline(__always)
    private func write(_ publication: Publication, prefix: [UInt8], channel: [UInt8]) {
        let bytes = EnvelopeCodec.bytes(of: publication)
        commands.write(
            atMost: RESPWriter.maximumBytes(ofPublish: prefix, channel, payloadBytes: bytes), by: output
        ) { writer in
            RESPWriter.publish(
                prefix: prefix, channel: channel, payloadBytes: bytes, isSharded: isSharded, to: writer
            ) {
                EnvelopeCodec.write(publication, to: $0)
            }
        }
    }

    /// What waited for the end of the turn, or for its turn; not while the master is being replaced.
    @inline(__always)
    func sendPaced() { if pacing.count > 0 { sendMorePaced() } }

    private func sendMorePaced() {
        while state.takesCommands, state != .holding, !pacing.isHeld(answered: replies.answered) {
            let batch = pacing.next()
            if batch.isEmpty { return }
            keep(batch)
        }
    }

    /// What has waited for the link, in its order.
    func publishWaiting() {
        sendPaced()
        let waiting = buffer.takeAll()
        owner.waitingChanged()
        // Those that are left wait again where the link breaks in the middle.
        for entry in waiting { publish(entry.publication, entry.history, entry.ticket) }
    }

    /// Refuses what has waited too long, within 100 ms of its time: clients give a command up by themselves after 5 s, and
    /// are to be told before that.
    private func scheduleExpiry() {
        guard !isExpiryScheduled, buffer.count > 0 else { return }
        isExpiryScheduled = true
        home.schedule(after: .milliseconds(100)) { [self] in
            isExpiryScheduled = false
            guard state.isRunning else { return }
            for waiting in buffer.expired(now: home.now) { owner.refuse(waiting.ticket, .isolated) }
            owner.waitingChanged()
            scheduleExpiry()
        }
    }
}
