import Codec
import Reactor
import Testing

@testable import Backplane

private func name(_ text: String) -> ChannelName { ChannelName(trusted: Array(text.utf8)) }
private func at(_ milliseconds: UInt64) -> MonotonicTime { MonotonicTime(nanoseconds: milliseconds * 1_000_000) }

@Suite struct InterestTableTests {
    let a = name("a")

    @Test func asksOnceAndSaysHeldOnce() {
        var table = InterestTable()
        _ = table.connected()
        check(!table.hold(a))
        check(!table.hold(a))
        check(table.nextBatch() == [a])
        check(table.nextBatch() == [])
        check(!table.isComplete)
        check(table.subscribed(a, now: at(0)))
        check(table.isComplete)
        check(table.hold(a), "confirmed already")
    }

    @Test func lingersAndComesBackWithoutAsking() {
        var table = InterestTable()
        _ = table.connected()
        _ = table.hold(a)
        _ = table.nextBatch()
        _ = table.subscribed(a, now: at(0))
        table.release(a, now: at(0))
        check(table.expired(now: at(999)) == [])
        check(table.hold(a), "still subscribed")
        check(table.expired(now: at(5000)) == [], "wanted again")
        table.release(a, now: at(6000))
        check(table.expired(now: at(7000)) == [a])
        table.unsubscribed(a)
        check(table.count == 0)
    }

    @Test func wantedAgainWhileClosing() {
        var table = InterestTable()
        _ = table.connected()
        _ = table.hold(a)
        _ = table.nextBatch()
        _ = table.subscribed(a, now: at(0))
        table.release(a, now: at(0))
        check(table.expired(now: at(1000)) == [a])
        check(!table.hold(a))
        check(table.nextBatch() == [], "not before the UNSUBSCRIBE is confirmed")
        table.unsubscribed(a)
        check(table.nextBatch() == [a])
        check(table.subscribed(a, now: at(1100)), "held anew")
    }

    @Test func releasedWhileOpening() {
        var table = InterestTable()
        _ = table.connected()
        _ = table.hold(a)
        _ = table.nextBatch()
        table.release(a, now: at(0))
        check(!table.subscribed(a, now: at(10)))
        check(table.expired(now: at(1010)) == [a])
    }

    @Test func aReconnectAsksForEverythingWantedAndSaysNothingTwice() {
        var table = InterestTable()
        _ = table.connected()
        let names = (0..<10).map { name("c\($0)") }
        for name in names { _ = table.hold(name) }
        for name in table.nextBatch() { check(table.subscribed(name, now: at(0))) }
        table.release(names[0], now: at(0))
        table.disconnected()
        check(table.connected() == 9)
        let again = table.nextBatch()
        check(Set(again) == Set(names.dropFirst()))
        for name in again { check(!table.subscribed(name, now: at(0)), "held was said before") }
    }

    @Test func boundsWhatIsUnderWay() {
        var table = InterestTable()
        for number in 0..<20_000 { _ = table.hold(name("c\(number)")) }
        check(table.nextBatch() == [], "not connected")
        check(table.connected() == 20_000)
        var batches = 0
        var underWay: [[ChannelName]] = []
        while !table.isComplete {
            while true {
                let batch = table.nextBatch()
                if batch.isEmpty { break }
                batches += 1
                check(batch.count <= InterestTable.batch)
                underWay.append(batch)
            }
            check(underWay.count <= InterestTable.batchesInFlight)
            for name in underWay.removeFirst() { check(table.subscribed(name, now: at(0))) }
        }
        check(batches == 40)
    }

    /// Random holds, releases, answers and losses of the connection: what Redis has in the end is what is wanted.
    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func endsAsWanted(seed: UInt64) {
        var state = seed
        func random(_ below: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int((state >> 33) % UInt64(below))
        }
        var table = InterestTable()
        _ = table.connected()
        var wanted: Set<ChannelName> = []
        var inRedis: Set<ChannelName> = []
        // Commands Redis has not answered yet, in order.
        var answers: [(subscribe: Bool, channel: ChannelName)] = []
        var time: UInt64 = 0
        func pump() {
            while true {
                let batch = table.nextBatch()
                if batch.isEmpty { break }
                for name in batch { answers.append((true, name)) }
            }
        }
        func answer() {
            guard !answers.isEmpty else { return }
            let (subscribe, channel) = answers.removeFirst()
            if subscribe {
                inRedis.insert(channel)
                _ = table.subscribed(channel, now: at(time))
            } else {
                inRedis.remove(channel)
                table.unsubscribed(channel)
            }
        }
        for _ in 0..<3000 {
            time += UInt64(random(300))
            let channel = name("c\(random(8))")
            switch random(10) {
            case 0...2:
                wanted.insert(channel)
                _ = table.hold(channel)
            case 3...5:
                if wanted.remove(channel) != nil { table.release(channel, now: at(time)) }
            case 6...7: answer()
            case 8: for name in table.expired(now: at(time)) { answers.append((false, name)) }
            default:
                guard random(10) == 0 else { continue }
                answers = []
                inRedis = []
                table.disconnected()
                _ = table.connected()
            }
            pump()
        }
        for _ in 0..<10 {
            while !answers.isEmpty { answer(); pump() }
            time += 2000
            for name in table.expired(now: at(time)) { answers.append((false, name)) }
        }
        check(inRedis == wanted)
        check(table.isComplete && table.count == wanted.count)
    }
}
