import Codec
import Reactor

/// The node that a client came back to, where another one has its session: see `Handover`.
extension SessionLife {
    /// Another node has the session and keeps what comes for it; it is subscribed here to the same channels.
    func claimed(_ connection: Locator, at node: NodeID, fence: UInt64, _ answer: HandoverAnswer) {
        guard let session = find(connection), session.pointee.phase == .open,
            let wanted = extras(connection.slot)?.resuming
        else { return }
        let slot = connection.slot
        guard case .claimed(let taken, let acknowledged, let names) = answer, names.contains(.all) else {
            return found(nil, for: connection)
        }
        var received = ReceivedMessages(taken: taken)
        guard received.renumber(next: wanted.next) else { return found(nil, for: connection) }
        let resumption = Resumption()
        resumption.received = received
        resumption.arrival = Arrival(node: node, fence: fence, acknowledged: acknowledged, open: Set(names))
        makeExtras(slot).resumption = resumption
        session.pointee.linkage = .arriving
        fences[fence] = .arriving(connection)
        reactor.schedule(after: Self.handoverTime) { [self] in
            guard self.find(connection) != nil, self.extras(slot)?.resumption?.arrival?.fence == fence else { return }
            self.giveUp(slot)
        }
        for name in names {
            guard find(connection) != nil, resumption.arrival != nil else { return }
            if name == .all {
                request(.fence(name, fence, connection))
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
        guard extras(slot)?.resumption?.arrival != nil else { return }
        context.counters.handoversFailed += 1
        forgetResumption(slot)
        found(nil, for: locator(of: slot))
    }

    func giveUp(_ connection: Locator) { if find(connection) != nil { giveUp(connection.slot) } }

    /// What is published in a channel arrives here: the fence is put behind what the other node keeps.
    func fence(_ slot: UInt32, _ channel: ShardChannel) {
        guard let arrival = extras(slot)?.resumption?.arrival else { return }
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
        finish(slot, resumption, arrival)
    }

    /// Everything is here.
    private func finish(_ slot: UInt32, _ resumption: Resumption, _ arrival: Arrival) {
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
        context.counters.sessionsTakenOver += 1
        request(.opened(session.pointee.secret, locator(of: slot)))
        if events.wants(.sessionOpened) { noteOpened(slot) }
        io.sendKept(slot, resumption)
        acknowledge(slot)
        beginLiveness(slot)
        serverCommands.sessionSettled(slot, isOpen: true)
        io.resumeInput(slot)
    }
}
