import Authentication
import Codec
import Reactor

/// Tokens for single subscriptions, and new tokens for old ones (centrifuge dialect).
extension Shard {
    /// When subscriptions that a token opened end: by channel index, in seconds since 1970; `.max` is never.
    typealias SubscriptionExpiries = [UInt32: Int64]

    // MARK: Subscribing

    func subscribe(_ slot: UInt32, _ request: CentrifugeIntent.Subscribe) {
        guard let token = request.token, !token.isEmpty else {
            return subscribe(slot, request, isGranted: false, expiresAt: nil)
        }
        judge(slot, String(decoding: token, as: UTF8.self), request.channel) { shard, verdict in
            switch verdict {
            case .admitted(let expiresAt):
                shard.subscribe(slot, request, isGranted: true, expiresAt: expiresAt ?? .max)
            case .refused(.expired):
                shard.counters.unauthorized += 1
                shard.reply(slot, request.id, .tokenExpired)
            case .refused:
                shard.counters.unauthorized += 1
                shard.reply(slot, request.id, .permissionDenied)
            case .undecided:
                shard.counters.undecided += 1
                shard.reply(slot, request.id, .internal)
            }
        }
    }

    private func subscribe(
        _ slot: UInt32, _ request: CentrifugeIntent.Subscribe, isGranted: Bool, expiresAt: Int64?
    ) {
        if let expiresAt { pendingExpiry = (request.channel, expiresAt) }
        if request.isRecovering { pendingPast = Past(request) }
        defer {
            pendingExpiry = nil
            pendingPast = nil
        }
        do {
            try subscribe(slot, to: request.channel, command: request.id, isGranted: isGranted)
            armSubscribeTimeout(slot, request.channel, command: request.id)
        } catch {
            reply(slot, request.id, error.centrifugeError)
        }
    }

    /// Notes when a subscription that was just made has to end.
    func noteExpiry(_ slot: UInt32, _ channel: ShardChannel) {
        guard let pending = pendingExpiry, pending.channel == channel.name else { return }
        expiries[slot, default: [:]][channel.index] = pending.expiresAt
        armSubscriptionExpiry(slot, pending.expiresAt)
    }

    private func armSubscriptionExpiry(_ slot: UInt32, _ expiresAt: Int64) {
        guard expiresAt != .max else { return }
        let left = max(0, expiresAt - gatekeeper.now) + gatekeeper.leeway + gatekeeper.grace.components.seconds
        arm(.subscriptionExpiry, slot, after: .seconds(min(left, 30 * 86_400)))
    }

    /// Ends the subscriptions whose tokens have expired; the client may come back with new ones.
    func checkSubscriptionExpiry(_ slot: UInt32) {
        guard let known = expiries[slot] else { return }
        let limit = gatekeeper.now - gatekeeper.leeway - gatekeeper.grace.components.seconds
        for (index, expiresAt) in known {
            if expiresAt > limit {
                if expiresAt != .max { armSubscriptionExpiry(slot, expiresAt) }
                continue
            }
            guard let channel = channelsByIndex[Int(index)] else { continue }
            counters.expired += 1
            end(slot, channel.name, code: 2501, reason: "subscription expired")
        }
    }

    /// Ends a subscription from our side. From 2500 on the client subscribes again by itself.
    func end(_ slot: UInt32, _ name: ChannelName, code: UInt32, reason: String) {
        guard unsubscribe(slot, from: name, isFinal: code < 2500) else { return }
        writer.removeAll()
        CentrifugeEncoder.writeUnsubscribePush(name, code: code, reason: reason, to: writer)
        sendWritten(slot)
    }

    // MARK: Refreshing

    func refreshSubscription(_ slot: UInt32, _ command: UInt32, _ name: ChannelName, _ token: [UInt8]) {
        guard let channel = channels[name], session(slot).pointee.subscriptions.index(of: channel.index) != nil else {
            return reply(slot, command, .badRequest)
        }
        judge(slot, String(decoding: token, as: UTF8.self), name) { shard, verdict in
            switch verdict {
            case .admitted(let expiresAt):
                guard let channel = shard.channels[name],
                    shard.session(slot).pointee.subscriptions.index(of: channel.index) != nil
                else { return shard.reply(slot, command, .badRequest) }
                shard.expiries[slot, default: [:]][channel.index] = expiresAt ?? .max
                if let expiresAt { shard.armSubscriptionExpiry(slot, expiresAt) }
                shard.writer.removeAll()
                CentrifugeEncoder.writeSubRefreshed(command, ttl: shard.timeToLive(expiresAt), to: shard.writer)
                shard.sendWritten(slot)
            case .refused(.expired):
                shard.counters.unauthorized += 1
                shard.reply(slot, command, .tokenExpired)
            case .refused:
                shard.counters.unauthorized += 1
                shard.reply(slot, command, .permissionDenied)
            case .undecided:
                shard.counters.undecided += 1
                shard.reply(slot, command, .internal)
            }
        }
    }

