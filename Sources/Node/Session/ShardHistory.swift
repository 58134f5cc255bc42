import Authentication
import Backplane
import Codec
import Reactor

/// What a client knows of a channel when it comes back.
struct Past {
    let position: Position
    /// It knows no epoch.
    let isAnyEpoch: Bool

    init(_ position: Position) {
        self.position = position
        isAnyEpoch = false
    }

    /// Nobody knows: whatever was published meanwhile is lost, and that is said.
    static let unknown = Past(Position(epoch: 0, offset: 0))

    /// An epoch that is none of ours is one that is over.
    init(_ request: CentrifugeIntent.Subscribe) {
        let epoch = Position.epoch(String(decoding: request.epoch, as: UTF8.self))
        position = Position(epoch: epoch ?? 0, offset: request.offset)
        isAnyEpoch = request.epoch.isEmpty
    }
}

/// A session's subscription.
struct PastKey: Hashable {
    let slot: UInt32
    let channel: UInt32
}

/// Channels whose publications are kept: where a subscriber begins, what it missed, and what is lost.
extension Shard {
    /// Publications a subscriber gets at once when it comes back, at the most (reference: Centrifuge server's limit).
    static var recoveredPublications: Int { 300 }

    func askPlace(_ slot: UInt32, _ channel: ShardChannel, command: UInt32) {
        let past = pasts[PastKey(slot: slot, channel: channel.index)]
        request(
            .place(
                channel.name,
                PlaceRequest(
                    reactor: index, slot: slot, generation: session(slot).pointee.generation, command: command,
                    since: past?.position, isAnyEpoch: past?.isAnyEpoch ?? false, isCache: channel.rule.isCache)))
    }

    /// The exchange says where a subscriber begins; what is delivered after this is what follows.
    func placed(_ name: ChannelName, _ request: PlaceRequest, _ placement: Placement) {
        guard let session = table.find(request.slot, generation: request.generation), session.pointee.phase == .open
        else { return }
        let slot = request.slot
        guard let channel = channels[name], let index = session.pointee.subscriptions.index(of: channel.index),
            session.pointee.subscriptions[index].place == Self.unplaced
        else {
            // Taken back in the meantime; a command is answered all the same.
            if request.command != 0 { reply(slot, request.command, .internal) }
            return
        }
        let past = pasts.removeValue(forKey: PastKey(slot: slot, channel: channel.index))
        guard session.pointee.dialect == .centrifuge else { return resumed(slot, channel, placement) }
        if case .refused = placement, request.command != 0 {
            counters.subscribeTimeouts += 1
            unsubscribe(slot, from: name)
            return reply(slot, request.command, .internal)
        }
        let place = place(placement, past, channel.rule)
        guard request.command != 0 else {
            guard connecting[slot] != nil else { return join(slot, channel) }
            return confirmedWhileConnecting(slot, name, place)
        }
        join(slot, channel)
        confirmedCentrifuge(slot, channel, command: request.command, place: place)
    }

    /// What a centrifuge client is told about where it begins; nil when that cannot be told.
    private func place(_ placement: Placement, _ past: Past?, _ rule: ChannelRule) -> CentrifugeEncoder.Place? {
        guard case .at(let top, let missed, let isRecovered) = placement else { return nil }
        guard let past else {
            // In a cache channel the newest publication greets whoever comes.
            return .init(position: top, isRecovered: nil, missed: missed)
        }
        let isWhole = isRecovered && isSmall(missed)
        if isWhole { counters.recovered += 1 } else { counters.unrecovered += 1 }
        // The client counts on from the position it asked for, one publication after the other.
        let position =
            isWhole && !rule.isCache ? Position(epoch: top.epoch, offset: past.position.offset) : top
        return .init(position: position, isRecovered: isWhole, missed: isWhole ? missed : [])
    }

    /// More than a session could take at once counts as lost: then it begins anew, and knows it.
    private func isSmall(_ missed: [Publication]) -> Bool {
        missed.count <= Self.recoveredPublications
            && missed.reduce(0) { $0 + $1.payload.count } <= settings.outboundBytes / 2
    }

    /// An event stream goes on: what it missed, or that it cannot be had, and then what follows.
    private func resumed(_ slot: UInt32, _ channel: ShardChannel, _ placement: Placement) {
        join(slot, channel)
        writer.removeAll()
        if channel.rule.isCache {
            guard case .at(_, let newest, _) = placement else { return }
            write(newest, for: slot)
        } else if case .at(_, let missed, true) = placement, isSmall(missed) {
            counters.recovered += 1
            write(missed, for: slot)
        } else {
            counters.unrecovered += 1
            SSEEncoder.writeLost(channel.name, to: writer)
        }
        if writer.count > 0 { sendWritten(slot) }
    }

    private func write(_ publications: [Publication], for slot: UInt32) {
        for publication in publications {
            PublicationEncoder.write(publication, as: session(slot).pointee.variant, packing: packing, to: writer)
        }
    }

