import Codec
import Reactor
import Testing

@testable import Backplane

/// Who has which slots, as servers of a cluster say it.
@Suite struct ClusterViewTests {
    private let asked = HostAndPort(host: "seed", port: 7000)

    private func info(_ state: String = "ok", epoch: Int = 3) -> RESPValue {
        .bulk(Array("cluster_state:\(state)\r\ncluster_current_epoch:\(epoch)\r\ncluster_my_epoch:2\r\n".utf8))
    }

    private func place(_ host: String, _ port: Int64) -> RESPValue {
        .array([.bulk(Array(host.utf8)), .integer(port), .bulk(Array("id".utf8)), .array([])])
    }

    private func range(_ first: Int64, _ last: Int64, _ places: RESPValue...) -> RESPValue {
        .array([.integer(first), .integer(last)] + places)
    }

    private func report(_ ranges: RESPValue..., epoch: Int = 3, state: String = "ok") -> ClusterReport? {
        ClusterReport(info: info(state, epoch: epoch), slots: .array(ranges), asked: asked)
    }

    @Test func partitionsAreWhereTheirSlotsAre() throws {
        let found = try #require(
            report(range(0, 8191, place("a", 1), place("c", 3)), range(8192, 16383, place("b", 2))))
        #expect(found.masters[0] == HostAndPort(host: "a", port: 1))
        #expect(found.masters[127] == HostAndPort(host: "b", port: 2))
        #expect(found.masters.count { $0?.host == "a" } == 64)
        #expect(found.servers.map(\.host) == ["a", "b", "c"])
        #expect(found.epoch == 3 && found.isWell)
    }

    @Test func aServerWithoutAHostIsTheOneThatWasAsked() throws {
        let found = try #require(
            report(range(0, 16383, .array([.bulk(nil), .integer(5), .bulk([])]))))
        #expect(found.masters[0] == HostAndPort(host: "seed", port: 5))
    }

    @Test func slotsThatNobodyHasAreNowhere() throws {
        let found = try #require(report(range(0, 99, place("a", 1)), range(300, 16383, place("?", 2))))
        #expect(found.masters.count { $0 != nil } <= 1)
    }

    @Test(arguments: [
        RESPValue.integer(1), .array([.integer(1)]), .array([.array([.integer(0), .integer(1)])]),
        .array([.array([.integer(-1), .integer(1), .array([])])]),
        .array([.array([.integer(5), .integer(1), .array([])])]),
        .array([.array([.integer(0), .integer(16384), .array([])])]),
        .array([.array([.integer(.max), .integer(.max), .array([])])]),
    ])
    func whatIsNoAnswerIsNone(slots: RESPValue) {
        #expect(ClusterReport(info: info(), slots: slots, asked: asked) == nil)
    }

    @Test(arguments: [
        "", "cluster_state:ok", "cluster_current_epoch:-1\ncluster_state:ok",
        "cluster_state:ok\ncluster_current_epoch:99999999999999999999",
    ])
    func withoutAnEpochItIsNone(text: String) {
        #expect(ClusterReport(info: .bulk(Array(text.utf8)), slots: .array([]), asked: asked) == nil)
    }

    @Test func badPlacesAreNowhere() throws {
        for port in [Int64(0), -1, 65536, .max] {
            let found = try #require(report(range(0, 16383, place("a", port))))
            #expect(found.masters.allSatisfy { $0 == nil })
        }
        let found = try #require(report(range(0, 16383, place("a b", 1))))
        #expect(found.masters.allSatisfy { $0 == nil })
    }

    @Test func theNewestEpochCounts() throws {
        var view = ClusterView()
        let now = MonotonicTime(nanoseconds: 1_000_000_000)
        let old = try #require(report(range(0, 16383, place("a", 1)), epoch: 3))
        let new = try #require(report(range(0, 16383, place("b", 2)), epoch: 4))
        check(view.heard(old, now: now))
        check(view.heard(new, now: now))
        check(!view.heard(old, now: now) && view.report == new)
    }

    @Test func aServerInTroubleDoesNotOutdoAWellOne() throws {
        var view = ClusterView()
        let now = MonotonicTime(nanoseconds: 1_000_000_000)
        let well = try #require(report(range(0, 16383, place("a", 1))))
        let ill = try #require(report(range(0, 16383, place("b", 2)), state: "fail"))
        check(view.heard(well, now: now))
        check(!view.heard(ill, now: now + .seconds(1)))
        check(view.heard(ill, now: now + .seconds(5)))
    }

    @Test func aPartitionThatMovedIsThere() throws {
        var view = ClusterView()
        let well = try #require(report(range(0, 16383, place("a", 1))))
        check(view.heard(well, now: MonotonicTime(nanoseconds: 1)))
        let now = MonotonicTime(nanoseconds: 2)
        view.moved(5, to: HostAndPort(host: "n", port: 9), now: now)
        view.moved(500, to: HostAndPort(host: "x", port: 9), now: now)
        #expect(view.report?.masters[5] == HostAndPort(host: "n", port: 9))
        #expect(view.report?.masters[6] == HostAndPort(host: "a", port: 1))
        #expect(view.report?.servers.map(\.host) == ["a", "n"])
        // Another server has not heard of it yet.
        check(view.heard(well, now: now))
        #expect(view.report?.masters[5] == HostAndPort(host: "n", port: 9))
        // It should have by now; or it has heard of something later.
        check(view.heard(well, now: now + .seconds(2)))
        #expect(view.report?.masters[5] == HostAndPort(host: "a", port: 1))
        view.moved(5, to: HostAndPort(host: "n", port: 9), now: now)
        let later = try #require(report(range(0, 16383, place("a", 1)), epoch: 4))
        check(view.heard(later, now: now))
        #expect(view.report?.masters[5] == HostAndPort(host: "a", port: 1))
    }

    @Test func redirects() {
        let there = HostAndPort(host: "10.0.0.7", port: 7001)
        #expect(ClusterRedirect("MOVED 3999 10.0.0.7:7001", asked: "h") == .moved(slot: 3999, there))
        #expect(
            ClusterRedirect("MOVED 3999 :7001", asked: "h") == .moved(slot: 3999, HostAndPort(host: "h", port: 7001)))
        for text in ["ASK 3999 10.0.0.7:7001", "TRYAGAIN Multiple keys", "CLUSTERDOWN Hash slot not served"] {
            #expect(ClusterRedirect(text, asked: "h") == .later)
        }
        for text in ["MOVED", "MOVED x y", "MOVED 99999 a:1", "MOVED 1 a:0", "MOVED 1 a", "MOVED 1 ?:5", "ERR no"] {
            #expect(ClusterRedirect(text, asked: "h") == nil)
        }
    }
}