    func refresh(_ slot: UInt32, _ command: UInt32, _ token: [UInt8]) {
        let text = String(decoding: token, as: UTF8.self)
        switch gatekeeper.judge(text) {
        case .admitted(let credentials): refreshed(slot, command, credentials)
        case .refused(let refusal): refuseRefresh(slot, command, refusal)
        case .undecided:
            let request = ConnectRequest(
                client: id(of: slot), dialect: .centrifuge, target: "",
                remote: session(slot).pointee.peer.address?.ipText ?? "", token: text, headers: [])
            let gatekeeper = gatekeeper
            later(slot, { await gatekeeper.ask(request) }) { shard, verdict in
                switch verdict {
                case .admitted(let credentials): shard.refreshed(slot, command, credentials)
                case .refused(let refusal): shard.refuseRefresh(slot, command, refusal)
                case .undecided: shard.refuseRefresh(slot, command, .undecided)
                }
            }
        }
    }

    private func refuseRefresh(_ slot: UInt32, _ command: UInt32, _ refusal: AuthRefusal) {
        if refusal.isOurs { counters.undecided += 1 } else { counters.unauthorized += 1 }
        switch refusal.centrifuge {
        case .error(let error): reply(slot, command, error)
        case .disconnect(let disconnect): close(slot, disconnect)
        }
    }

    private func refreshed(_ slot: UInt32, _ command: UInt32, _ credentials: Credentials?) {
        // Somebody else's token makes no new session out of an old one.
        guard credentials?.user == self.credentials(slot)?.user, assume(credentials, slot) else {
            counters.unauthorized += 1
            return close(slot, .invalidToken)
        }
        writer.removeAll()
        CentrifugeEncoder.writeRefreshed(
            command, client: id(of: slot), version: settings.version, ttl: timeToLive(credentials?.expiresAt),
            to: writer)
        sendWritten(slot)
        endWhatIsNotGranted(slot)
    }

    /// The new token may grant less than the old one did.
    private func endWhatIsNotGranted(_ slot: UInt32) {
        let session = session(slot)
        let generation = session.pointee.generation
        let credentials = credentials(slot)
        var names: [ChannelName] = []
        for index in 0..<session.pointee.subscriptions.count {
            guard let channel = channelsByIndex[Int(session.pointee.subscriptions[index].channel)],
                !channel.name.isReserved, expiries[slot]?[channel.index] == nil,
                !channel.rule.allowsSubscribe(to: channel.name, credentials)
            else { continue }
            names.append(channel.name)
        }
        for name in names where table.find(slot, generation: generation) != nil && session.pointee.phase == .open {
            end(slot, name, code: 2000, reason: "not granted any more")
        }
    }

    // MARK: Judging

    /// Judges a token for a subscription, now or, when its key has to be fetched, later; the session may be gone then.
    private func judge(
        _ slot: UInt32, _ token: String, _ channel: ChannelName,
        _ then: @escaping @Sendable (Shard, Gatekeeper.SubscriptionVerdict) -> Void
    ) {
        let user = credentials(slot)?.user
        let client = id(of: slot)
        let verdict = gatekeeper.judge(token, channel: channel, user: user, client: client)
        guard case .undecided = verdict else { return then(self, verdict) }
        let gatekeeper = gatekeeper
        later(
            slot,
            {
                guard await gatekeeper.refreshKeys() else { return .refused(.unknownKey) }
                return gatekeeper.judge(token, channel: channel, user: user, client: client)
            }, then)
    }

    /// Does something slow elsewhere, and goes on here if the session is still open.
    private func later<Result: Sendable>(
        _ slot: UInt32, _ work: @escaping @Sendable () async -> Result,
        _ then: @escaping @Sendable (Shard, Result) -> Void
    ) {
        let place = locator(of: slot)
        let reactor = reactor
        Task { [shard = self] in
            let result = await work()
            reactor.post {
                guard let session = shard.table.find(place.slot, generation: place.generation),
                    session.pointee.phase == .open
                else { return }
                then(shard, result)
            }
        }
    }
}
