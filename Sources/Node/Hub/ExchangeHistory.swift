package import Backplane
package import Codec
import Reactor

/// Who wants to know where a history channel stands, and since when they know it.
package struct PlaceRequest: Sendable {
    package let reactor: Int
    package let slot: UInt32
    package let generation: UInt32
    package let command: UInt32
    /// The last position the client knows; nil for one that begins now.
    package let since: Position?
    /// The client knows no epoch: any will do (Centrifuge protocol, recovery from an empty epoch).
    package let isAnyEpoch: Bool
    /// The newest publication is enough, and it is wanted in any case.
    package let isCache: Bool

    package init(
        reactor: Int, slot: UInt32, generation: UInt32, command: UInt32, since: Position?, isAnyEpoch: Bool = false,
        isCache: Bool = false
    ) {
        self.isCache = isCache
        self.reactor = reactor
        self.slot = slot
        self.generation = generation
        self.command = command
        self.since = since
        self.isAnyEpoch = isAnyEpoch
    }
}

/// Where a subscriber of a history channel begins.
package enum Placement: Sendable {
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

/// A history channel some reactor has subscribers of: its tail, and who waits for a read.
final class ChannelKeeper {
    let settings: HistorySettings
    let name: ChannelName
    var tail: ChannelTail
    /// When the newest publication arrived here.
    var lastArrival: MonotonicTime
    /// Those who want a place before the end is known.
    var waiting: [PlaceRequest] = []
    /// Those whose past is being read, by where it begins: one read for all of them.
    var recovering: [Position: [PlaceRequest]] = [:]
    var isReading = false
    /// The last position that was noted as lost.
    var disowned: Position?
    /// Those who come back while what came lately is being read, for all of them at once; nil when it is not being read.
    var returning: [PlaceRequest]?
    /// Before this it is not read again.
    var nextFill: MonotonicTime?
    /// Those who want the newest publication while it is being read.
    var greeting: [PlaceRequest] = []

    init(_ name: ChannelName, _ settings: HistorySettings, now: MonotonicTime) {
        tail = ChannelTail(size: settings.size)
        lastArrival = now
        self.name = name
        self.settings = settings
    }

    func takeWaiting() -> [PlaceRequest] {
        defer { waiting = [] }
        return waiting
    }

    /// The newest publication, if it is at hand and not too old to be told.
    func newest(now: MonotonicTime) -> Publication? {
        now - lastArrival < .milliseconds(settings.timeToLive) ? tail.newest : nil
    }

    /// What came after a position, unless it is too old to be told.
    func recent(since position: Position, now: MonotonicTime) -> [Publication]? {
        guard now - lastArrival < .milliseconds(settings.timeToLive) || position == tail.top else { return nil }
        return tail.recent(since: position)
    }
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
        home.schedule(after: Self.checkInterval) { [weak self] in self?.check() }
    }

    func arrived(_ publication: Publication, _ interest: Interest, _ keeper: ChannelKeeper) {
        keeper.lastArrival = home.now
        switch keeper.tail.arrived(publication) {
        case .deliver: deliver(publication, to: interest)
        case .repeated: break
        case .held(let reads):
            guard reads else { return }
            historyCounters.gaps += 1
            read(interest, keeper)
        }
    }

    /// Deliveries may have been lost while the link was away.
    func doubtEverything() {
        let doubted = interests.values.filter { $0.isHeld && $0.history != nil }
        guard !doubted.isEmpty else { return }
        healing = Healing(
            began: home.now, channels: doubted.count, suspects: Set(doubted.map(\.name)), before: historyCounters)
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
            "healed within \(seconds) s: \(healing.channels) channels with history compared, \(healed) publications read again and delivered, \(lost) channels lost some and were told"
        )
    }

    private func check() {
        home.schedule(after: Self.checkInterval) { [weak self] in self?.check() }
        guard isLinked else { return }
        if unchecked.isEmpty { unchecked = interests.values.compactMap { $0.history?.name } }
        // A fifth of them each second, so that a round takes five; or longer, when there are very many.
        let count = min(Self.mostChecks, max(1, interests.count / Self.checkRounds + 1))
        for name in unchecked.suffix(count) {
            guard let interest = interests[name], let keeper = interest.history, interest.isHeld,
                let top = keeper.tail.top, !keeper.tail.isReading
            else { continue }
            historyCounters.checks += 1
            let query = HistoryQuery(channel: keeper.name, settings: keeper.settings, since: top, limit: 0)
            backplane.read(query) { [weak self, weak interest] result in
                guard let self, let interest, case .success(let page) = result, keeper.tail.top == top,
                    page.top != top, keeper.tail.doubted()
                else { return }
                self.historyCounters.gaps += 1
                self.read(interest, keeper)
            }
        }
        unchecked.removeLast(min(count, unchecked.count))
    }

    /// Reads on from the tail, until it is the end.
    private func read(_ interest: Interest, _ keeper: ChannelKeeper) {
        guard !keeper.isReading else { return }
        keeper.isReading = true
        historyCounters.reads += 1
        let query = HistoryQuery(
            channel: keeper.name, settings: keeper.settings, since: keeper.tail.top,
            limit: keeper.tail.top == nil ? 0 : pageSize)
        backplane.read(query) { [weak self, weak interest] result in
            keeper.isReading = false
            guard let self else { return }
            guard let interest else { return self.refuse(keeper.takeWaiting(), keeper, .isolated) }
            switch result {
            case .success(let page): self.took(page, interest, keeper)
            case .failure(let refusal): self.failed(refusal, interest, keeper)
            }
        }
    }

    private func took(_ page: HistoryPage, _ interest: Interest, _ keeper: ChannelKeeper) {
        if let position = keeper.tail.abandoned(by: page), keeper.disowned != position {
            return disown(position, interest, keeper)
        }
        let healed = keeper.tail.read(page)
        historyCounters.healed += UInt64(healed.publications.count)
        for publication in healed.publications { deliver(publication, to: interest) }
        if healed.isLost { lost(interest, keeper) }
        if healed.readsAgain { return read(interest, keeper) }
        if healing != nil { settled(keeper.name) }
        for request in keeper.takeWaiting() { place(interest, keeper, request) }
    }

    /// What cannot be had any more is told to those who count on it.
    private func lost(_ interest: Interest, _ keeper: ChannelKeeper) {
        historyCounters.lost += 1
        for reactor in reactors(of: interest) { tell(reactor, .lost(keeper.name)) }
    }

    /// What this node delivered is not in history any more, and other nodes may not have got that far: it is noted for all of
    /// them before anybody is told.
    private func disown(_ position: Position, _ interest: Interest, _ keeper: ChannelKeeper) {
        keeper.isReading = true
        keeper.disowned = position
        backplane.disown(position, in: keeper.name) { [weak self, weak interest] result in
            keeper.isReading = false
            guard let self, let interest else { return }
            switch result {
            case .success: self.read(interest, keeper)
            case .failure(let refusal):
                keeper.disowned = nil
                self.failed(refusal, interest, keeper)
            }
        }
    }

    /// Perhaps it is about what was delivered here, perhaps nobody here ever saw it: history says.
    package func lossNoted(in channel: ChannelName) {
        guard let interest = interests[channel], let keeper = interest.history, keeper.tail.doubted() else { return }
        read(interest, keeper)
    }

    /// Without a link nobody waits: clients are welcome all the same, and are told that they begin without a past.
    private func failed(_ refusal: PublishRefusal, _ interest: Interest, _ keeper: ChannelKeeper) {
        refuse(keeper.takeWaiting(), keeper, refusal)
        // A new link reads everything anew; without a change of the link it has to be tried again.
        home.schedule(after: Self.retryInterval) { [weak self, weak interest] in
            guard let self, let interest, self.isLinked, keeper.tail.isReading else { return }
            self.read(interest, keeper)
        }
    }

    private func refuse(_ requests: [PlaceRequest], _ keeper: ChannelKeeper, _ refusal: PublishRefusal) {
        for request in requests { tell(request.reactor, .placed(keeper.name, request, .refused(refusal))) }
    }

    private func reactors(of interest: Interest) -> [Int] {
        (0..<Self.maximumReactors).filter { interest.reactors & 1 << UInt64($0) != 0 }
    }

    // MARK: Places

    func place(_ name: ChannelName, _ request: PlaceRequest) {
        guard let interest = interests[name], let keeper = interest.history else {
            return tell(request.reactor, .placed(name, request, .refused(.medium("the channel has no history"))))
        }
        place(interest, keeper, request)
    }

    private func place(_ interest: Interest, _ keeper: ChannelKeeper, _ request: PlaceRequest) {
        guard let top = keeper.tail.top, !keeper.tail.isReading else {
            if interest.isHeld, !isLinked {
                return tell(request.reactor, .placed(keeper.name, request, .refused(.isolated)))
            }
            return keeper.waiting.append(request)
        }
        if request.isCache { return greet(interest, keeper, request, top) }
        guard let since = request.since else {
            return answer(keeper, request, .at(top: top, missed: [], isRecovered: false))
        }
        let from = request.isAnyEpoch ? Position(epoch: top.epoch, offset: since.offset) : since
        if let missed = keeper.recent(since: from, now: home.now) {
            return answer(keeper, request, .at(top: top, missed: missed, isRecovered: true))
        }
        if fill(interest, keeper, request) { return }
        // Everybody who comes from the same place waits for one read.
        if keeper.recovering[from] != nil {
            keeper.recovering[from]?.append(request)
            return
        }
        keeper.recovering[from] = [request]
        historyCounters.reads += 1
        let query = HistoryQuery(
            channel: keeper.name, settings: keeper.settings, since: from, limit: keeper.settings.size)
        backplane.read(query) { [weak self, weak interest] result in
            let requests = keeper.recovering.removeValue(forKey: from) ?? []
            guard let self else { return }
            guard let interest else { return self.refuse(requests, keeper, .isolated) }
            self.recover(interest, keeper, from, requests, result)
        }
    }

    /// After a start nothing is at hand, and then everybody may come at once, each from another place: what came lately is
    /// read once, for all of them.
    ///
    /// - Returns: Whether the request waits for that.
    private func fill(_ interest: Interest, _ keeper: ChannelKeeper, _ request: PlaceRequest) -> Bool {
        if keeper.returning != nil {
            keeper.returning?.append(request)
            return true
        }
        guard (keeper.nextFill ?? home.now) <= home.now else { return false }
        keeper.nextFill = home.now + Self.fillInterval
        keeper.returning = [request]
        historyCounters.reads += 1
        let query = HistoryQuery(
            channel: keeper.name, settings: keeper.settings, limit: min(keeper.settings.size, pageSize),
            isReverse: true)
        backplane.read(query) { [weak self, weak interest] result in
            let requests = keeper.returning ?? []
            keeper.returning = nil
            guard let self else { return }
            guard let interest, case .success(let page) = result else {
                return self.refuse(requests, keeper, .isolated)
            }
            keeper.tail.remember(page.publications.reversed())
            for request in requests { self.place(interest, keeper, request) }
        }
        return true
    }

    private static var fillInterval: Duration { .seconds(5) }

    // MARK: The newest

    /// A subscriber of a cache channel begins with the newest publication, unless it knows that one.
    private func greet(_ interest: Interest, _ keeper: ChannelKeeper, _ request: PlaceRequest, _ top: Position) {
        if request.since == top || top.offset == 0 {
            return answer(keeper, request, .at(top: top, missed: [], isRecovered: true))
        }
        if let newest = keeper.newest(now: home.now) {
            return answer(keeper, request, .at(top: top, missed: [newest], isRecovered: true))
        }
        keeper.greeting.append(request)
        guard keeper.greeting.count == 1 else { return }
        historyCounters.reads += 1
        let query = HistoryQuery(channel: keeper.name, settings: keeper.settings, limit: 1, isReverse: true)
        backplane.read(query) { [weak self, weak interest] result in
            let requests = keeper.greeting
            keeper.greeting = []
            guard let self else { return }
            guard interest != nil, case .success(let page) = result else {
                return self.refuse(requests, keeper, .isolated)
            }
            guard let top = keeper.tail.top, !keeper.tail.isReading else {
                keeper.waiting += requests
                return
            }
            // One that is newer than the end here is on its way, and comes by itself.
            let newest = keeper.newest(now: self.home.now) ?? page.publications.first { $0.position == top }
            for request in requests {
                self.answer(
                    keeper, request,
                    .at(top: top, missed: newest.map { [$0] } ?? [], isRecovered: newest != nil))
            }
        }
    }

    private func recover(
        _ interest: Interest, _ keeper: ChannelKeeper, _ since: Position, _ requests: [PlaceRequest],
        _ result: Result<HistoryPage, PublishRefusal>
    ) {
        switch result {
        case .failure(let refusal):
            refuse(requests, keeper, refusal)
        case .success(let page):
            guard let top = keeper.tail.top, !keeper.tail.isReading else {
                // A hole is being mended: their turn comes after it.
                keeper.waiting += requests
                return
            }
            let missed = page.isContinuous ? Self.joined(page, keeper.tail, top) : nil
            for request in requests {
                answer(keeper, request, .at(top: top, missed: missed ?? [], isRecovered: missed != nil))
            }
        }
    }

    /// What was read, up to `top`, and what arrived since it was read.
    private static func joined(_ page: HistoryPage, _ tail: ChannelTail, _ top: Position) -> [Publication]? {
        let read = page.publications.filter { ($0.position?.offset ?? 0) <= top.offset }
        if page.top.offset >= top.offset { return read }
        guard let rest = tail.recent(since: page.top) else { return nil }
        return read + rest
    }

    private func answer(_ keeper: ChannelKeeper, _ request: PlaceRequest, _ placement: Placement) {
        tell(request.reactor, .placed(keeper.name, request, placement))
    }
}
