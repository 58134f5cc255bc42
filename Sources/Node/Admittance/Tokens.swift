import Authentication
import Codec
import Reactor

/// Tokens for single subscriptions, and new tokens for old ones.
extension Admittance {
    func judgeSubscribe(_ slot: UInt32, _ request: Intent.Subscribe) {
        guard let token = request.token, !token.isEmpty else {
            if askToSubscribe(slot, request) { return }
            return subscribeJudged(slot, request, isGranted: false, expiresAt: nil)
        }
        authenticate(slot, String(decoding: token, as: UTF8.self), request.channel) { admittance, verdict in
            switch verdict {
            case .admitted(let expiresAt, let token):
                admittance.subscribeJudged(slot, request, isGranted: true, expiresAt: expiresAt ?? .max, token)
            case .refused(.expired):
                admittance.context.counters.unauthorized += 1
                admittance.io.fail(slot, request.reply, .tokenExpired, about: request.channel)
            case .refused:
                admittance.context.counters.unauthorized += 1
                admittance.io.fail(slot, request.reply, .permissionDenied, about: request.channel)
            case .undecided:
                admittance.context.counters.undecided += 1
                admittance.io.fail(slot, request.reply, .temporary)
            }
        }
    }

    func subscribeJudged(
        _ slot: UInt32, _ request: Intent.Subscribe, isGranted: Bool, expiresAt: Int64?, _ token: TokenMark? = nil
    ) {
        do {
            try channels.subscribe(
                slot, to: request.channel,
                .init(
                    reply: request.reply, isGranted: isGranted, since: request.seen.map(SeenPosition.init),
                    rejectsUnrecovered: request.rejectsUnrecovered, expiresAt: expiresAt,
                    takesDeltas: request.takesDeltas, filter: request.filter))
            if let token { noteToken(slot, request.channel, token) }
            channels.armSubscribeTimeout(slot, request.channel)
        } catch {
            io.fail(slot, request.reply, error.failure, about: request.channel, limit: error.limit)
        }
    }

    /// A token opened a subscription, which ends when that is revoked.
    private func noteToken(_ slot: UInt32, _ name: ChannelName, _ token: TokenMark) {
        guard let channel = channels.byName[name], session(slot).pointee.subscriptions.index(of: channel.index) != nil
        else { return }
        makeExtras(slot).tokens[channel.index] = token
    }

    func refreshSubscription(_ slot: UInt32, _ reply: ReplyID, _ name: ChannelName, _ token: [UInt8]) {
        guard let channel = channels.byName[name], session(slot).pointee.subscriptions.index(of: channel.index) != nil
        else {
            return io.fail(slot, reply, .malformed)
        }
        authenticate(slot, String(decoding: token, as: UTF8.self), name) { admittance, verdict in
            switch verdict {
            case .admitted(let expiresAt, let token):
                guard let channel = admittance.channels.byName[name],
                    admittance.session(slot).pointee.subscriptions.index(of: channel.index) != nil
                else { return admittance.io.fail(slot, reply, .malformed) }
                admittance.makeExtras(slot).expiries[channel.index] = expiresAt ?? .max
                admittance.makeExtras(slot).tokens[channel.index] = token
                if let expiresAt { admittance.channels.armSubscriptionExpiry(slot, expiresAt) }
                admittance.io.tell(
                    slot, .subscriptionRefreshed(timeToLive: admittance.timeToLive(expiresAt)), for: reply)
            case .refused(.expired):
                admittance.context.counters.unauthorized += 1
                admittance.io.fail(slot, reply, .tokenExpired)
            case .refused:
                admittance.context.counters.unauthorized += 1
                admittance.io.fail(slot, reply, .permissionDenied)
            case .undecided:
                admittance.context.counters.undecided += 1
                admittance.io.fail(slot, reply, .temporary)
            }
        }
    }

    func refresh(_ slot: UInt32, _ reply: ReplyID, _ token: [UInt8]) {
        let text = String(decoding: token, as: UTF8.self)
        switch context.gatekeeper.authenticate(text) {
        case .admitted(let credentials): refreshed(slot, reply, credentials)
        case .refused(let refusal): refuseRefresh(slot, reply, refusal)
        case .undecided:
            let request = ConnectRequest(
                client: id(of: slot), dialect: session(slot).pointee.dialect,
                target: extras(slot)?.handshake?.target ?? "",
                remote: session(slot).pointee.peer.address?.ipText ?? "", token: text,
                headers: extras(slot)?.handshake?.all ?? [])
            let gatekeeper = context.gatekeeper
            later(slot, { await gatekeeper.ask(request) }) { admittance, verdict in
                switch verdict {
                case .admitted(let credentials): admittance.refreshed(slot, reply, credentials)
                case .refused(let refusal): admittance.refuseRefresh(slot, reply, refusal)
                case .undecided: admittance.refuseRefresh(slot, reply, .undecided)
                }
            }
        }
    }

