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
        check(table.addInterest(a) == .ask)
        check(table.addInterest(a) == .ask)
        check(table.nextBatch() == [a])
        check(table.nextBatch() == [])
        check(!table.isComplete)
        check(table.subscribed(a, now: at(0)))
        check(table.isComplete)
        check(table.addInterest(a) == .confirmed, "confirmed already")
    }

    @Test func lingersAndComesBackWithoutAsking() {
        var table = InterestTable()
        _ = table.connected()
        _ = table.addInterest(a)
        _ = table.nextBatch()
        _ = table.subscribed(a, now: at(0))
        table.dropInterest(a, now: at(0))
        check(table.expired(now: at(999)) == [])
        check(table.addInterest(a) == .confirmed, "still subscribed")
        check(table.expired(now: at(5000)) == [], "wanted again")
        table.dropInterest(a, now: at(6000))
        check(table.expired(now: at(7000)) == [a])
        table.unsubscribed(a)
        check(table.count == 0)
    }

    @Test func wantedAgainWhileClosing() {
        var table = InterestTable()
        _ = table.connected()
        _ = table.addInterest(a)
        _ = table.nextBatch()
        _ = table.subscribed(a, now: at(0))
        table.dropInterest(a, now: at(0))
        check(table.expired(now: at(1000)) == [a])
        check(table.addInterest(a) == .ask)
        check(table.nextBatch() == [], "not before the UNSUBSCRIBE is confirmed")
        table.unsubscribed(a)
        check(table.nextBatch() == [a])
        check(table.subscribed(a, now: at(1100)), "held anew")
    }

    @Test func releasedWhileOpening() {
        var table = InterestTable()
        _ = table.connected()
        _ = table.addInterest(a)
        _ = table.nextBatch()
        table.dropInterest(a, now: at(0))
        check(!table.subscribed(a, now: at(10)))
        check(table.expired(now: at(1010)) == [a])
    }

    @Test func aReconnectAsksForEverythingWantedAndSaysNothingTwice() {
        var table = InterestTable()
        _ = table.connected()
        let names = (0..<10).map { name("c\($0)") }
        for name in names { _ = table.addInterest(name) }
        for name in table.nextBatch() { check(table.subscribed(name, now: at(0))) }
        table.dropInterest(names[0], now: at(0))
        table.disconnected()
        check(table.connected() == 9)
        let again = table.nextBatch()
        check(Set(again) == Set(names.dropFirst()))
        for name in again { check(!table.subscribed(name, now: at(0)), "held was said before") }
    }

    @Test func boundsWhatIsUnderWay() {
        var table = InterestTable()
        for number in 0..<20_000 { _ = table.addInterest(name("c\(number)")) }
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
                _ = table.addInterest(channel)
            case 3...5:
                if wanted.remove(channel) != nil { table.dropInterest(channel, now: at(time)) }
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

    /// Redis refuses a SUBSCRIBE as a whole for one of its channels. The others are asked for again, in halves.
    @Test func onlyTheChannelThatIsNotAllowedIsRefused() {
        var table = InterestTable()
        _ = table.connected()
        let all = (0..<40).map { name("\($0)") }
        for channel in all { _ = table.addInterest(channel) }
        var held: Set<ChannelName> = []
        var refused: [ChannelName] = []
        var commands = 0
        while true {
            let batch = table.nextBatch()
            if batch.isEmpty { break }
            commands += 1
            if batch.contains(all[7]) {
                if let channel = table.refused(batch, now: at(0)) { refused.append(channel) }
            } else {
                for channel in batch where table.subscribed(channel, now: at(0)) { held.insert(channel) }
            }
        }
        check(refused == [all[7]])
        check(held == Set(all).subtracting([all[7]]))
        check(table.isComplete && table.refusals == 1, "the link is as good as it gets")
        check(commands <= 2 * 7)
        // It is asked for again after a while, and not before.
        table.retryRefused(now: at(9999))
        check(table.nextBatch() == [])
        table.retryRefused(now: at(10_000))
        check(table.nextBatch() == [all[7]])
        check(table.subscribed(all[7], now: at(10_001)))
        check(table.refusals == 0)
    }

    @Test func aRefusedChannelThatNobodyWantsAnyMoreIsForgotten() {
        var table = InterestTable()
        _ = table.connected()
        _ = table.addInterest(a)
        check(table.refused(table.nextBatch(), now: at(0)) == a)
        table.dropInterest(a, now: at(1))
        check(table.count == 0 && table.refusals == 0)
        table.retryRefused(now: at(20_000))
        check(table.nextBatch() == [])
        // Wanted and refused again, and then everything is asked for on a new connection.
        _ = table.addInterest(a)
        check(table.refused(table.nextBatch(), now: at(30_000)) == a)
        check(table.connected() == 1)
        check(table.nextBatch() == [a] && table.refusals == 0)
    }

    @Test func whatRedisWasTooBusyForIsAskedForAgain() {
        var table = InterestTable()
        _ = table.connected()
        _ = table.addInterest(a)
        _ = table.addInterest(name("b"))
        let batch = table.nextBatch()
        table.dropInterest(name("b"), now: at(0))
        table.postponed(batch)
        check(!table.isComplete)
        check(table.nextBatch() == [a])
        check(table.subscribed(a, now: at(1)) && table.isComplete)
    }

    @Test func whatWasNotUnsubscribedIsStillHeld() {
        var table = InterestTable()
        _ = table.connected()
        _ = table.addInterest(a)
        _ = table.nextBatch()
        _ = table.subscribed(a, now: at(0))
        table.dropInterest(a, now: at(0))
        check(table.expired(now: at(1000)) == [a])
        // Nobody wants it: it is tried again.
        check(table.stillSubscribed([a], now: at(1001)) == [])
        check(table.expired(now: at(2001)) == [a])
        // Somebody wants it by now, and is told that it is held.
        check(table.addInterest(a) == .ask)
        check(table.stillSubscribed([a], now: at(2002)) == [a])
        check(table.addInterest(a) == .confirmed)
    }
}
