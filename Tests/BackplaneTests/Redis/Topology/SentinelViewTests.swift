import Codec
import Reactor
import Testing

@testable import Backplane

@Suite struct SentinelViewTests {
    private let start = MonotonicTime(nanoseconds: 1_000_000_000)
    private let old = SentinelView.Master(host: "10.0.0.1", port: 6379, epoch: 4)
    private let new = SentinelView.Master(host: "10.0.0.2", port: 6379, epoch: 5)

    @Test func theLastFailoverCountsHoweverManyHaveNotHeardOfIt() {
        var view = SentinelView(sentinels: 3)
        #expect(view.master(now: start) == nil)
        for sentinel in 0..<3 { view.heard(old, from: sentinel, now: start) }
        #expect(view.master(now: start) == old && view.votes(for: old, now: start) == 3)
        view.heard(new, from: 1, now: start)
        #expect(view.master(now: start) == new && view.votes(for: new, now: start) == 1)
    }

    @Test func ofOneFailoverTheMoreCount() {
        var view = SentinelView(sentinels: 3)
        let other = SentinelView.Master(host: "10.0.0.9", port: 6379, epoch: 5)
        view.heard(other, from: 0, now: start)
        view.heard(new, from: 1, now: start)
        view.heard(new, from: 2, now: start)
        #expect(view.master(now: start) == new)
    }

    @Test func whatWasSaidLongAgoDoesNotCount() {
        var view = SentinelView(sentinels: 2)
        view.heard(new, from: 0, now: start)
        view.heard(old, from: 1, now: start + .seconds(4))
        #expect(view.master(now: start + .seconds(5)) == new)
        #expect(view.master(now: start + .seconds(6)) == old)
        #expect(view.master(now: start + .seconds(20)) == nil && view.votes(for: old, now: start + .seconds(20)) == 0)
    }

    @Test func aFailoverIsUnderWayWhileSomebodySaysSo() {
        var view = SentinelView(sentinels: 3)
        #expect(!view.isFailingOver(now: start))
        view.heard(old, from: 0, now: start)
        view.heard(old, isFailingOver: true, from: 1, now: start)
        #expect(view.isFailingOver(now: start + .seconds(1)))
        // The one that did it is gone, or says that it is done.
        #expect(!view.isFailingOver(now: start + .milliseconds(1001)))
        view.heard(old, isFailingOver: true, from: 1, now: start + .seconds(2))
        view.heard(new, from: 1, now: start + .seconds(2))
        #expect(!view.isFailingOver(now: start + .seconds(2)))
    }

    @Test func readsWhetherASentinelReplacesTheMaster() {
        #expect(
            SentinelView.isFailingOver(state: bulk("name", "m", "flags", "master,failover_in_progress,force_failover")))
        for state in [
            bulk("flags", "master"), bulk("flags", "s_down,master,o_down"), bulk("flags"), bulk(), .integer(1),
            bulk("name", "failover_in_progress", "flags", "master"),
        ] {
            #expect(!SentinelView.isFailingOver(state: state))
        }
    }

    private func bulk(_ texts: String...) -> RESPValue { .array(texts.map { .bulk(Array($0.utf8)) }) }

    @Test func readsWhatASentinelSays() {
        let state = bulk("name", "mymaster", "ip", "10.0.0.7", "port", "6380", "config-epoch", "12")
        #expect(
            SentinelView.master(address: bulk("10.0.0.2", "6379"), state: state)
                == SentinelView.Master(host: "10.0.0.2", port: 6379, epoch: 12))
    }

    @Test func whatIsNoAnswerIsNone() {
        let state = bulk("config-epoch", "12")
        for address in [
            bulk("10.0.0.2"), bulk("", "6379"), bulk("10.0.0.2", "0"), bulk("10.0.0.2", "65536"), bulk("a b", "6379"),
            bulk(String(repeating: "x", count: 256), "6379"), .bulk(nil), .integer(1),
            .array([.integer(1), .integer(2)]),
        ] {
            #expect(SentinelView.master(address: address, state: state) == nil)
        }
        for state in [bulk(), bulk("config-epoch"), bulk("config-epoch", "-1"), bulk("other", "12"), .bulk(nil)] {
            #expect(SentinelView.master(address: bulk("10.0.0.2", "6379"), state: state) == nil)
        }
    }
}
