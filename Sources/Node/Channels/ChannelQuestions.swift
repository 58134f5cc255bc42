import Authentication
import Backplane
import Codec

/// What clients want to know of a channel: its history, and who is present.
extension Channels {
    func readHistory(_ slot: UInt32, _ history: Intent.History) {
        let cost = history.limit == 0 ? 1 : CommandCost.page
        guard let kept = mayAsk(slot, history.reply, about: history.channel, .history, \.history, cost: cost) else {
            return
        }
        let since = history.since.map(SeenPosition.init)
        let most = Self.recoveredPublications
        let limit = history.limit < 0 ? most : min(most, Int(clamping: history.limit))
        request(
            .read(
                HistoryQuery(
                    channel: history.channel, settings: kept, limit: limit,
                    bytes: min(HistoryQuery.pageBytes, context.settings.outboundBytes / 2), isReverse: history.isReverse
                ),
                ReadRequest(replyTo(slot, history.reply), since: since)))
    }

    /// What a client wants to know of a channel: whoever is subscribed may, and whoever's token says so; not too often.
    ///
    /// - Returns: What the channel's rule says about it; nil when the client was told why not.
    func mayAsk<Setting>(
        _ slot: UInt32, _ reply: ReplyID, about name: ChannelName, _ permission: Grant.Permissions,
        _ setting: KeyPath<ChannelRule, Setting?>, cost: UInt64
    ) -> Setting? {
        let session = session(slot)
        let channel = byName[name]
        let isSubscribed = channel.map { session.pointee.subscriptions.index(of: $0.index) != nil } ?? false
        guard isSubscribed || credentials(slot)?.allows(permission, in: name) ?? false else {
            commands.chargeCommand(slot, session)
            io.fail(slot, reply, .permissionDenied, about: name)
            return nil
        }
        let rule = channel?.rule ?? context.settings.rules.rule(for: name)
        guard let found = rule[keyPath: setting], !name.isReserved else {
            commands.chargeCommand(slot, session)
            io.fail(slot, reply, .notAvailable)
            return nil
        }
        return commands.mayAskOfChannel(slot, session, reply, cost: cost) ? found : nil
    }

    func historyRead(_ request: ReadRequest, _ result: Result<HistoryPage, PublishRefusal>) {
        let slot = request.replyTo.session.slot
        let reply = request.replyTo.id
        guard let session = find(request.replyTo.session), session.pointee.phase == .open else { return }
        switch result {
        case .failure: io.fail(slot, reply, .temporary)
        case .success(let page):
            // The protocol has an error for a past that is not there.
            guard page.isContinuous else { return io.fail(slot, reply, .unrecoverable) }
            // What does not fit is left out at the end: the client sees where it got to, and asks for what follows.
            let fitting = io.fitting(page.publications, for: slot, room: io.room(for: slot)).publications
            if fitting.count < page.publications.count { context.counters.replyLimitHits += 1 }
            guard !fitting.isEmpty || page.publications.isEmpty else {
                return io.fail(slot, reply, .limitExceeded)
            }
            var page = page
            page.publications = Array(fitting)
            io.tell(slot, .history(page), for: reply)
        }
    }

    /// Sessions one reply to a client names at the most.
    static var presentClients: Int { PresenceQuery.maximumLimit }

    func readPresence(_ slot: UInt32, _ reply: ReplyID, _ name: ChannelName, _ view: PresenceQuery.View) {
        guard
            mayAsk(slot, reply, about: name, .presence, \.presence, cost: view == .count ? 1 : CommandCost.page) != nil
        else { return }
        request(
            .presence(
                PresenceQuery(channel: name, view: view, limit: Self.presentClients, isWhole: true),
                ReadRequest(replyTo(slot, reply), since: nil)))
    }

    func presenceRead(
        _ query: PresenceQuery, _ request: ReadRequest, _ result: Result<PresencePage, PublishRefusal>
    ) {
        let slot = request.replyTo.session.slot
        let reply = request.replyTo.id
        guard let session = find(request.replyTo.session), session.pointee.phase == .open else { return }
        switch result {
        case .failure: io.fail(slot, reply, .temporary)
        case .success(let page):
            // A part of the list could be taken for the whole.
            guard query.view == .count || !page.hasMore else {
                context.counters.presenceLimitHits += 1
                return io.fail(slot, reply, .limitExceeded)
            }
            let bytes = page.members.reduce(0) { $0 + session.pointee.variant.maximumBytes(of: $1) }
            guard bytes <= io.room(for: slot) else {
                context.counters.replyLimitHits += 1
                return io.fail(slot, reply, .limitExceeded)
            }
            io.tell(slot, query.view == .count ? .presenceCounts(page.counts) : .presence(page.members), for: reply)
        }
    }

    /// A session has joined a channel.
    func enterPresence(_ slot: UInt32, _ channel: ShardChannel) {
        guard let presence = channel.rule.presence, !channel.name.isReserved else { return }
        request(.enter(channel.name, member(slot), presence))
    }

    /// A session has left a channel; unless it said so itself, it may be back soon.
    func leavePresence(_ slot: UInt32, _ channel: ShardChannel, rosterIndex: UInt32, isFinal: Bool) {
        guard rosterIndex != Self.notInRoster, !channel.name.isReserved else { return }
        guard channel.rule.presence != nil else {
            // It is still present if the review of the changed rule has not come to it yet.
            if channel.concerns.contains(.absence) { request(.departQuietly(channel.name, id(of: slot))) }
            return
        }
        request(.depart(channel.name, id(of: slot), isFinal: isFinal))
    }
}
