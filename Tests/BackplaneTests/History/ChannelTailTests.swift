import Backplane
import Codec
import Testing

func numbered(_ offset: UInt64, epoch: UInt64 = 1, bytes: Int = 1) -> Publication {
    Publication(
        channel: ChannelName(trusted: Array("a".utf8)), kind: .text, payload: [UInt8](repeating: 65, count: bytes),
        origin: NodeID(1), position: Position(epoch: epoch, offset: Offset(clamping: offset)))
}

func page(_ offsets: ClosedRange<UInt64>?, top: UInt64, epoch: UInt64 = 1, isContinuous: Bool = true) -> HistoryPage {
    HistoryPage(
        publications: offsets.map { $0.map { numbered($0, epoch: epoch) } } ?? [],
        lineage: EpochLineage(top: Position(epoch: epoch, offset: Offset(clamping: top))), isContinuous: isContinuous)
}

extension ChannelTail.Healed {
    var offsets: [UInt64] { publications.compactMap { $0.position?.offset.value } }
}

@Suite struct ChannelTailTests {
    /// One that has delivered everything up to an offset.
    static func following(_ top: UInt64) -> ChannelTail {
        var tail = ChannelTail()
        check(tail.read(page(nil, top: top)).offsets == [])
        return tail
    }

    @Test func deliversWhatFollows() {
        var tail = Self.following(5)
        check(tail.arrived(numbered(6)) == .deliver)
        check(tail.arrived(numbered(7)) == .deliver)
        check(tail.arrived(numbered(7)) == .repeated)
        check(tail.arrived(numbered(3)) == .repeated)
        check(tail.top == Position(epoch: 1, offset: 7))
    }

    @Test func whatComesBeforeTheEndIsKnownWaits() {
        var tail = ChannelTail()
        check(tail.isReading)
        check(tail.arrived(numbered(5)) == .heldBack(read: false))
        check(tail.arrived(numbered(6)) == .heldBack(read: false))
        // The fifth was read as the end, so only the sixth follows.
        let healed = tail.read(page(nil, top: 5))
        #expect(healed.offsets == [6] && !healed.isLost && !healed.readsAgain)
        check(!tail.isReading)
    }

    @Test func aHoleIsMendedBeforeWhatFollows() {
        var tail = Self.following(5)
        check(tail.arrived(numbered(8)) == .heldBack(read: true))
        check(tail.arrived(numbered(9)) == .heldBack(read: false))
        check(tail.isReading)
        // The read saw one more than had arrived.
        let healed = tail.read(page(6...10, top: 10))
        #expect(healed.offsets == [6, 7, 8, 9, 10] && !healed.isLost && !healed.readsAgain)
        check(tail.arrived(numbered(10)) == .repeated)
        check(tail.arrived(numbered(11)) == .deliver)
    }

    @Test func aReadThatIsTooEarlyIsFollowedByAnother() {
        var tail = Self.following(5)
        check(tail.arrived(numbered(9)) == .heldBack(read: true))
        // Only up to the seventh: the eighth is still missing.
        let first = tail.read(page(6...7, top: 7))
        #expect(first.offsets == [6, 7] && first.readsAgain)
        let second = tail.read(page(8...9, top: 9))
        #expect(second.offsets == [8, 9] && !second.readsAgain)
    }

    @Test func moreThanAPageIsReadInSeveral() {
        var tail = Self.following(0)
        check(tail.doubted() == .read)
        check(tail.doubted() == .waits)
        var seen: [UInt64] = []
        for start in stride(from: UInt64(1), through: 91, by: 10) {
            let healed = tail.read(page(start...(start + 9), top: 100))
            seen += healed.offsets
            check(healed.readsAgain == (start != 91))
        }
        #expect(seen == Array(1...100))
        check(!tail.isReading)
    }

    @Test func whatIsGoneIsSaidToBeLost() {
        var tail = Self.following(5)
        check(tail.arrived(numbered(400)) == .heldBack(read: true))
        let healed = tail.read(page(nil, top: 400, isContinuous: false))
        #expect(healed.isLost && healed.offsets == [] && !healed.readsAgain)
        check(tail.top == Position(epoch: 1, offset: 400))
        check(tail.arrived(numbered(401)) == .deliver)
    }

