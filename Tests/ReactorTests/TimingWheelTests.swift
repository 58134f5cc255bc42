import Testing

@testable import Reactor

@Suite struct TimingWheelTests {
    private static let tick = TimingWheel.tick

    /// Small, seeded, and the same everywhere.
    private struct Dice: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return state ^ (state >> 33)
        }
    }

    private func time(_ nanoseconds: UInt64) -> MonotonicTime { MonotonicTime(nanoseconds: nanoseconds) }

    /// Walks a wheel over random deadlines, and compares each ring with the deadline it was set for.
    private func walk(seed: UInt64, count: Int, longest: UInt64, stride: ClosedRange<UInt64>) {
        var dice = Dice(state: seed)
        let start: UInt64 = 977_777_777_777
        var wheel = TimingWheel(now: time(start))
        var deadlines: [UInt64] = []
        for token in 0..<count {
            deadlines.append(start + UInt64.random(in: 0...longest, using: &dice))
            wheel.add(token: UInt64(token), tag: UInt16(token & 0xFFFF), at: time(deadlines[token]))
        }
        #expect(wheel.count == count)

        var now = start
        var seen = [Bool](repeating: false, count: count)
        var worst = (early: 0, late: 0, twice: 0, tag: 0)
        while wheel.count > 0, now < start + longest + 10 * stride.upperBound + 10 * Self.tick {
            let before = now
            now += UInt64.random(in: stride, using: &dice)
            var due: [TimingWheel.Entry] = []
            wheel.advance(to: time(now), into: &due)
            for entry in due {
                let token = Int(entry.token)
                if seen[token] { worst.twice += 1 }
                seen[token] = true
                if deadlines[token] > now { worst.early += 1 }
                // It should have rung at the walk before, had it been more than a tick over then.
                if deadlines[token] + Self.tick < before { worst.late += 1 }
                if entry.tag != UInt16(token & 0xFFFF) { worst.tag += 1 }
            }
        }
        #expect(worst == (0, 0, 0, 0))
        #expect(seen.allSatisfy { $0 })
        #expect(wheel.nextDue == nil)
    }

    @Test(arguments: [1, 2, 3, 4, 5] as [UInt64])
    func ringsWithinATick(seed: UInt64) {
        walk(seed: seed, count: 4000, longest: 5_000_000_000, stride: 1...20_000_000)
    }

    @Test(arguments: [7, 8, 9] as [UInt64])
    func ringsOverAllLevels(seed: UInt64) {
        // Up to four months, in leaps of up to an hour.
        walk(seed: seed, count: 3000, longest: 10_000_000 * 1_000_000_000, stride: 1...3_600_000_000_000)
    }

    @Test func aMillionDeadlines() {
        walk(seed: 11, count: 1_000_000, longest: 60_000_000_000, stride: 1_000_000...500_000_000)
    }

    @Test func whatLiesBeyondItsReachIsKept() {
        var wheel = TimingWheel(now: time(0))
        let twoYears: UInt64 = 2 * 365 * 86_400 * 1_000_000_000
        wheel.add(token: 9, tag: 0, at: time(twoYears))
        var due: [TimingWheel.Entry] = []
        wheel.advance(to: time(twoYears - 1_000_000_000), into: &due)
        #expect(due.isEmpty)
        wheel.advance(to: time(twoYears + Self.tick), into: &due)
        #expect(due.map(\.token) == [9])
    }

    @Test func whatIsPastRingsAtTheNextTick() {
        var wheel = TimingWheel(now: time(1_000_000_000))
        var due: [TimingWheel.Entry] = []
        wheel.advance(to: time(2_000_000_000), into: &due)
        wheel.add(token: 1, tag: 0, at: time(5))
        wheel.advance(to: time(2_000_000_000 + Self.tick), into: &due)
        #expect(due.map(\.token) == [1])
    }

    @Test func equalDeadlinesRingInTheOrderTheyWereSet() {
        var wheel = TimingWheel(now: time(0))
        for token in 0..<100 as Range<UInt64> { wheel.add(token: token, tag: 0, at: time(1_000_000_000)) }
        var due: [TimingWheel.Entry] = []
        wheel.advance(to: time(2_000_000_000), into: &due)
        #expect(due.map(\.token) == Array(0..<100))
    }

    @Test func saysWhenToComeBackAndIsNeverLate() {
        var dice = Dice(state: 3)
        for _ in 0..<300 {
            let start = UInt64.random(in: 0...1_000_000_000_000, using: &dice)
            var wheel = TimingWheel(now: time(start))
            let deadline = start + UInt64.random(in: 0...200_000_000_000, using: &dice)
            wheel.add(token: 1, tag: 0, at: time(deadline))
            var due: [TimingWheel.Entry] = []
            var wakings = 0
            while due.isEmpty, wakings < 1000, let next = wheel.nextDue {
                #expect(next.nanoseconds <= deadline + Self.tick)
                wheel.advance(to: next, into: &due)
                wakings += 1
            }
            #expect(due.count == 1)
            #expect(wakings < 1000)
        }
    }
}
