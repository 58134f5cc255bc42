import Backplane
import Codec
import Reactor

/// Where subscribers of a history channel begin, and what they missed. Epoch and offset are judged first, from what the
/// node knows of the channel; what has to be read is read once, for everybody who waits for it.
extension Exchange {
    /// Publications somebody gets at once when it comes back, at the most.
    private static var mostMissed: Int { Channels.recoveredPublications }
    /// Between two reads of a channel's newest publications for those who come back.
    private static var recoveryInterval: Duration { .milliseconds(250) }
    /// Between two questions where a channel ends because of positions nobody knows here.
    private static var doubtInterval: Duration { .milliseconds(5) }
    private static var fillInterval: Duration { .seconds(5) }

    func findBeginning(_ name: ChannelName, _ request: ReadRequest) {
        guard let interest = interests[name], let keeper = interest.history else {
            return tell(request.reactor, .begins(name, request, .refused(.medium("the channel has no history"))))
        }
        findBeginning(interest, keeper, request)
    }

    func findBeginning(_ interest: Interest, _ keeper: ChannelKeeper, _ request: ReadRequest) {
        guard let top = keeper.tail.top, !keeper.tail.isReading else {
            if interest.isConfirmed, !reach.includes(keeper.name), !request.isPatient {
                return tell(request.reactor, .begins(keeper.name, request, .refused(.isolated)))
            }
            return keeper.waiting.append(request)
        }
        if request.isCache { return greet(interest, keeper, request, top) }
        guard let since = request.since else {
            return answer(keeper, request, .at(top: top, missed: [], isRecovered: false))
        }
        // It may be known where the channel is kept, and not here yet.
        guard let missing = keeper.tail.missing(since: since) else { return doubt(interest, keeper, request) }
        if missing > Self.mostMissed { return miss(keeper, [request], top) }
        if let missed = keeper.recent(missing, now: home.now) {
            return answer(keeper, request, .at(top: top, missed: missed, isRecovered: true))
        }
        if fill(interest, keeper, request) { return }
        recover(interest, keeper, request)
    }

    /// What they missed cannot be given any more.
    private func miss(_ keeper: ChannelKeeper, _ requests: [ReadRequest], _ top: Position) {
        for request in requests { answer(keeper, request, .at(top: top, missed: [], isRecovered: false)) }
    }

    // MARK: Positions nobody knows here

    /// Perhaps another node is a little further, and the client was there. One question, which reads no entries, says so for
    /// everybody who comes with such a position meanwhile.
    private func doubt(_ interest: Interest, _ keeper: ChannelKeeper, _ request: ReadRequest) {
        guard keeper.doubtful.append(request) == .ask else { return }
        after(keeper.doubtful.wait(now: home.now)) { [self, weak interest] in self.review(interest, keeper) }
    }

    private func after(_ wait: Duration, _ action: @escaping () -> Void) {
        if wait > .zero { home.schedule(after: wait, action) } else { action() }
    }

    private func review(_ interest: Interest?, _ keeper: ChannelKeeper) {
        historyCounters.checks += 1
        let query = HistoryQuery(channel: keeper.name, settings: keeper.settings, limit: 0)
        historyReads.read(query, for: .subscribers) { [self, weak interest] result in
            let requests = keeper.doubtful.take(next: self.home.now + Self.doubtInterval)
            guard let interest, interest.history === keeper, case .success(let page) = result else {
                return self.fail(requests, keeper, result)
            }
            guard let top = keeper.tail.top, !keeper.tail.isReading else {
                keeper.waiting += requests
                return
            }
            var known: [ReadRequest] = []
            for request in requests {
                if request.since.map({ page.lineage.position(of: $0) != nil }) ?? true {
                    known.append(request)
                } else {
                    self.miss(keeper, [request], top)
                }
            }
            guard !known.isEmpty else { return }
            if keeper.tail.confirmed(page) == .goOn {
                for request in known { self.findBeginning(interest, keeper, request) }
            } else {
                keeper.waiting += known
                if keeper.tail.doubted() == .read { self.read(interest, keeper) }
            }
        }
    }

    private func fail(
        _ requests: [ReadRequest], _ keeper: ChannelKeeper, _ result: Result<HistoryPage, PublishRefusal>
    ) {
        guard case .failure(let refusal) = result else { return refuse(requests, keeper, .isolated) }
        refuse(requests, keeper, refusal)
    }

    // MARK: What came lately

    /// After a start nothing is at hand, and then everybody may come at once, each from another place: what came lately is
    /// read once, for all of them.
    ///
    /// - Returns: Whether the request waits for that.
    private func fill(_ interest: Interest, _ keeper: ChannelKeeper, _ request: ReadRequest) -> Bool {
        if keeper.returning != nil {
            keeper.returning?.append(request)
            return true
        }
        guard (keeper.nextFill ?? home.now) <= home.now else { return false }
        keeper.nextFill = home.now + Self.fillInterval
        keeper.returning = [request]
        historyCounters.reads += 1
        let query = HistoryQuery(
            channel: keeper.name, settings: keeper.settings,
            limit: min(keeper.settings.size, RecentWindow.maximumPublications), bytes: RecentWindow.maximumBytes,
            isReverse: true)
        let askedAt = home.now
        historyReads.read(query, for: .subscribers) { [self, weak interest] result in
            let requests = keeper.returning ?? []
            keeper.returning = nil
            guard let interest, interest.history === keeper, case .success(let page) = result else {
                return self.fail(requests, keeper, result)
            }
            keeper.tail.remember(page.publications.reversed())
            keeper.read(page, askedAt: askedAt)
            for request in requests { self.findBeginning(interest, keeper, request) }
        }
        return true
    }

