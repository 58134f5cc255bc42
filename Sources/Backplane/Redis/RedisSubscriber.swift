import Codec
import Reactor

/// The subscriber connection: interest, and what comes in.
extension RedisBackplane {
    func subscriberConnected() {
        isSubscriberReady = false
        isCaughtUp = false
        hasHeardItself = false
        let wanted = interest.connected()
        resubscribing = wanted
        if link.phase != .starting { link.resubscribed &+= UInt64(wanted) }
        output.removeAll()
        RESPWriter.command(
            [Array("SUBSCRIBE".utf8), names.beat, names.own, names.channel(.all)], to: output)
        subscriber.write(output.bytes)
        subscribeMore()
    }

    /// Asks for what is wanted, in batches.
    func subscribeMore() {
        while true {
            let batch = interest.nextBatch()
            guard !batch.isEmpty else { return }
            command("SUBSCRIBE", batch)
        }
    }

    func unsubscribe(_ channels: [ChannelName]) {
        guard !channels.isEmpty, subscriber.isOpen else { return }
        var rest = channels[...]
        while !rest.isEmpty {
            command("UNSUBSCRIBE", Array(rest.prefix(InterestTable.batch)))
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

    func receivedBySubscriber(_ value: RESPValue) {
        switch value {
        case .error(let text) where Self.isBusy(text): greetAgain(subscriber, text)
        case .error(let text):
            subscriber.fail("Redis at \(server) refused a subscription: \(text)")
        case .array(let elements) where elements.count == 3:
            guard case .bulk(let bytes?) = elements[1], let kind = elements[0].text else { return }
            if kind == "subscribe" { confirmed(bytes) } else if kind == "unsubscribe" { ended(bytes) }
        default:
            // OK to AUTH and CLIENT SETNAME, and pongs.
            break
        }
    }

    private func confirmed(_ name: [UInt8]) {
        if name == names.own {
            isSubscriberReady = true
            subscriber.settled()
            // At once, not at the next tick: the link is up when this one is heard.
            sendBeat()
        } else if let channel = channel(of: name), channel != .all {
            if interest.subscribed(channel, now: home.now) { receiver?.held(channel) }
            subscribeMore()
        }
        if isSubscriberReady, !isCaughtUp, interest.isComplete {
            isCaughtUp = true
            review()
        }
    }

    private func ended(_ name: [UInt8]) {
        guard let channel = channel(of: name) else { return }
        interest.unsubscribed(channel)
        subscribeMore()
        link.channels = interest.count
    }

    private func channel(of name: [UInt8]) -> ChannelName? {
        guard name.starts(with: names.channel) else { return nil }
        return ChannelName(trusted: Array(name.dropFirst(names.channel.count)))
    }

    // MARK: Messages

    /// A pub/sub message. Whatever its bytes are, they may have come from anybody who can write to this Redis.
    func received(channel: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer) {
        guard let receiver else { return }
        if payload.count > 2, payload[2] != EnvelopeCodec.publicationType {
            if payload[2] == EnvelopeCodec.changeType { return receivedChange(payload, on: channel) }
            if payload[2] == EnvelopeCodec.lossType { return receivedLoss(payload, on: channel) }
            return receivedNodeMessage(payload)
        }
        do {
            let publication = try EnvelopeCodec.decode(payload, hint: lastChannel)
            // On its own channel, or on ours when it is for one session: nothing else is believed.
            guard isExpected(publication.channel, on: channel) else {
                link.badMessages &+= 1
                return
            }
            lastChannel = publication.channel
            link.received &+= 1
            receiver.delivered(publication)
        } catch {
            link.badMessages &+= 1
        }
    }

    private func receivedChange(_ payload: UnsafeRawBufferPointer, on channel: UnsafeRawBufferPointer) {
        guard let name = self.channel(of: Array(channel)),
            let change = try? EnvelopeCodec.decodeChange(payload, of: name)
        else {
            link.badMessages &+= 1
            return
        }
        link.received &+= 1
        receiver?.delivered(change)
    }

    private func receivedLoss(_ payload: UnsafeRawBufferPointer, on channel: UnsafeRawBufferPointer) {
        guard let name = self.channel(of: Array(channel)), EnvelopeCodec.isLoss(payload) else {
            link.badMessages &+= 1
            return
        }
        link.received &+= 1
        receiver?.lossNoted(in: name)
    }

    private func isExpected(_ name: ChannelName, on channel: UnsafeRawBufferPointer) -> Bool {
        if channel.count == names.channel.count + name.bytes.count {
            return channel.starts(with: names.channel)
                && channel.dropFirst(names.channel.count).elementsEqual(name.bytes)
        }
        return name.isReserved && channel.elementsEqual(names.own)
    }

    private func receivedNodeMessage(_ payload: UnsafeRawBufferPointer) {
        guard let message = try? NodeMessage(decoding: payload) else {
            link.badMessages &+= 1
            return
        }
        switch message {
        case .beat(let beat): heard(beat)
        case .farewell(let node):
            if let record = registry.left(node) {
                receiver?.happened(.info, "node \(record.name) has left")
                receiver?.nodeLeft(node)
            }
        case .question(let id, let from, let body):
            if from != node { receiver?.asked(body, id: id, from: from) }
        case .answer(let id, let from, let body):
            receiver?.answered(body, id: id, from: from)
        }
    }
}
