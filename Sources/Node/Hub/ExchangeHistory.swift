package import Backplane
package import Codec
import Reactor

/// Who wants to know where a history channel stands, and since when they know it.
package struct ReadRequest: Sendable {
    package let replyTo: ReplyTo
    /// Which subscription of the session asks for its place: a session may give one up and subscribe to the same channel
    /// again before the answer has come.
    package let subscription: UInt64
    /// Where the client says it is; nil for one that begins now.
    package let since: SeenPosition?
    /// The newest publication is enough, and it is wanted in any case.
    package let isCache: Bool
    /// It waits for as long as the node is isolated.
    package let isPatient: Bool
    /// Of which publication the newest is wanted; nil for any.
    package let filter: TagFilter?

    var reactor: Int { Int(replyTo.session.reactor) }

    package init(
        _ replyTo: ReplyTo, subscription: UInt64 = 0, since: SeenPosition?, isCache: Bool = false,
        filter: TagFilter? = nil, isPatient: Bool = false
    ) {
        self.filter = filter
        self.isCache = isCache
        self.isPatient = isPatient
        self.replyTo = replyTo
        self.subscription = subscription
        self.since = since
    }
}

/// Where a subscriber of a history channel begins.
package enum BeginningAnswer: Sendable {
    /// From `top` on everything will be delivered; `missed` lies before it, in order.
    case at(top: Position, missed: [Publication], isRecovered: Bool)
    /// It cannot be told now.
    case refused(PublishRefusal)
}

package struct HistoryCounters: Sendable {
    /// Reads of the backplane.
    package var reads: UInt64 = 0
    /// Questions to the backplane where a channel ends.
    package var checks: UInt64 = 0
    /// Holes found before anybody noticed them.
    package var gaps: UInt64 = 0
    /// Publications that were read again and delivered in their place.
    package var healed: UInt64 = 0
    /// Times that publications could not be had any more, and subscribers were told.
    package var lost: UInt64 = 0
    /// How long it took after the last new link until all channels were known to be whole, in nanoseconds.
    package var healTime: UInt64 = 0
}

/// The channels of which deliveries may be missing since the link broke.
struct Healing {
    let began: MonotonicTime
    let channels: Int
    var suspects: Set<ChannelName>
    /// The counts when it began.
    let before: HistoryCounters
}

/// History: nothing is delivered out of its place, what is missing is read before what follows, and what cannot be read is
/// said to be lost.
extension Exchange {
    /// The ends of all channels are compared with the backplane's again and again: this often, so many of them.
    static var checkInterval: Duration { .seconds(1) }
    static var checkRounds: Int { 5 }
    static var mostChecks: Int { 512 }
    static var retryInterval: Duration { .milliseconds(200) }

    /// The channel is held: from here on everything arrives, so where it stands can be read.
    func begin(_ interest: Interest, _ keeper: ChannelKeeper) {
        read(interest, keeper)
        guard !isChecking else { return }
        isChecking = true
        home.schedule(after: Self.checkInterval) { [self] in self.check() }
    }

    func arrived(_ publication: Publication, _ interest: Interest, _ keeper: ChannelKeeper) {
        keeper.arrived(now: home.now)
        switch keeper.tail.arrived(publication) {
        case .deliver: deliver(publication, to: interest)
        case .repeated: break
        case .heldBack(let reads):
            guard reads else { return }
            historyCounters.gaps += 1
            read(interest, keeper)
        }
    }

    /// Deliveries may have been lost in these channels while the link was away.
    func doubt(_ regained: PartitionSet) {
        let doubted = interests.values.filter { $0.isConfirmed && $0.history != nil && regained.contains($0.name) }
        guard !doubted.isEmpty else { return }
        // Another server may have come back before: then all are waited for.
        let suspects = Set(doubted.map(\.name)).union(healing?.suspects ?? [])
        healing = Healing(
            began: healing?.began ?? home.now, channels: suspects.count, suspects: suspects,
            before: healing?.before ?? historyCounters)
        for interest in doubted {
            guard let keeper = interest.history else { continue }
            // One whose read failed with the link is in doubt already.
            _ = keeper.tail.doubted()
            read(interest, keeper)
        }
    }

    /// A channel is whole again, or nobody wants it any more.
    func settled(_ name: ChannelName) {
        guard healing?.suspects.remove(name) != nil, let healing, healing.suspects.isEmpty else { return }
        self.healing = nil
        historyCounters.healTime = (home.now - healing.began).wholeNanoseconds
        let healed = historyCounters.healed - healing.before.healed
        let lost = historyCounters.lost - healing.before.lost
        let seconds = Double(historyCounters.healTime / 1_000_000) / 1000
        report?(
            lost == 0 ? .info : .warning,
            "healed within \(seconds) s: \(things(healing.channels, "channel")) with history checked, \(things(healed, "missed publication")) delivered, losses told to the subscribers of \(things(lost, "channel"))"
        )
    }

