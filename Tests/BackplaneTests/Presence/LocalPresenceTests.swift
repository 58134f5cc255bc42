import Codec
import Reactor
import Testing

@testable import Backplane

@Suite struct LocalPresenceTests {
    private let room = ChannelName(trusted: Array("room".utf8))
    private let settings = PresenceSettings(announces: true, grace: 1000)
    private let start = MonotonicTime(nanoseconds: 1_000_000_000)

    private func member(_ number: UInt64, _ user: String? = nil) -> PresenceMember {
        PresenceMember(
            session: SessionID(node: NodeID(7), locator: number, secret: .init(high: number, low: 1)),
            user: user.map { Array($0.utf8) }, info: nil)
    }

    private func count(_ presence: LocalPresence) -> [Int] {
        let page = presence.page(PresenceQuery(channel: room, view: .count, limit: 0))
        return [page.clients, page.users]
    }

    @Test func countsSessionsAndUsers() {
        var presence = LocalPresence()
        let entered = [member(1, "ann"), member(2, "ann"), member(3), member(3)].map {
            presence.entered($0, room, settings)
        }
        #expect(entered == [true, true, true, false])
        #expect(count(presence) == [3, 2])
        #expect(presence.count == 3)
    }

    @Test func theLastSessionOfAUserLeavesAfterTheGrace() {
        var presence = LocalPresence()
        for one in [member(1, "ann"), member(2, "ann")] { _ = presence.entered(one, room, settings) }
        let first = presence.left(member(1).session, room, isFinal: false, now: start)
        #expect(first?.isLast == false)
        let second = presence.left(member(2).session, room, isFinal: false, now: start)
        #expect(second == nil && presence.isAnybodyLeaving)
        #expect(count(presence) == [1, 1])
        let early = presence.expired(now: start + .milliseconds(999))
        #expect(early.isEmpty)
        let late = presence.expired(now: start + .milliseconds(1000))
        #expect(late.map(\.isLast) == [true] && late.map(\.member) == [member(2, "ann")])
        #expect(count(presence) == [0, 0] && !presence.isAnybodyLeaving && presence.count == 0)
    }

    @Test func whoeverIsBackInTimeHasNotLeft() {
        var presence = LocalPresence()
        _ = presence.entered(member(1, "ann"), room, settings)
        _ = presence.left(member(1).session, room, isFinal: false, now: start)
        _ = presence.entered(member(2, "ann"), room, settings)
        let over = presence.expired(now: start + .seconds(2))
        // The old session is gone, the user is not.
        #expect(over.map(\.isLast) == [false])
        #expect(count(presence) == [1, 1])
    }

    @Test func whoeverSaysSoLeavesAtOnce() {
        var presence = LocalPresence()
        _ = presence.entered(member(1, "ann"), room, settings)
        let departure = presence.left(member(1).session, room, isFinal: true, now: start)
        #expect(departure?.isLast == true)
        let again = presence.left(member(1).session, room, isFinal: true, now: start)
        #expect(again == nil)
        _ = presence.entered(member(1), room, PresenceSettings(announces: true, grace: 0))
        let none = presence.left(member(1).session, room, isFinal: false, now: start)
        #expect(none?.isLast == true)
    }

    @Test func pagesGoOnWhereTheLastOneEnded() {
        var presence = LocalPresence()
        for number in 0..<25 {
            _ = presence.entered(member(UInt64(number), number % 5 == 0 ? nil : "u\(number % 7)"), room, settings)
        }
        for view in [PresenceQuery.View.clients, .users] {
            var found: [[UInt8]] = []
            while true {
                let page = presence.page(PresenceQuery(channel: room, view: view, after: found.last, limit: 4))
                let next = view == .users ? page.keys : page.members.map { PresenceMember.start(of: $0.session) }
                if next.isEmpty { break }
                found += next
            }
            #expect(Set(found).count == found.count)
            #expect(found.count == (view == .users ? count(presence)[1] : 25))
        }
    }
}
