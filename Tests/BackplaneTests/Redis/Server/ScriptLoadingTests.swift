import Reactor
import Testing

@testable import Backplane

@Suite struct ScriptLoadingTests {
    private let start = MonotonicTime(nanoseconds: 1_000_000_000)

    /// `SCRIPT FLUSH` while a hundred commands are under way: one load, and each of them once more.
    @Test func aFlushCostsOneLoad() {
        var loading = ScriptLoading()
        loading.connected(after: 0, now: start)
        let now = start + .seconds(5)
        check(loading.missed(.publish, number: 10, isRepeat: false, now: now) == .load)
        loading.began(after: 110, now: now)
        for number in 11...110 as ClosedRange<UInt64> {
            check(loading.missed(.publish, number: number, isRepeat: false, now: now) == .again)
        }
        check(!loading.worked(.publish) && !loading.isDue(now: now + .seconds(100)))
    }

    @Test func whatWasRepeatedIsNotRepeatedAgain() {
        var loading = ScriptLoading()
        loading.connected(after: 0, now: start)
        check(loading.missed(.read, number: 200, isRepeat: true, now: start + .seconds(5)) == .refuse)
    }

    @Test func aServerThatNeverKeepsScriptsIsAskedLessAndLessOften() {
        var loading = ScriptLoading()
        loading.connected(after: 0, now: start)
        var number: UInt64 = 1
        var loads: [Int] = []
        var refusals = 0
        var reports = 0
        // A second a step, for ten minutes, ten commands in each.
        for second in 1...600 {
            let now = start + .seconds(second)
            if loading.isDue(now: now) {
                loads.append(second)
                loading.began(after: number, now: now)
            }
            for _ in 0..<10 {
                number += 1
                switch loading.missed(.publish, number: number, isRepeat: false, now: now) {
                case .load:
                    loads.append(second)
                    loading.began(after: number, now: now)
                    number += 1
                    check(loading.missed(.publish, number: number, isRepeat: true, now: now) == .refuse)
                case .again: Issue.record("the scripts were loaded before it was sent")
                case .refuse:
                    refusals += 1
                    if loading.isNews() { reports += 1 }
                }
            }
        }
        check(loads.count <= 16, "\(loads)")
        check(zip(loads.dropFirst(8), loads.dropFirst(9)).allSatisfy { $1 - $0 == 60 }, "\(loads)")
        check(refusals >= 5990 && reports == 1)
        // It keeps them now.
        check(loading.worked(.enter) == false)
        check(loading.worked(.publish) == true)
        check(loading.missed(.publish, number: number + 1, isRepeat: false, now: start + .seconds(700)) == .load)
    }
}