    private func check() {
        home.schedule(after: Self.checkInterval) { [self] in self.check() }
        guard !reach.linked.isEmpty else { return }
        if unchecked.isEmpty { unchecked = interests.values.compactMap { $0.history?.name } }
        // A fifth of them each second, so that a round takes five; or longer, when there are very many.
        let count = min(Self.mostChecks, max(1, interests.count / Self.checkRounds + 1))
        for name in unchecked.suffix(count) {
            guard let interest = interests[name], let keeper = interest.history, interest.isConfirmed,
                let top = keeper.tail.top, !keeper.tail.isReading, reach.includes(name)
            else { continue }
            historyCounters.checks += 1
            let query = HistoryQuery(channel: keeper.name, settings: keeper.settings, since: top, limit: 0)
            backplane.read(query) { [self, weak interest] result in
                guard let interest, interest.history === keeper, case .success(let page) = result,
                    keeper.tail.top == top,
                    keeper.tail.confirmed(page) == .doubt, keeper.tail.doubted() == .read
                else { return }
                self.historyCounters.gaps += 1
                self.read(interest, keeper)
            }
        }
        unchecked.removeLast(min(count, unchecked.count))
    }

    /// Reads on from the tail, until it is the end.
    func read(_ interest: Interest, _ keeper: ChannelKeeper) {
        guard !keeper.isReading else { return }
        keeper.isReading = true
        historyCounters.reads += 1
        let query = HistoryQuery(
            channel: keeper.name, settings: keeper.settings, since: keeper.tail.top,
            limit: keeper.tail.top == nil ? 0 : RecentWindow.maximumPublications)
        let askedAt = home.now
        historyReads.read(query, for: .node) { [self, weak interest] result in
            keeper.isReading = false
            // Nobody is subscribed any more, or the channel keeps no history any more.
            guard let interest, interest.history === keeper else {
                return self.refuse(keeper.takeWaiting(), keeper, .isolated)
            }
            switch result {
            case .success(let page): self.took(page, interest, keeper, askedAt: askedAt)
            case .failure(let refusal): self.failed(refusal, interest, keeper)
            }
        }
    }

    private func took(
        _ page: HistoryPage, _ interest: Interest, _ keeper: ChannelKeeper, askedAt: MonotonicTime
    ) {
        if let position = keeper.tail.abandoned(by: page), keeper.lostPositions != position {
            return markLost(position, interest, keeper)
        }
        let healed = keeper.tail.read(page)
        if !healed.publications.isEmpty { keeper.read(page, askedAt: askedAt) }
        historyCounters.healed += UInt64(healed.publications.count)
        for publication in healed.publications { deliver(publication, to: interest) }
        if healed.isLost { lost(interest, keeper) }
        if healed.readsAgain { return read(interest, keeper) }
        if healing != nil { settled(keeper.name) }
        for request in keeper.takeWaiting() { findBeginning(interest, keeper, request) }
    }

    /// What cannot be had any more is told to those who count on it.
    private func lost(_ interest: Interest, _ keeper: ChannelKeeper) {
        historyCounters.lost += 1
        for reactor in reactors(of: interest) { tell(reactor, .lost(keeper.name, keeper.tail.top)) }
        for tap in interest.taps { tap.lost(keeper.tail.top) }
    }

    /// What this node delivered is not in history any more, and other nodes may not have got that far: it is noted for all of
    /// them before anybody is told.
    private func markLost(_ position: Position, _ interest: Interest, _ keeper: ChannelKeeper) {
        keeper.isReading = true
        keeper.lostPositions = position
        backplane.markLost(position, in: keeper.name) { [self, weak interest] result in
            keeper.isReading = false
            guard let interest, interest.history === keeper else { return }
            switch result {
            case .success: self.read(interest, keeper)
            case .failure(let refusal):
                keeper.lostPositions = nil
                self.failed(refusal, interest, keeper)
            }
        }
    }

    /// Perhaps it is about what was delivered here, perhaps nobody here ever saw it: history says.
    package func lossNoted(in channel: ChannelName) {
        guard let interest = interests[channel], let keeper = interest.history, keeper.tail.doubted() == .read else {
            return
        }
        read(interest, keeper)
    }

    /// Without a link nobody waits: clients are welcome all the same, and are told that they begin without a past.
    private func failed(_ refusal: PublishRefusal, _ interest: Interest, _ keeper: ChannelKeeper) {
        refuse(keeper.takeWaiting(), keeper, refusal)
        // A new link reads everything anew; without a change of the link it has to be tried again.
        home.schedule(after: Self.retryInterval) { [self, weak interest] in
            guard let interest, interest.history === keeper, self.reach.includes(keeper.name),
                keeper.tail.isReading
            else {
                return
            }
            self.read(interest, keeper)
        }
    }

    func refuse(_ requests: [ReadRequest], _ keeper: ChannelKeeper, _ refusal: PublishRefusal) {
        for request in requests {
            if request.isPatient, refusal == .isolated, interests[keeper.name]?.history === keeper {
                // When the link is back, everything is read anew.
                keeper.waiting.append(request)
            } else {
                tell(request.reactor, .begins(keeper.name, request, .refused(refusal)))
            }
        }
    }

    // MARK: Reading for clients

    /// Reads a page of history for a client. What its position means may have to be asked first.
    func readPage(_ query: HistoryQuery, _ request: ReadRequest) {
        readPage(query, since: request.since) { [self] result in
            self.tell(request.reactor, .read(request, result))
        }
    }

    private func reactors(of interest: Interest) -> [Int] {
        (0..<Self.maximumReactors).filter { interest.reactors & 1 << UInt64($0) != 0 }
    }
}