    /// After a restart from an older snapshot the offsets come a second time.
    @Test func aServerThatForgotIsNotBelieved() {
        var tail = Self.following(8)
        check(tail.arrived(numbered(6, epoch: 2)) == .heldBack(read: true))
        let healed = tail.read(page(nil, top: 6, epoch: 2, isContinuous: false))
        #expect(healed.isLost)
        check(tail.arrived(numbered(7, epoch: 2)) == .deliver)
    }

    /// One that forgot nothing begins a new epoch where the old one ended.
    @Test func anEpochMayGoOnWithoutALoss() {
        var tail = Self.following(5)
        check(tail.arrived(numbered(6, epoch: 2)) == .heldBack(read: true))
        let healed = tail.read(page(6...6, top: 6, epoch: 2))
        #expect(healed.offsets == [6] && !healed.isLost)
        check(tail.top == Position(epoch: 2, offset: 6))
    }

    @Test func aDoubtThatWasNoneChangesNothing() {
        var tail = Self.following(5)
        check(tail.doubted() == .read)
        check(tail.arrived(numbered(6)) == .heldBack(read: false))
        let healed = tail.read(page(nil, top: 5))
        #expect(healed.offsets == [6] && !healed.isLost)
    }

    @Test func whatWaitsIsBounded() {
        var tail = Self.following(0)
        check(tail.arrived(numbered(2)) == .heldBack(read: true))
        for offset in 3...5000 as ClosedRange<UInt64> {
            check(tail.arrived(numbered(offset)) == .heldBack(read: false))
        }
        // Nothing of it was kept, but history has it.
        let first = tail.read(page(1...256, top: 5000))
        #expect(first.offsets == Array(1...256) && first.readsAgain)
        var seen = first.offsets
        while tail.isReading {
            let start = seen.last! + 1
            seen += tail.read(page(start...min(start + 255, 5000), top: 5000)).offsets
        }
        #expect(seen == Array(1...5000))
    }

    @Test func whatHistoryWentOnWithoutIsNamed() {
        var tail = Self.following(9)
        check(tail.doubted() == .read)
        var fork = page(nil, top: 7, epoch: 2, isContinuous: false)
        check(tail.abandoned(by: fork) == nil)
        fork.isFork = true
        check(tail.abandoned(by: fork) == Position(epoch: 1, offset: 9))
        // It was noted, and the epoch that is read now leads nowhere back.
        #expect(tail.read(page(nil, top: 7, epoch: 3, isContinuous: false)).isLost)
    }

    /// An epoch that began after a publication was made, and before it arrived here.
    @Test func whatLiesBehindAnEpochThatBeganMeanwhileIsNotWaitedFor() {
        var tail = Self.following(5)
        check(tail.arrived(numbered(7, epoch: 2)) == .heldBack(read: true))
        // It is in history: 6 and 7 were read, and then the epoch changed.
        let healed = tail.read(
            HistoryPage(
                publications: [numbered(6, epoch: 2), numbered(7, epoch: 2)],
                lineage: EpochLineage(top: Position(epoch: 3, offset: 7), ends: [Position(epoch: 2, offset: 7)]),
                isContinuous: true))
        #expect(healed.offsets == [6, 7] && !healed.readsAgain)
        check(tail.top == Position(epoch: 3, offset: 7))
        check(tail.arrived(numbered(8, epoch: 3)) == .deliver)
    }

    /// The last words of a server that was replaced: history will never have them, however often it is read.
    @Test func whatNobodyKeepsIsNotReadForEver() {
        var tail = Self.following(5)
        check(tail.arrived(numbered(40, epoch: 9)) == .heldBack(read: true))
        let first = tail.read(page(6...6, top: 6))
        #expect(first.offsets == [6] && first.readsAgain)
        // Meanwhile one more came, which is all right.
        check(tail.arrived(numbered(8)) == .heldBack(read: false))
        let second = tail.read(page(7...7, top: 7))
        #expect(second.offsets == [7, 8] && !second.readsAgain && !second.isLost)
    }

