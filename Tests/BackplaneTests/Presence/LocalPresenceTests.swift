import Codec
import Reactor
import Testing

@testable import Backplane

@Suite struct LocalPresenceTests {
    private let room = ChannelName(trusted: Array("room".utf8))
    private let settings = PresenceSettings(announces: true, grace: 1000)
    private let start = MonotonicTime(nanoseconds: 1_000_000_000)

    private func member(_ number: UInt64, _ user: String? = nil, info: Int = 0) -> PresenceMember {
        PresenceMember(
            session: SessionID(node: NodeID(7), locator: number, secret: .init(high: number, low: 1)),
            user: user.map { Array($0.utf8) },
            info: info == 0 ? nil : Array(("\"" + String(repeating: "x", count: info - 2) + "\"").utf8))
    }

    private func count(_ presence: borrowing LocalPresence) -> [Int] {
        let page = presence.page(PresenceQuery(channel: room, view: .count, limit: 0))
        return [page.clients, page.users]
    }

    @Test func countsSessionsAndUsers() {
        var presence = LocalPresence()
        var entered: [LocalPresence.Arrival] = []
        for one in [member(1, "ann"), member(2, "ann"), member(3), member(3)] {
            entered.append(presence.entered(one, room, settings))
        }
        #expect(entered == [.first, .another, .first, .known])
        check(count(presence) == [3, 2])
        check(presence.count == 3)
    }

    /// A channel got presence while sessions were subscribed, and loses it while they are.
    @Test func nobodyIsToldOfThoseWhoWereThereBefore() {
        var presence = LocalPresence()
        let first = presence.entered(member(1, "ann"), room, settings, isQuiet: true)
        let second = presence.entered(member(2, "bob"), room, settings)
        #expect(first == .first && second == .first)
        let before = presence.member(member(1).session, in: room)
        let after = presence.member(member(2).session, in: room)
        #expect(before?.settings.announces == false && after?.settings.announces == true)
        // Who comes and goes by itself is told of.
        let left = presence.left(member(1).session, room, isFinal: true, now: start)
        #expect(left?.settings.announces == true)
        let gone = presence.leftQuietly(member(2).session, room, now: start)
        #expect(gone?.settings.announces == false && gone?.isLast == true)
        check(presence.count == 0)
    }

    @Test func otherSettingsCountForWhoeverIsThere() {
        var presence = LocalPresence()
        _ = presence.entered(member(1, "ann"), room, settings)
        let again = presence.entered(
            member(1, "ann"), room, PresenceSettings(announces: false, grace: 0), isQuiet: true)
        #expect(again == .known)
        let left = presence.left(member(1).session, room, isFinal: false, now: start)
        #expect(left?.settings.announces == false)
    }

    @Test func theLastSessionOfAUserLeavesAfterTheGrace() {
        var presence = LocalPresence()
        for one in [member(1, "ann"), member(2, "ann")] { _ = presence.entered(one, room, settings) }
        let first = presence.left(member(1).session, room, isFinal: false, now: start)
        #expect(first?.isLast == false)
        let second = presence.left(member(2).session, room, isFinal: false, now: start)
        check(second == nil && presence.isAnybodyLeaving)
        check(count(presence) == [1, 1])
        let early = presence.expired(now: start + .milliseconds(999))
        #expect(early.isEmpty)
        let late = presence.expired(now: start + .milliseconds(1000))
        #expect(late.map(\.isLast) == [true] && late.map(\.member) == [member(2, "ann")])
        check(count(presence) == [0, 0] && !presence.isAnybodyLeaving && presence.count == 0)
    }

    @Test func whoeverIsBackInTimeHasNotLeft() {
        var presence = LocalPresence()
        _ = presence.entered(member(1, "ann"), room, settings)
        _ = presence.left(member(1).session, room, isFinal: false, now: start)
        _ = presence.entered(member(2, "ann"), room, settings)
        let over = presence.expired(now: start + .seconds(2))
        // The old session is gone, the user is not.
        #expect(over.map(\.isLast) == [false])
        check(count(presence) == [1, 1])
        // The same session, which goes again later.
        _ = presence.left(member(2).session, room, isFinal: false, now: start)
        check(presence.entered(member(2, "ann"), room, settings) == .known)
        _ = presence.left(member(2).session, room, isFinal: false, now: start + .milliseconds(500))
        check(presence.expired(now: start + .milliseconds(1000)).isEmpty)
        check(presence.expired(now: start + .milliseconds(1500)).count == 1)
    }

