import Codec
import Reactor

/// The subscriber connection: which channels are wanted, and what Redis says about that.
extension RedisServer {
    func addInterest(_ channel: ChannelName) {
        switch interest.addInterest(channel) {
        case .confirmed: receiver?.interestConfirmed(channel)
        case .ask:
            guard asking == .idle else { return }
            // One SUBSCRIBE for all that this turn asks for.
            asking = .gathering
            home.post {
                if self.asking == .gathering { self.asking = .idle }
                self.subscribeMore()
            }
        }
    }

    func dropInterest(_ channel: ChannelName) {
        let wasLingering = interest.isLingering
        interest.dropInterest(channel, now: home.now)
        if !wasLingering, interest.isLingering { scheduleLinger() }
    }

    private func scheduleLinger() {
        home.schedule(after: InterestTable.linger) { [self] in
            guard self.state.isRunning else { return }
            self.unsubscribe(self.interest.expired(now: .now()))
            self.owner.interestChanged()
            if self.interest.isLingering { self.scheduleLinger() }
        }
    }

    // MARK: Asking

    func subscriberConnected() {
        state.subscriberLost()
        beats.subscriberChanged()
        let wanted = interest.connected()
        resubscribing = wanted
        if owner.status.phase != .starting { owner.status.resubscribed &+= UInt64(wanted) }
        if isInCluster { return join(partitions) }
        output.removeAll()
        RESPWriter.command([Array("SUBSCRIBE".utf8), names.beat, names.own], to: output)
        subscriberReplies.append(.join(2))
        subscriber.write(output.bytes)
        if owner.isLayoutKnown { layoutKnown() }
    }

    /// The names of channels are known.
    func layoutKnown() {
        guard subscriber.isOpen, !isInCluster else { return }
        output.removeAll()
        RESPWriter.command([Array("SUBSCRIBE".utf8), names.channel(.all)], to: output)
        subscriberReplies.append(.join(1))
        subscriber.write(output.bytes)
        subscribeMore()
    }

    /// The names of channels are others than before.
    func subscribeAnew(_ reason: String) { subscriber?.fail(reason) }

    /// Asks for what is wanted, in batches.
    func subscribeMore() {
        guard asking != .pausing, owner.isLayoutKnown, subscriber != nil else { return }
        while true {
            let batch = interest.nextBatch()
            guard !batch.isEmpty else { return }
            command(isSharded ? "SSUBSCRIBE" : "SUBSCRIBE", batch)
            subscriberReplies.append(.subscribe(batch))
        }
    }

    func unsubscribe(_ channels: [ChannelName]) {
        guard !channels.isEmpty, subscriber?.isOpen ?? false else { return }
        guard isInCluster else { return unsubscribe(channels[...]) }
        // One command, one slot.
        for part in Dictionary(grouping: channels, by: RedisPartition.of).values { unsubscribe(part[...]) }
    }

    private func unsubscribe(_ channels: ArraySlice<ChannelName>) {
        var rest = channels
        while !rest.isEmpty {
            let batch = Array(rest.prefix(InterestTable.batch))
            command(isSharded ? "SUNSUBSCRIBE" : "UNSUBSCRIBE", batch)
            subscriberReplies.append(.unsubscribe(batch))
            rest = rest.dropFirst(InterestTable.batch)
        }
    }