    private func refuseRefresh(_ slot: UInt32, _ reply: ReplyID, _ refusal: AuthRefusal) {
        if refusal.isOurs { context.counters.undecided += 1 } else { context.counters.unauthorized += 1 }
        if refusal == .token(.revoked) { context.counters.revokedRefused += 1 }
        switch refusal.answer {
        case .failure(let failure): io.fail(slot, reply, failure)
        case .ending(let ending): life.end(slot, ending)
        }
    }

    private func refreshed(_ slot: UInt32, _ reply: ReplyID, _ credentials: Credentials?) {
        if let objection = context.gatekeeper.objection(to: credentials) {
            return refuseRefresh(slot, reply, objection)
        }
        // Somebody else's token makes no new session out of an old one.
        guard credentials?.user == self.credentials(slot)?.user, assume(credentials, slot) else {
            context.counters.unauthorized += 1
            return life.end(slot, .tokenInvalid)
        }
        io.tell(
            slot,
            .refreshed(
                client: id(of: slot), version: context.settings.version, timeToLive: timeToLive(credentials?.expiresAt)),
            for: reply)
        endWhatIsNotGranted(slot)
    }

    /// The new token may grant less than the old one did.
    private func endWhatIsNotGranted(_ slot: UInt32) {
        let session = session(slot)
        let credentials = credentials(slot)
        var names: [ChannelName] = []
        for index in 0..<session.pointee.subscriptions.count {
            guard let channel = channels.byIndex[Int(session.pointee.subscriptions[index].channel)],
                !channel.name.isReserved, extras(slot)?.expiries[channel.index] == nil,
                !serverCommands.isGiven(slot, channel), !channel.rule.allowsSubscribe(to: channel.name, credentials)
            else { continue }
            names.append(channel.name)
        }
        for name in names { channels.endSubscription(slot, name, .notGranted) }
    }

    /// Judges a token for a subscription, now or, when its key has to be fetched, later; the session may be gone then.
    func authenticate(
        _ slot: UInt32, _ token: String, _ channel: ChannelName,
        _ then: @escaping @Sendable (Admittance, Gatekeeper.SubscriptionVerdict) -> Void
    ) {
        let user = credentials(slot)?.user
        let client = id(of: slot)
        let verdict = context.gatekeeper.authenticate(token, channel: channel, user: user, client: client)
        guard case .undecided = verdict else { return then(self, withoutRevoked(verdict)) }
        let gatekeeper = context.gatekeeper
        later(
            slot,
            {
                guard await gatekeeper.refreshKeys() else {
                    return await gatekeeper.isKeySetAway() ? .undecided : .refused(.unknownKey)
                }
                return gatekeeper.authenticate(token, channel: channel, user: user, client: client)
            }, { admittance, verdict in then(admittance, admittance.withoutRevoked(verdict)) })
    }

    /// The verdict, unless the token is revoked.
    private func withoutRevoked(_ verdict: Gatekeeper.SubscriptionVerdict) -> Gatekeeper.SubscriptionVerdict {
        guard case .admitted(_, let token) = verdict else { return verdict }
        switch context.gatekeeper.revocations.verdict(on: token) {
        case .accepted: return verdict
        case .revoked:
            context.counters.revokedRefused += 1
            return .refused(.revoked)
        case .unknown: return .undecided
        }
    }

    /// Does something slow elsewhere, and goes on here if the session is still open. What the session sends meanwhile waits:
    /// a subscription that is still being judged cannot be taken back, asked for again or refreshed before its verdict.
    func later<Result: Sendable>(
        _ slot: UInt32, _ work: @escaping @Sendable () async -> Result,
        _ then: @escaping @Sendable (Admittance, Result) -> Void
    ) {
        let origin = locator(of: slot)
        let reactor = reactor
        io.suspendInput(slot)
        makeExtras(slot).verdictsUnderWay += 1
        Task { [admittance = self] in
            let result = await work()
            reactor.post {
                guard let session = admittance.context.table.find(origin.slot, generation: origin.generation),
                    session.pointee.phase == .open
                else { return }
                if let extras = admittance.extras(origin.slot), extras.verdictsUnderWay > 0 {
                    extras.verdictsUnderWay -= 1
                    admittance.tidyExtras(origin.slot)
                }
                then(admittance, result)
                admittance.io.resumeInput(origin.slot)
            }
        }
    }
}