    /// Judged without a read: how far back it lies, or that it does not lead here.
    @Test func knowsWhichPositionsLeadHere() {
        var tail = ChannelTail()
        let lineage = EpochLineage(
            top: Position(epoch: 7, offset: 10), ends: [Position(epoch: 5, offset: 6)], beginnings: [100...200])
        check(tail.missing(since: .exact(Position(epoch: 7, offset: 3))) == nil)
        check(tail.read(HistoryPage(publications: [], lineage: lineage, isContinuous: true)).offsets == [])
        check(tail.arrived(numbered(11, epoch: 7)) == .deliver)
        check(tail.missing(since: .exact(Position(epoch: 7, offset: 11))) == 0)
        check(tail.missing(since: .exact(Position(epoch: 7, offset: 3))) == 8)
        check(tail.missing(since: .exact(Position(epoch: 5, offset: 6))) == 5)
        check(tail.missing(since: .exact(Position(epoch: 5, offset: 7))) == nil)
        check(tail.missing(since: .exact(Position(epoch: 7, offset: 12))) == nil)
        check(tail.missing(since: .exact(Position(epoch: 6, offset: 1))) == nil)
        check(tail.missing(since: .exact(Position(epoch: 150, offset: 0))) == 11)
        check(tail.missing(since: .exact(Position(epoch: 150, offset: 1))) == nil)
        check(tail.missing(since: .exact(Position(epoch: 7, offset: .max))) == nil)
    }

    /// The end of a channel without publications is told in another epoch each day: nothing has to be read for that.
    @Test func anotherNameForTheSameEndIsNoDoubt() {
        var tail = ChannelTail()
        let first = EpochLineage(top: Position(epoch: 100, offset: 0), beginnings: [90...101])
        check(tail.read(HistoryPage(publications: [], lineage: first, isContinuous: true)).offsets == [])
        let next = EpochLineage(top: Position(epoch: 101, offset: 0), beginnings: [91...102])
        check(tail.confirmed(HistoryPage(publications: [], lineage: next, isContinuous: true)) == .goOn)
        check(tail.top == Position(epoch: 101, offset: 0))
        let strange = EpochLineage(top: Position(epoch: 7, offset: 0), beginnings: [200...300])
        check(tail.confirmed(HistoryPage(publications: [], lineage: strange, isContinuous: false)) == .doubt)
        let further = EpochLineage(top: Position(epoch: 101, offset: 1))
        check(tail.confirmed(HistoryPage(publications: [], lineage: further, isContinuous: true)) == .doubt)
    }

    /// Offsets end at 2^53-1, and nothing that arrives there ends the process.
    @Test func theLastOffsetsAreNothingSpecial() {
        let largest = Offset.max.value
        var tail = Self.following(largest - 1)
        check(tail.arrived(numbered(largest)) == .deliver)
        check(tail.arrived(numbered(largest)) == .repeated)
        check(tail.arrived(numbered(1)) == .repeated)
        check(tail.arrived(numbered(5, epoch: 2)) == .heldBack(read: true))
        var window = RecentWindowTests.window((largest - 3)...largest)
        check(RecentWindowTests.since(window, largest - 2, top: largest) == [largest - 1, largest])
        check(RecentWindowTests.since(window, 0, top: largest) == nil)
        window.append(numbered(largest))
        check(window.count == 1)
        window.prepend([numbered(0), numbered(largest)], top: Position(epoch: 1, offset: .max))
        check(window.count == 1)
    }

