import Reactor
import Backplane
import Codec

/// The centrifuge dialect: what its state machine asks for, done.
extension Shard {
    func receivedCentrifuge(
        _ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>, _ message: UnsafeRawBufferPointer, isText: Bool
    ) {
        let generation = session.pointee.generation
        var machine = session.pointee.centrifuge
        machine.received(message, isText: isText, hint: lastPublished?.name) { intent in
            if !isAnybodyWaiting || !keptForLater(intent, slot) { perform(intent, slot, session) }
            return session.pointee.generation == generation && session.pointee.phase == .open
        }
        guard session.pointee.generation == generation else { return }
        // A `connect` that was refused with an error may be tried again.
        if machine.isConnected, wasRefused == slot { machine = CentrifugeMachine() }
        wasRefused = .max
        session.pointee.centrifuge = machine
    }

    func perform(_ intent: CentrifugeIntent, _ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        switch intent {
        case .connect(let connect):
            judge(connect, slot)
        case .subscribe(let subscribe):
            guard session.pointee.subscribes.take(settings.subscribeRate, now: reactor.now.nanoseconds) else {
                counters.subscribeRateHits += 1
                return refuseForRate(slot, session, subscribe.id)
            }
            session.pointee.refusedInARow = 0
            self.subscribe(slot, subscribe)
        case .unsubscribe(let id, let channel):
            answerWaiting(slot, channel)
            unsubscribe(slot, from: channel)
            writer.removeAll()
            CentrifugeEncoder.writeUnsubscribed(id, to: writer)
            sendWritten(slot)
        case .publish(let id, let channel, let data):
            publishCentrifuge(slot, id, channel, data)
        case .history(let history):
            readHistory(slot, history)
        case .presence(let id, let channel, let view):
            readPresence(slot, id, channel, view)
        case .refresh(let id, let token):
            refresh(slot, id, token)
        case .subRefresh(let id, let channel, let token):
            refreshSubscription(slot, id, channel, token)
        case .pong, .send:
            // A pong needs no answer, and nobody here listens to messages without a channel.
            break
        case .refuse(let id, let error):
            reply(slot, id, error)
        case .disconnect(let disconnect):
            counters.protocolErrors += 1
            close(slot, disconnect)
        }
    }

    func reply(_ slot: UInt32, _ command: UInt32, _ error: CentrifugeError) {
        writer.removeAll()
        CentrifugeEncoder.writeError(command, error, to: writer)
        sendWritten(slot)
    }

    func confirmedCentrifuge(
        _ slot: UInt32, _ channel: ShardChannel, command: UInt32, place: CentrifugeEncoder.Place? = nil
    ) {
        writer.removeAll()
        let expiresAt = expiries.isEmpty ? nil : expiries[slot]?[channel.index]
        CentrifugeEncoder.writeSubscribed(
            command, ttl: timeToLive(expiresAt == .max ? nil : expiresAt), place: place, to: writer)
        sendWritten(slot)
    }

    private func publishCentrifuge(
        _ slot: UInt32, _ command: UInt32, _ name: ChannelName, _ data: UnsafeRawBufferPointer
    ) {
        // A client mostly publishes where the last one did.
        if lastPublished?.name != name { lastPublished = (name, settings.rules.rule(for: name)) }
        guard let rule = lastPublished?.rule,
            rule.publish == .client || rule.allowsPublish(to: name, credentials(slot))
        else {
            counters.refusedPublishes += 1
            return reply(slot, command, .permissionDenied)
        }
        let session = session(slot)
        guard session.pointee.publishes.take(settings.publishRate, now: reactor.now.nanoseconds) else {
            counters.publishRateHits += 1
            return refuseForRate(slot, session, command)
        }
        session.pointee.refusedInARow = 0
        publish(
            name, .json, data, from: slot, command: command, extras: Publication.Extras(publisher: id(of: slot)))
        throttle(slot, name)
    }

    func answerPublish(_ slot: UInt32, command: UInt32, _ outcome: PublishOutcome) {
        switch outcome {
        case .accepted:
            writer.removeAll()
            CentrifugeEncoder.writePublished(command, to: writer)
            sendWritten(slot)
        case .refused:
            // 100 is the protocol's temporary error: the client may try again.
            reply(slot, command, .internal)
        }
    }

    /// Every command is answered: a `subscribe` that is taken back before it was confirmed is, too.
    private func answerWaiting(_ slot: UInt32, _ name: ChannelName) {
        guard let channel = channels[name] else { return }
        let generation = session(slot).pointee.generation
        let taken = channel.waiting.filter { $0.slot == slot && $0.generation == generation && $0.command != 0 }
        guard !taken.isEmpty else { return }
        channel.waiting.removeAll { $0.slot == slot && $0.generation == generation && $0.command != 0 }
        for entry in taken { reply(slot, entry.command, .internal) }
    }

    /// A subscribe that nobody confirms, because the node is isolated, is answered with a temporary error in time for
    /// the client to try again by itself.
    func armSubscribeTimeout(_ slot: UInt32, _ name: ChannelName, command: UInt32) {
        let session = session(slot)
        guard let channel = channels[name], let index = session.pointee.subscriptions.index(of: channel.index),
            session.pointee.subscriptions[index].place == Self.unplaced
        else { return }
        let generation = session.pointee.generation
        reactor.schedule(after: Self.subscribeTimeout) { [weak self] in
            guard let self, let session = self.table.find(slot, generation: generation),
                session.pointee.phase == .open, let channel = self.channels[name],
                channel.waiting.contains(where: {
                    $0.slot == slot && $0.generation == generation && $0.command == command
                }),
                let index = session.pointee.subscriptions.index(of: channel.index),
                session.pointee.subscriptions[index].place == Self.unplaced
            else { return }
            self.counters.subscribeTimeouts += 1
            channel.waiting.removeAll { $0.slot == slot && $0.generation == generation }
            self.unsubscribe(slot, from: name)
            self.reply(slot, command, .internal)
        }
    }

    static var subscribeTimeout: Duration { .seconds(4) }
}

extension Shard.SubscribeRefusal {
    var centrifugeError: CentrifugeError {
        switch self {
        case .alreadySubscribed: .alreadySubscribed
        case .tooManyChannels: .limitExceeded
        case .notPermitted: .permissionDenied
        }
    }
}
