import Codec
import Reactor

/// The node that a client came back to, where another one has its session: see `Handover`.
extension SessionLife {
    /// Another node has the session and keeps what comes for it; it is subscribed here to the same channels.
    func claimed(_ connection: Locator, at node: NodeID, fence: UInt64, _ answer: HandoverAnswer) {
        guard let session = find(connection), session.pointee.phase == .open,
            let wanted = extras(connection.slot)?.resuming
        else { return }
        guard case .claimed(let taken, let acknowledged, let generation, let origin, let names) = answer,
            names.contains(.all)
        else { return found(nil, for: connection) }
        var received = ReceivedMessages(taken: taken)
        guard received.renumber(next: wanted.next) else { return found(nil, for: connection) }
        let resumption = Resumption(isRecorded: recordsSessions)
        resumption.received = received
        resumption.generation = generation &+ 1
        // The other node may have left one.
        if resumption.isRecorded { resumption.record.arrived(now: .now()) }
        resumption.arrival = Arrival(node: node, fence: fence, acknowledged: acknowledged, open: Set(names))
        arrive(connection, resumption, origin: origin, at: names)
    }

    /// Subscribes a session to the channels that it has on another node, or had.
    func arrive(_ connection: Locator, _ resumption: Resumption, origin: SessionID, at names: [ChannelName]) {
        guard let arrival = resumption.arrival else { return }
        let slot = connection.slot
        makeExtras(slot).resumption = resumption
        makeExtras(slot).origin = origin
        session(slot).pointee.linkage = .arriving
        fences[arrival.fence] = .arriving(connection)
        reactor.schedule(after: Self.handoverTime) { [self] in
            guard self.find(connection) != nil, self.extras(slot)?.resumption?.arrival === arrival else { return }
            self.giveUp(slot)
        }
        for name in names {
            guard find(connection) != nil, resumption.arrival != nil else { return }
            if name == .all {
                if arrival.record == nil {
                    request(.fence(name, arrival.fence, connection))
                } else {
                    joinAll(slot, arrival)
                }
                continue
            }
            do {
                try channels.subscribe(slot, to: name, .init(isGranted: true))
            } catch {
                return giveUp(slot)
            }
        }
    }

    /// The session cannot be had whole.
    func giveUp(_ slot: UInt32) {
        guard let arrival = extras(slot)?.resumption?.arrival else { return }
        if arrival.record == nil { context.counters.handoversFailed += 1 } else { context.counters.rebuildsFailed += 1 }
        // The other node has told nobody that the session is over, and this one does.
        if arrival.isWhole { session(slot).pointee.linkage = .counted }
        forgetResumption(slot)
        found(nil, for: locator(of: slot))
    }

    func giveUp(_ connection: Locator) { if find(connection) != nil { giveUp(connection.slot) } }

    /// What is published in a channel arrives here.
    ///
    /// - Parameter answer: Where a channel with history is.
    func arrives(_ slot: UInt32, _ channel: ShardChannel, _ answer: BeginningAnswer?) {
        guard let arrival = extras(slot)?.resumption?.arrival else { return }
        guard arrival.record == nil else { return rebuild(slot, channel, answer, arrival) }
        if case .at(let top, _, _)? = answer {
            extras(slot)?.resumption?.unacknowledged.begin(channel.index, at: top)
        }
        // The fence is put behind what the other node keeps.
        request(.fence(channel.name, arrival.fence, locator(of: slot)))
    }

    /// The fence of a channel came: what follows is for the session here.
    func begin(_ connection: Locator, _ channel: ShardChannel) {
        guard find(connection) != nil, let arrival = extras(connection.slot)?.resumption?.arrival,
            arrival.open.remove(channel.name) != nil
        else { return }
        if channel.name == .all {
            channels.joinEverybody(connection.slot)
        } else {
            // What came between the answer and the fence is in what the other node kept.
            if let position = channel.lastPosition {
                extras(connection.slot)?.resumption?.unacknowledged.begin(channel.index, at: position)
            }
            channels.join(connection.slot, channel)
        }
        if arrival.open.isEmpty { fetch(connection, arrival) }
    }

    private func fetch(_ connection: Locator, _ arrival: Arrival) {
        guard let wanted = extras(connection.slot)?.resuming else { return }
        request(
            .askHandover(
                HandoverQuestion(id: wanted.id, fence: arrival.fence, .fetch(from: arrival.next)), arrival.node,
                connection
            ))
    }

    /// Messages that the other node kept.
    func fetched(_ connection: Locator, fence: UInt64, _ answer: HandoverAnswer) {
        let slot = connection.slot
        guard find(connection) != nil, let resumption = extras(slot)?.resumption, let arrival = resumption.arrival,
            arrival.fence == fence
        else { return }
        guard case .page(let messages, let isLast, let bytes) = answer,
            isLast || messages > 0,
            bytes.withUnsafeBytes({ UInt64(clamping: FrameWalk.messages(in: $0)) == messages })
        else { return giveUp(slot) }
        if messages > 0 {
            arrival.fetched.append((bytes.withUnsafeBytes { Block(copying: $0) }, Int(clamping: messages)))
            arrival.next &+= messages
        }
        if !isLast { return fetch(connection, arrival) }
        arrival.isWhole = true
        finish(slot, resumption, arrival)
    }

    /// Everything is here.
    func finish(_ slot: UInt32, _ resumption: Resumption, _ arrival: Arrival) {
        let session = session(slot)
        if io.repliesFor == slot { io.sendGathered() }
        guard resumption.isKeeping, resumption.arrival != nil else { return giveUp(slot) }
        fences[arrival.fence] = nil
        resumption.arrival = nil
        io.resumeBytes -= resumption.unacknowledged.bytes
        resumption.unacknowledged.restore(after: arrival.acknowledged, arrival.fetched)
        io.resumeBytes += resumption.unacknowledged.bytes
        makeExtras(slot).resuming = nil
        if !context.gatekeeper.asksApplicationAgain { makeExtras(slot).handshake = nil }
        session.pointee.linkage = .counted
        session.pointee.machine.loginAccepted()
        session.pointee.flags.insert(.heard)
        context.counters.sessionsResumed += 1
        if arrival.record == nil {
            context.counters.sessionsTakenOver += 1
        } else {
            context.counters.sessionsRebuilt += 1
        }
        request(.opened(session.pointee.secret, locator(of: slot)))
        // A record that the other node left does not know what follows.
        if withdrawRecord(slot) { resumption.heldFrom = resumption.unacknowledged.next }
        io.sendKept(slot, resumption)
        acknowledge(slot)
        beginLiveness(slot)
        serverCommands.sessionSettled(slot, isOpen: true)
        io.resumeInput(slot)
        considerRecordSoon(slot)
    }
}