    /// Where each channel of an event stream is to go on: `Last-Event-ID` names one, and of the others nobody knows.
    func pasts(of head: RequestHead, _ names: [ChannelName]) -> [ChannelName: Past] {
        guard let id = head.header("last-event-id") ?? head.query.first(where: { $0.0 == "last_event_id" })?.1,
            !id.isEmpty
        else { return [:] }
        let named = SSEEncoder.position(in: id)
        var found: [ChannelName: Past] = [:]
        for name in names where !name.isReserved && settings.rules.rule(for: name).history != nil {
            found[name] = named.map { $0.channel == name ? Past($0.position) : .unknown } ?? .unknown
        }
        return found
    }

    /// Publications are gone for good: whoever counts on this channel is told, in the way its dialect has for it.
    func lost(_ name: ChannelName) {
        guard let channel = channels[name] else { return }
        var told: [Locator] = []
        for variant in Variant.allCases {
            let roster = channel.rosters[Int(variant.rawValue)]
            for place in 0..<Int(roster.count) { told.append(locator(of: roster.entries[place].slot)) }
        }
        counters.lostAnnouncements += UInt64(told.count)
        // Those who are just connecting know nothing yet that they could count on.
        for slot in connecting.keys where connecting[slot]?.ready[name] != nil {
            connecting[slot]?.ready[name] = .some(nil)
        }
        for locator in told {
            guard let session = table.find(locator.slot, generation: locator.generation), session.pointee.phase == .open
            else { continue }
            switch session.pointee.dialect {
            case .centrifuge: tellIncomplete(locator.slot, name)
            case .raw:
                close(locator.slot, code: CloseCode(rawValue: 4010), reason: "messages were lost, reconnect: \(name)")
            case .sse:
                writer.removeAll()
                SSEEncoder.writeLost(name, to: writer)
                sendWritten(locator.slot)
            }
        }
    }

    /// A centrifuge client has to begin anew in a channel: by itself where it subscribed by itself, else by reconnecting.
    func tellIncomplete(_ slot: UInt32, _ name: ChannelName) {
        if credentials(slot)?.channels.contains(name) ?? false {
            close(slot, .insufficientState)
        } else {
            end(slot, name, code: 2500, reason: "insufficient state")
        }
    }

    // MARK: Reading

    func readHistory(_ slot: UInt32, _ history: CentrifugeIntent.History) {
        guard let kept = mayAsk(slot, history.id, about: history.channel, .history, \.history) else { return }
        let since = history.since.map {
            Position(epoch: Position.epoch(String(decoding: $0.epoch, as: UTF8.self)) ?? 0, offset: $0.offset)
        }
        let most = Self.recoveredPublications
        let limit = history.limit < 0 ? most : min(most, Int(clamping: history.limit))
        request(
            .read(
                HistoryQuery(
                    channel: history.channel, settings: kept, since: since, limit: limit, isReverse: history.isReverse),
                PlaceRequest(
                    reactor: index, slot: slot, generation: session(slot).pointee.generation, command: history.id,
                    since: since)))
    }

    /// What a client wants to know of a channel: whoever is subscribed may, and whoever's token says so; not too often.
    ///
    /// - Returns: What the channel's rule says about it; nil when the client was told why not.
    func mayAsk<Setting>(
        _ slot: UInt32, _ command: UInt32, about name: ChannelName, _ permission: Grant.Permissions,
        _ setting: KeyPath<ChannelRule, Setting?>
    ) -> Setting? {
        let session = session(slot)
        let channel = channels[name]
        let isSubscribed = channel.map { session.pointee.subscriptions.index(of: $0.index) != nil } ?? false
        guard isSubscribed || credentials(slot)?.allows(permission, in: name) ?? false else {
            reply(slot, command, .permissionDenied)
            return nil
        }
        let rule = channel?.rule ?? settings.rules.rule(for: name)
        guard let found = rule[keyPath: setting], !name.isReserved else {
            reply(slot, command, .notAvailable)
            return nil
        }
        guard session.pointee.subscribes.take(settings.subscribeRate, now: reactor.now.nanoseconds) else {
            counters.subscribeRateHits += 1
            refuseForRate(slot, session, command)
            return nil
        }
        return found
    }

    func historyRead(_ request: PlaceRequest, _ result: Result<HistoryPage, PublishRefusal>) {
        guard let session = table.find(request.slot, generation: request.generation), session.pointee.phase == .open
        else { return }
        switch result {
        case .failure: reply(request.slot, request.command, .internal)
        case .success(let page):
            // The protocol has an error for a past that is not there.
            guard page.isContinuous else { return reply(request.slot, request.command, .unrecoverablePosition) }
            writer.removeAll()
            CentrifugeEncoder.writeHistory(request.command, page, to: writer)
            sendWritten(request.slot)
        }
    }
}