    private func command(_ name: StaticString, _ channels: [ChannelName]) {
        output.removeAll()
        RESPWriter.begin(channels.count + 1, to: output)
        RESPWriter.argument(
            UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount), to: output)
        for channel in channels { RESPWriter.argument(names.channel(channel), to: output) }
        subscriber.write(output.bytes)
    }

    // MARK: Answers

    func receivedBySubscriber(_ value: RESPValue) {
        let (kind, name) = Self.kind(of: value)
        if isInCluster, kind == .unsubscribed, let channel = channel(of: name) ?? ownChannel(of: name),
            !subscriberReplies.isUnsubscribing(channel)
        {
            return slotLeft(channel, name)
        }
        guard let command = subscriberReplies.answered(kind) else {
            return subscriber.fail(
                "Redis at \(addressText) sent a reply that belongs to no command on the subscriber connection")
        }
        if case .error(let text) = value { return refused(command, text) }
        switch kind {
        case .subscribed: confirmed(name)
        case .unsubscribed: ended(name)
        // OK to AUTH and CLIENT SETNAME, and pongs.
        case .other, .error: break
        }
    }

    private static func kind(of value: RESPValue) -> (SubscriberReplies.Kind, name: [UInt8]) {
        switch value {
        case .error: return (.error, [])
        case .array(let elements) where elements.count == 3:
            guard case .bulk(let name?) = elements[1], let kind = elements[0].text else { return (.other, []) }
            if kind == "subscribe" || kind == "ssubscribe" { return (.subscribed, name) }
            if kind == "unsubscribe" || kind == "sunsubscribe" { return (.unsubscribed, name) }
            return (.other, [])
        default: return (.other, [])
        }
    }

    /// Redis refused a command. Only what the command is needed for suffers: the link needs the login and the node's own
    /// channels, and a client's channel is needed by its subscribers.
    private func refused(_ command: SubscriberReplies.Command, _ text: String) {
        if isInCluster, isRedirected(command, text) { return }
        switch command {
        case .authenticate, .join, .joinPartition:
            if Self.isBusy(text) { return greetAgain(subscriber, text) }
            guard command == .authenticate else {
                return subscriber.fail(
                    "Redis at \(addressText) refused the subscription to the node's own channels: \(text)")
            }
            subscriber.fail("Redis at \(addressText) refused the password on the subscriber connection: \(text)")
        case .subscribe(let channels):
            if Self.isBusy(text) {
                interest.postponed(channels)
                return subscribeLater()
            }
            if let channel = interest.refused(channels, now: home.now) { subscriptionRefused(channel, text) }
            subscribeMore()
            reviewInterest()
        case .unsubscribe(let channels):
            let wasLingering = interest.isLingering
            for channel in interest.stillSubscribed(channels, now: home.now) { receiver?.interestConfirmed(channel) }
            if !wasLingering, interest.isLingering { scheduleLinger() }
        case .name, .ping:
            // The name is for people, and any answer to a ping shows that Redis is there.
            break
        }
    }

    /// Redis is busy: it is asked for channels again in a moment.
    func subscribeLater() {
        guard asking != .pausing else { return }
        asking = .pausing
        home.schedule(after: Self.busyPause) { [self] in
            self.asking = .idle
            if self.state.isRunning { self.subscribeMore() }
        }
    }

    /// Redis does not allow a channel, and the others are not affected.
    private func subscriptionRefused(_ channel: ChannelName, _ text: String) {
        owner.status.subscriptionsRefused &+= 1
        guard said.isDue(.refusedSubscription, now: home.now) else { return }
        receiver?.happened(
            .error,
            "Redis at \(addressText) refused the subscription to channel '\(channel)': \(text). Its subscribers get nothing; the node asks again every \(InterestTable.refusalPause.components.seconds) s. \(things(interest.refusals, "channel is", "channels are")) refused now"
        )
    }

    private func confirmed(_ name: [UInt8]) {
        if isInCluster, name.withUnsafeBytes({ names.isOwn($0) }) {
            joined(name)
        } else if isInCluster, name.withUnsafeBytes({ names.isBeat($0) }) {
            return
        } else if name == names.own {
            state.heardItsOwn()
            subscriber.settled()
            countListeners()
            // At once, not at the next tick: the link is up when this one is heard.
            sendBeat()
        } else if let channel = channel(of: name) {
            if channel == .all {
                if !isInCluster { state.joined() }
            } else if interest.subscribed(channel, now: home.now) {
                receiver?.interestConfirmed(channel)
            }
            subscribeMore()
        }
        reviewInterest()
    }

    func reviewInterest() {
        guard interest.isComplete else { return }
        if state.caughtUp() { review() }
        if !arriving.isEmpty, joining.isEmpty {
            arriving = .none
            owner.settled(self)
        }
    }

    private func ended(_ name: [UInt8]) {
        guard let channel = channel(of: name) else { return }
        interest.unsubscribed(channel)
        subscribeMore()
        owner.interestChanged()
    }

    func channel(of name: [UInt8]) -> ChannelName? {
        name.withUnsafeBytes { names.name(in: $0).map { ChannelName(trusted: Array($0)) } }
    }

    /// The subscriber connection is gone, and every subscription with it.
    func subscriberLost() {
        state.subscriberLost()
        beats.subscriberChanged()
        interest.disconnected()
        joining = .none
        arriving = .none
        subscriberReplies.removeAll()
    }
}