    /// A page that is loaded anew, and anew: each time the grace begins with the last session and not with the first.
    @Test func graceBeginsWithTheLastSessionOfAUser() {
        var presence = LocalPresence()
        for number in 1...4 as ClosedRange<UInt64> {
            let now = start + .milliseconds(300 * Int(number))
            _ = presence.entered(member(number, "ann"), room, settings)
            check(presence.left(member(number).session, room, isFinal: false, now: now) == nil)
            check(presence.expired(now: now + .milliseconds(299)).allSatisfy { !$0.isLast })
        }
        check(presence.expired(now: start + .milliseconds(2000)).allSatisfy { !$0.isLast })
        check(count(presence)[1] == 1)
        check(presence.expired(now: start + .milliseconds(2250)).map(\.isLast) == [true])
        check(presence.count == 0)
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

    @Test func onlySoManyMayBeLeaving() {
        var presence = LocalPresence(maximumLeaving: 100)
        let shared = ChannelName(trusted: Array("shared".utf8))
        for number in 0..<200 as Range<UInt64> { _ = presence.entered(member(number), shared, settings) }
        var atOnce = 0
        // Whoever makes up channels is alone in them, and gets half of it.
        for number in 0..<80 as Range<UInt64> {
            let name = ChannelName(trusted: Array("made-up-\(number)".utf8))
            _ = presence.entered(member(1000 + number), name, settings)
            if presence.left(member(1000 + number).session, name, isFinal: false, now: start) != nil { atOnce += 1 }
        }
        check(atOnce == 30 && presence.cutShort == 30)
        for number in 0..<80 as Range<UInt64> {
            let departure = presence.left(member(number).session, shared, isFinal: false, now: start)
            check((departure == nil) == (number < 50), "\(number)")
        }
        check(presence.cutShort == 60)
        var gone = 0
        while true {
            let some = presence.expired(now: start + .seconds(1)).count
            if some == 0 { break }
            gone += some
        }
        check(gone == 100 && !presence.isAnybodyLeaving && presence.count == 120)
    }

    @Test func aCrowdThatLeavesIsTakenInPortions() {
        var presence = LocalPresence()
        for number in 0..<1000 as Range<UInt64> { _ = presence.entered(member(number), room, settings) }
        for number in 0..<1000 as Range<UInt64> {
            _ = presence.left(member(number).session, room, isFinal: false, now: start)
        }
        var portions: [Int] = []
        repeat { portions.append(presence.expired(now: start + .seconds(2)).count) } while portions.last != 0
        #expect(portions == [256, 256, 256, 232, 0])
    }

    @Test func pagesGoOnWhereTheLastOneEnded() {
        var presence = LocalPresence()
        for number in (0..<1500).shuffled() {
            let user = number % 5 == 0 ? nil : "u\(number % 700)"
            _ = presence.entered(member(UInt64(number), user), room, settings)
        }
        for view in [PresenceQuery.View.clients, .users] {
            var found: [[UInt8]] = []
            while true {
                let page = presence.page(PresenceQuery(channel: room, view: view, after: found.last, limit: 4))
                let next = view == .users ? page.keys : page.members.map { PresenceMember.start(of: $0.session) }
                check(page.end == next.last)
                found += next
                if !page.hasMore { break }
                check(next.count == 4)
            }
            #expect(Set(found).count == found.count)
            check(found.count == (view == .users ? count(presence)[1] : 1500))
            #expect(zip(found, found.dropFirst()).allSatisfy { $0.lexicographicallyPrecedes($1) })
        }
    }

    @Test func everybodyOrNobody() {
        var presence = LocalPresence()
        for number in 0..<8000 as Range<UInt64> { _ = presence.entered(member(number), room, settings) }
        let whole = presence.page(PresenceQuery(channel: room, view: .clients, limit: 1000, isWhole: true))
        #expect(whole.hasMore && whole.members.isEmpty && whole.clients == 8000)
        // It does not depend on how many there are: 100,000 of these would take hours if each sorted them.
        for _ in 0..<100_000 {
            check(presence.page(PresenceQuery(channel: room, view: .clients, limit: 1000, isWhole: true)).hasMore)
        }
        for number in 1000..<8000 as Range<UInt64> {
            _ = presence.left(member(number).session, room, isFinal: true, now: start)
        }
        let rest = presence.page(PresenceQuery(channel: room, view: .clients, limit: 1000, isWhole: true))
        #expect(!rest.hasMore && rest.members.count == 1000)
    }

    @Test func aPageHasOnlySoManyBytes() {
        var presence = LocalPresence()
        for number in 0..<200 as Range<UInt64> { _ = presence.entered(member(number, info: 8192), room, settings) }
        let part = presence.page(PresenceQuery(channel: room, view: .clients, limit: 1000))
        #expect(part.hasMore && part.members.count == PresenceQuery.maximumBytes / (8192 + 34))
        let whole = presence.page(PresenceQuery(channel: room, view: .clients, limit: 1000, isWhole: true))
        #expect(whole.hasMore && whole.members.isEmpty)
    }

    /// 60,000 made-up channels and back: it would take minutes if each end looked at all of them.
    @Test func channelsThatEndCostTheSameHoweverManyThereWere() {
        var presence = LocalPresence()
        for number in 0..<60_000 as Range<UInt64> {
            _ = presence.entered(member(number), ChannelName(trusted: Array("c\(number)".utf8)), settings)
        }
        let began = MonotonicTime.now()
        for number in 0..<60_000 as Range<UInt64> {
            let name = ChannelName(trusted: Array("c\(number)".utf8))
            check(presence.left(member(number).session, name, isFinal: true, now: start)?.isLast == true)
        }
        check(presence.count == 0 && MonotonicTime.now() - began < .seconds(10))
    }

    @Test func readingCreatesNothing() {
        let presence = LocalPresence()
        for view in PresenceQuery.View.allCases {
            let page = presence.page(PresenceQuery(channel: room, view: view, limit: 10, isWhole: true))
            #expect(page.counts == .nobody && !page.hasMore)
        }
        var walk = presence.walk()
        check(presence.next(&walk) == nil)
    }
}
