import Backplane
import Codec

/// Channels whose publications are kept: where a subscriber begins, and what it missed.
extension Channels {
    /// Publications a subscriber gets at once when it comes back, at the most (reference: Centrifuge server's limit).
    static var recoveredPublications: Int { 300 }

    func askBeginning(_ slot: UInt32, _ channel: ShardChannel, _ reply: ReplyID) {
        let session = session(slot)
        let noted = pendingSubscription(slot, channel) ?? expect(slot, channel, reply, since: nil)
        extras(slot)?.pending[channel.index]?.isAsked = true
        request(
            .beginning(
                channel.name,
                ReadRequest(
                    replyTo(slot), subscription: noted.number,
                    since: noted.since, isCache: channel.rule.isCache, filter: filter(of: noted.form, channel),
                    // Without a link an event stream has nothing to miss, and no way to be told to try again.
                    isPatient: session.pointee.traits.recovery == .stream)))
    }

    /// The exchange says where a subscriber begins; what is delivered after this is what follows.
    func begins(_ name: ChannelName, _ request: ReadRequest, _ answer: BeginningAnswer) {
        let slot = request.replyTo.session.slot
        // Nobody waits for the place of a subscription that was taken back; its command was answered then.
        guard let session = find(request.replyTo.session),
            session.pointee.phase == .open || isOpeningStream(slot),
            let channel = byName[name], pendingSubscription(slot, channel)?.number == request.subscription,
            let pending = takePending(slot, channel)
        else { return }
        guard let index = session.pointee.subscriptions.index(of: channel.index),
            session.pointee.subscriptions[index].rosterIndex == Self.notInRoster
        else { return fault("a subscription that is awaited is not there, or is confirmed") }
        if extras(slot)?.resumption?.arrival != nil { return life.arrives(slot, channel, answer) }
        if case .at(let top, _, _) = answer { life.begins(slot, channel, at: top) }
        if isOpeningStream(slot) { return beginStream(slot, channel, answer, pending.since) }
        if serverCommands.isGiven(slot, channel) {
            return serverCommands.begins(slot, channel, answer, pending.since)
        }
        guard session.pointee.traits.hasCommands else {
            return resumed(slot, channel, answer, pending.since)
        }
        if case .refused = answer, pending.reply.isExpected {
            context.counters.subscribeTimeouts += 1
            unsubscribe(slot, from: name)
            return io.fail(slot, pending.reply, .temporary)
        }
        let beginning = beginning(answer, pending.since, channel, slot, as: pending.form)
        if pending.rejectsUnrecovered, beginning?.isRecovered != true, pending.reply.isExpected {
            unsubscribe(slot, from: name)
            return io.fail(slot, pending.reply, .unrecoverable)
        }
        guard pending.reply.isExpected else {
            guard extras(slot)?.connecting != nil else { return join(slot, channel) }
            return admittance.confirmedWhileConnecting(slot, name, beginning)
        }
        join(slot, channel, as: pending.form)
        tellSubscribed(slot, channel, pending.reply, as: pending.form, beginning)
    }

    /// What a client is told about where it begins; nil when that cannot be told.
    func beginning(
        _ answer: BeginningAnswer, _ since: SeenPosition?, _ channel: ShardChannel, _ slot: UInt32,
        as form: SubscriptionForm = .all
    ) -> Outcome.Beginning? {
        guard case .at(let top, let found, let isRecovered) = answer else { return nil }
        var missed = found
        if let filter = filter(of: form, channel) {
            missed.removeAll { !filter.matches($0.extras?.tags) }
            context.counters.filtered &+= UInt64(found.count - missed.count)
        }
        let isTakeable = fits(missed, slot, hasDeltas: form == .deltas)
        guard since != nil else {
            // In a cache channel the newest publication greets whoever comes.
            return .init(position: top, isRecovered: nil, missed: isTakeable ? missed : [])
        }
        let isWhole = isRecovered && isTakeable
        if isWhole { context.counters.recovered += 1 } else { context.counters.unrecovered += 1 }
        // The client counts on from the position it asked for, one publication after the other. Where it wants none of what it
        // missed, it has come to the end.
        let begin = Offset(clamping: Int64(clamping: top.offset.value) - Int64(found.count))
        let position =
            isWhole && !channel.rule.isCache && !missed.isEmpty ? Position(epoch: top.epoch, offset: begin) : top
        return .init(position: position, isRecovered: isWhole, missed: isWhole ? missed : [])
    }

    /// More than a session could take at once counts as lost: then it begins anew, and knows it. A session that is
    /// connecting is told of several channels in one reply, so what the others will say is counted already.
    private func fits(_ missed: [Publication], _ slot: UInt32, hasDeltas: Bool = false) -> Bool {
        guard !missed.isEmpty else { return true }
        let waiting = extras(slot)?.connecting?.replyBytes ?? 0
        let found = io.fitting(
            missed, for: slot, hasDeltas: hasDeltas, room: max(0, io.room(for: slot) - waiting))
        guard missed.count <= Self.recoveredPublications, found.publications.count == missed.count else {
            context.counters.replyLimitHits += 1
            return false
        }
        admittance.reserve(found.bytes, slot)
        return true
    }

    /// A session that is open already goes on: what it missed, or that it cannot be had, and then what follows.
    private func resumed(_ slot: UInt32, _ channel: ShardChannel, _ answer: BeginningAnswer, _ since: SeenPosition?) {
        join(slot, channel)
        let variant = session(slot).pointee.variant
        let isStream = variant.traits.recovery == .stream
        var missed: [Publication] = []
        var isLost = false
        if channel.rule.isCache {
            if case .at(_, let newest, _) = answer, fits(newest, slot) { missed = newest }
        } else if since != nil, case .at(_, let found, true) = answer, fits(found, slot) {
            context.counters.recovered += 1
            missed = found
        } else if since != nil, isStream {
            context.counters.unrecovered += 1
            isLost = true
        }
        io.send(slot) { writer in
            io.writePublications(missed, for: slot, to: writer)
            if isLost { variant.write(.lost(channel.name, at: nil), to: writer) }
            if isStream, case .at(let top, _, _) = answer, keepsOnlyOne(slot) {
                variant.write(.positions([(channel.name, top)]), to: writer)
            }
        }
    }

    /// Where each channel of a client is to go on that comes back: it names some, and of the others nobody knows.
    func resumePoints(of names: [ChannelName], seen: [ChannelName: Position]) -> [ChannelName: SeenPosition] {
        var found: [ChannelName: SeenPosition] = [:]
        for name in names where !name.isReserved && context.settings.rules.rule(for: name).history != nil {
            found[name] = seen[name].map { .exact($0) } ?? .unknown
        }
        return found
    }
}