    /// Whatever is lost, repeated or comes in another order: each once, in order, or a loss is told.
    @Test func anyDisorderEndsInOrder() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<300 {
            var tail = Self.following(0)
            var published: UInt64 = 0
            var arriving: [Publication] = []
            var delivered: [UInt64] = []
            var mustRead = false
            for _ in 0..<200 {
                switch Int.random(in: 0..<10, using: &random) {
                case 0..<5:
                    published += 1
                    if Int.random(in: 0..<4, using: &random) > 0 { arriving.append(numbered(published)) }
                    if Int.random(in: 0..<8, using: &random) == 0 { arriving.append(numbered(published)) }
                case 5..<9:
                    guard !arriving.isEmpty else { continue }
                    let next = arriving.removeFirst()
                    switch tail.arrived(next) {
                    case .deliver: delivered.append(next.position!.offset.value)
                    case .repeated: break
                    case .heldBack(let read): mustRead = mustRead || read
                    }
                default:
                    if mustRead || tail.doubted() == .read {
                        let from = (tail.top?.offset.value ?? 0) + 1
                        let until = min(published, from + 15)
                        let healed = tail.read(page(from <= until ? from...until : nil, top: published))
                        delivered += healed.offsets
                        mustRead = healed.readsAgain
                        check(!healed.isLost)
                    }
                }
            }
            check(delivered == Array(1...UInt64(max(1, delivered.count))).prefix(delivered.count).map { $0 })
        }
    }
}

@Suite struct RecentWindowTests {
    static func window(_ offsets: ClosedRange<UInt64>, bytes: Int = 1, size: Int = 256) -> RecentWindow {
        var window = RecentWindow(size: size)
        for offset in offsets { window.append(numbered(offset, bytes: bytes)) }
        return window
    }

    static func since(_ window: RecentWindow, _ offset: UInt64, top: UInt64, epoch: UInt64 = 1) -> [UInt64]? {
        window.since(
            Position(epoch: epoch, offset: Offset(clamping: offset)),
            top: Position(epoch: 1, offset: Offset(clamping: top))
        )?.compactMap { $0.position?.offset.value }
    }

    @Test func knowsWhatItHas() {
        let window = Self.window(10...20)
        #expect(Self.since(window, 20, top: 20) == [])
        #expect(Self.since(window, 17, top: 20) == [18, 19, 20])
        #expect(Self.since(window, 10, top: 20) == Array(11...20))
        // Before its first one it cannot know which epoch that was.
        #expect(Self.since(window, 8, top: 20) == nil)
        #expect(Self.since(window, 21, top: 20) == nil)
        #expect(Self.since(window, 15, top: 20, epoch: 2) == nil)
        #expect(Self.since(window, 15, top: 21) == nil)
    }

    @Test func isBounded() {
        let many = Self.window(1...10_000)
        #expect(many.count == RecentWindow.maximumPublications)
        #expect(Self.since(many, 9990, top: 10_000) == Array(9991...10_000))
        #expect(Self.since(many, 9000, top: 10_000) == nil)
        #expect(Self.window(1...10_000, size: 3).count == 3)
        #expect(Self.window(1...100, bytes: 100_000).count == 2)
        #expect(Self.window(1...3, bytes: 1 << 20).count == 1)
    }

    @Test func aHoleMakesItBeginAnew() {
        var window = Self.window(1...5)
        window.append(numbered(7))
        #expect(window.count == 1)
        #expect(Self.since(window, 4, top: 7) == nil)
    }

    @Test func whatWasReadGoesBeforeTheWindow() {
        var tail = ChannelTailTests.following(10)
        let at = Position(epoch: 1, offset: 6)
        check(tail.recent(since: at) == nil)
        // Not up to the end, or with a hole at the end: nothing to count on.
        tail.remember((1...9).map { numbered($0) })
        check(tail.recent(since: at) == nil)
        tail.remember([numbered(3), numbered(4)] + (6...10).map { numbered($0) })
        check(tail.recent(since: at)?.compactMap { $0.position?.offset.value } == [7, 8, 9, 10])
        check(tail.recent(since: Position(epoch: 1, offset: 4)) == nil)
        check(tail.arrived(numbered(11)) == .deliver)
        // What is there already is not taken twice.
        tail.remember((2...11).map { numbered($0) })
        check(tail.recent(since: Position(epoch: 1, offset: 1))?.count == 10)
        check(tail.recent(since: Position(epoch: 2, offset: 6)) == nil)
    }
}