    /// What somebody missed is more than is at hand: as many of the newest as anybody may get are read, once for all who come
    /// meanwhile, from whatever place.
    private func recover(_ interest: Interest, _ keeper: ChannelKeeper, _ request: ReadRequest) {
        guard keeper.recovering.append(request) == .ask else { return }
        after(keeper.recovering.wait(now: home.now)) { [self, weak interest] in
            self.readNewest(interest, keeper)
        }
    }

    private func readNewest(_ interest: Interest?, _ keeper: ChannelKeeper) {
        historyCounters.reads += 1
        let query = HistoryQuery(
            channel: keeper.name, settings: keeper.settings, limit: min(keeper.settings.size, Self.mostMissed),
            bytes: recoveryBytes, isReverse: true)
        historyReads.read(query, for: .subscribers) { [self, weak interest] result in
            let requests = keeper.recovering.take(next: self.home.now + Self.recoveryInterval)
            guard interest?.history === keeper, case .success(let page) = result else {
                return self.fail(requests, keeper, result)
            }
            guard let top = keeper.tail.top, !keeper.tail.isReading else {
                // A hole is being mended: their turn comes after it.
                keeper.waiting += requests
                return
            }
            let newest = Self.joined(page, keeper.tail, top)
            for request in requests {
                guard let since = request.since, let missing = keeper.tail.missing(since: since),
                    missing <= newest.count
                else {
                    self.miss(keeper, [request], top)
                    continue
                }
                self.answer(
                    keeper, request, .at(top: top, missed: Array(newest.suffix(missing)), isRecovered: true))
            }
        }
    }

    /// The newest publications up to `top`, without a hole, oldest first: what was read, and what arrived since it was read.
    private static func joined(_ page: HistoryPage, _ tail: ChannelTail, _ top: Position) -> [Publication] {
        // Newest first.
        var found: [Publication] = []
        var expected: Offset? = top.offset
        if page.top.offset < top.offset {
            guard let count = tail.missing(since: .exact(page.top)), let rest = tail.recent(count) else { return [] }
            found = rest.reversed()
            expected = page.top.offset
        } else if !page.lineage.leads(from: top) {
            return []
        }
        for publication in page.publications {
            guard let offset = publication.position?.offset, let next = expected, offset <= next else { continue }
            guard offset == next else { break }
            found.append(publication)
            expected = offset.previous
        }
        return found.reversed()
    }

    // MARK: The newest

    /// A subscriber of a cache channel begins with the newest publication, unless it knows that one.
    private func greet(_ interest: Interest, _ keeper: ChannelKeeper, _ request: ReadRequest, _ top: Position) {
        if top.offset == .zero || request.since.flatMap({ keeper.tail.missing(since: $0) }) == 0 {
            return answer(keeper, request, .at(top: top, missed: [], isRecovered: true))
        }
        if let filter = request.filter { return search(interest, keeper, request, filter, top) }
        if let newest = keeper.newest(now: home.now) {
            return answer(keeper, request, .at(top: top, missed: [newest], isRecovered: true))
        }
        keeper.greeting.append(request)
        guard keeper.greeting.count == 1 else { return }
        historyCounters.reads += 1
        let query = HistoryQuery(channel: keeper.name, settings: keeper.settings, limit: 1, isReverse: true)
        historyReads.read(query, for: .subscribers) { [self, weak interest] result in
            let requests = keeper.greeting
            keeper.greeting = []
            guard interest?.history === keeper, case .success(let page) = result else {
                return self.fail(requests, keeper, result)
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

    /// A subscriber of a cache channel that filters begins with the newest publication it wants, if that is among the last.
    private func search(
        _ interest: Interest, _ keeper: ChannelKeeper, _ request: ReadRequest, _ filter: TagFilter, _ top: Position
    ) {
        if let newest = keeper.newest(now: home.now) {
            let isWanted = filter.matches(newest.extras?.tags)
            guard !isWanted, keeper.settings.size > 1 else {
                return answer(
                    keeper, request, .at(top: top, missed: isWanted ? [newest] : [], isRecovered: isWanted))
            }
        }
        historyCounters.reads += 1
        let query = HistoryQuery(
            channel: keeper.name, settings: keeper.settings, limit: min(keeper.settings.size, Self.mostMissed),
            bytes: recoveryBytes, isReverse: true)
        historyReads.read(query, for: .subscribers) { [self, weak interest] result in
            guard interest?.history === keeper, case .success(let page) = result else {
                return self.fail([request], keeper, result)
            }
            guard let top = keeper.tail.top, !keeper.tail.isReading else { return keeper.waiting.append(request) }
            // What is newer than the end here comes by itself.
            let newest = page.publications.first { publication in
                (publication.position?.offset ?? .zero) <= top.offset && filter.matches(publication.extras?.tags)
            }
            self.answer(
                keeper, request, .at(top: top, missed: newest.map { [$0] } ?? [], isRecovered: newest != nil))
        }
    }

    private func answer(_ keeper: ChannelKeeper, _ request: ReadRequest, _ answer: BeginningAnswer) {
        tell(request.reactor, .begins(keeper.name, request, answer))
    }
}
