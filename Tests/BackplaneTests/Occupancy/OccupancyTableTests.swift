import Codec
import Reactor
import Testing

@testable import Backplane

/// Which channels have subscribers here, and what the others are told of it.
@Suite struct OccupancyTableTests {
    private let a = ChannelName(trusted: Array("a".utf8))
    private let start = MonotonicTime(nanoseconds: 1_000_000_000)
    private var later: MonotonicTime { start + OccupancyTable.linger }

    /// A table in which a channel is marked.
    private func marked() -> OccupancyTable {
        var table = OccupancyTable()
        table.occupied(a)
        #expect(table.next() == .mark(a, .new))
        table.answered(.mark(a, .new))
        return table
    }

    @Test func marksOnceAndUnmarksAfterTheLinger() {
        var table = marked()
        table.occupied(a)
        #expect(table.next() == nil && table.isSettled)
        table.vacated(a, now: start)
        table.vacated(a, now: start)
        table.expire(now: start)
        #expect(table.next() == nil && table.isLingering)
        table.expire(now: later)
        #expect(table.next() == .unmark(a, .new) && !table.isLingering)
        table.answered(.unmark(a, .new))
        #expect(table.count == 0 && table.isSettled)
    }

    @Test func whoComesBackInTimeIsNoNews() {
        var table = marked()
        table.vacated(a, now: start)
        table.occupied(a)
        table.expire(now: later)
        #expect(table.next() == nil)
        // The time of the first departure does not count for the second.
        table.vacated(a, now: start + .milliseconds(500))
        table.expire(now: later)
        #expect(table.next() == nil)
        table.expire(now: later + .milliseconds(500))
        #expect(table.next() == .unmark(a, .new))
    }

    @Test func whatNobodyHeardOfIsForgotten() {
        var table = OccupancyTable()
        table.occupied(a)
        table.vacated(a, now: start)
        #expect(table.next() == nil && table.count == 0 && table.isSettled)
    }

    @Test func changesWhileAnAnswerIsAwaitedAreToldAfterIt() {
        var table = OccupancyTable()
        table.occupied(a)
        #expect(table.next() == .mark(a, .new))
        table.vacated(a, now: start)
        table.expire(now: later)
        #expect(table.next() == nil)
        table.answered(.mark(a, .new))
        #expect(table.next() == .unmark(a, .new))
        table.occupied(a)
        #expect(table.next() == nil)
        table.answered(.unmark(a, .new))
        #expect(table.next() == .mark(a, .new))
    }

    @Test func whatWasNotAnsweredIsRepeatedAsUnsure() {
        var table = OccupancyTable()
        table.occupied(a)
        _ = table.next()
        table.unanswered(.mark(a, .new))
        #expect(table.awaited == 0)
        #expect(table.next() == .mark(a, .unsure))
        table.answered(.mark(a, .unsure))
        table.vacated(a, now: start)
        table.expire(now: later)
        _ = table.next()
        table.unanswered(.unmark(a, .new))
        #expect(table.next() == .unmark(a, .unsure))
        table.unanswered(.unmark(a, .unsure))
        // Somebody is here again before it is known what became of the mark.
        table.occupied(a)
        #expect(table.next() == .mark(a, .unsure))
    }

    @Test func everythingIsToldAgainWithoutBeingNews() {
        var table = marked()
        table.repeatAll()
        #expect(table.next() == .mark(a, .again))
        table.unanswered(.mark(a, .again))
        #expect(table.next() == .mark(a, .again))
        table.answered(.mark(a, .again))
        #expect(table.next() == nil && table.isSettled)
        table.vacated(a, now: start)
        table.repeatAll()
        #expect(table.next() == nil)
    }

    @Test func noMoreIsUnderWayThanTheWindow() {
        var table = OccupancyTable()
        for number in 0..<OccupancyTable.window * 2 { table.occupied(ChannelName(trusted: Array("\(number)".utf8))) }
        var steps: [OccupancyTable.Step] = []
        while let step = table.next() { steps.append(step) }
        #expect(steps.count == OccupancyTable.window && table.awaited == OccupancyTable.window)
        table.answered(steps[0])
        #expect(table.next() != nil && table.next() == nil)
    }

    /// Whatever happens in whatever order, in the end the medium has a mark exactly where there are subscribers.
    @Test func endsWithWhatIsTrue() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            var table = OccupancyTable()
            let names = (0..<4).map { ChannelName(trusted: Array("\($0)".utf8)) }
            var wanted: Set<ChannelName> = []
            var marks: Set<ChannelName> = []
            var sent: [OccupancyTable.Step] = []
            var now = start
            func carryOut(_ step: OccupancyTable.Step) {
                switch step {
                case .mark(let name, _): marks.insert(name)
                case .unmark(let name, _): marks.remove(name)
                }
            }
            for _ in 0..<100 {
                let name = names[Int.random(in: 0..<names.count, using: &random)]
                switch Int.random(in: 0..<7, using: &random) {
                case 0:
                    table.occupied(name)
                    wanted.insert(name)
                case 1:
                    table.vacated(name, now: now)
                    wanted.remove(name)
                case 2: if let step = table.next() { sent.append(step) }
                case 3:
                    if !sent.isEmpty {
                        let step = sent.removeFirst()
                        carryOut(step)
                        table.answered(step)
                    }
                case 4:
                    // The link breaks: some of it was carried out.
                    for step in sent {
                        if Bool.random(using: &random) { carryOut(step) }
                        table.unanswered(step)
                    }
                    sent = []
                case 5:
                    // Everything is lost, and that is noticed.
                    marks = []
                    for step in sent { table.unanswered(step) }
                    sent = []
                    table.repeatAll()
                default:
                    now = now + .milliseconds(400)
                    table.expire(now: now)
                }
            }
            table.expire(now: now + .seconds(10))
            while true {
                while let step = table.next() { sent.append(step) }
                if sent.isEmpty { break }
                let step = sent.removeFirst()
                carryOut(step)
                table.answered(step)
            }
            #expect(marks == wanted && table.isSettled && table.count == wanted.count)
        }
    }

    @Test func whatCannotBeToldWaitsUntilEverythingIsToldAgain() {
        var table = OccupancyTable()
        table.occupied(a)
        #expect(table.next() == .mark(a, .new))
        table.parked(.mark(a, .new))
        #expect(table.next() == nil && table.isSettled)
        table.repeatAll()
        #expect(table.next() == .mark(a, .new))
        table.answered(.mark(a, .new))
        // It goes while the server is away.
        table.vacated(a, now: start)
        table.expire(now: later)
        #expect(table.next() == .unmark(a, .new))
        table.parked(.unmark(a, .new))
        #expect(table.next() == nil && table.count == 1)
        table.repeatAll()
        #expect(table.next() == .unmark(a, .new))
        table.answered(.unmark(a, .new))
        #expect(table.count == 0 && table.isSettled)
    }

    @Test func whatComesBackWhileItCannotBeToldIsOnlyMarkedAgain() {
        var table = marked()
        table.vacated(a, now: start)
        table.expire(now: later)
        #expect(table.next() == .unmark(a, .new))
        table.parked(.unmark(a, .new))
        table.occupied(a)
        #expect(table.next() == nil)
        table.repeatAll()
        #expect(table.next() == .mark(a, .again))
    }
}
