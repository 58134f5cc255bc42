import Codec
import Reactor
import Testing

@testable import Backplane

/// What the other nodes are told: who has to be, and that nobody is forgotten.
@Suite struct PresenceTellingTests {
    private let room = ChannelName(trusted: Array("room".utf8))
    private let settings = PresenceSettings(announces: true, grace: 0)
    private let now = MonotonicTime(nanoseconds: 1_000_000_000)

    private func member(_ number: UInt64, _ user: String? = nil) -> PresenceMember {
        PresenceMember(
            session: SessionID(node: NodeID(7), locator: number, secret: .init(high: number, low: 1)),
            user: user.map { Array($0.utf8) }, info: nil)
    }

    private func name(_ number: Int) -> ChannelName { ChannelName(trusted: Array("room-\(number)".utf8)) }

    @Test func ofWhoeverCameAndWentUnheardNobodyHears() {
        var presence = LocalPresence()
        _ = presence.entered(member(1, "ann"), room, settings)
        check(presence.left(member(1).session, room, isFinal: true, now: now)?.isToBeTold == false)
        _ = presence.entered(member(1, "ann"), room, settings)
        presence.sent(member(1).session, room)
        check(presence.left(member(1).session, room, isFinal: true, now: now)?.isToBeTold == true)
    }

    @Test func aMarkThatIsTakenOverIsTakenBackLater() {
        var presence = LocalPresence()
        _ = presence.entered(member(1, "ann"), room, settings)
        presence.sent(member(1).session, room)
        let first = presence.left(member(1).session, room, isFinal: true, now: now)
        // Before that is told ann is here again, and nobody has heard of her second session.
        _ = presence.entered(member(2, "ann"), room, settings)
        check(first.map { presence.isStillLast($0) } == false)
        let second = presence.left(member(2).session, room, isFinal: true, now: now)
        check(second?.isKnown == false && second?.isToBeTold == true, "the mark of the first session is still there")
        check(second.map { presence.isStillLast($0) } == true)
    }

    @Test func theSameSessionIsBackBeforeItsLeavingWasTold() {
        var presence = LocalPresence()
        _ = presence.entered(member(1), room, settings)
        presence.sent(member(1).session, room)
        let departure = presence.left(member(1).session, room, isFinal: true, now: now)
        _ = presence.entered(member(1), room, settings)
        check(departure.map { presence.isBack($0) } == true)
        check(presence.left(member(1).session, room, isFinal: true, now: now)?.isToBeTold == true)
    }

    /// Whatever happens during a walk, whoever is there all the time is met.
    @Test func aWalkMeetsEverybodyWhoStays() {
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<20 {
            var presence = LocalPresence()
            var staying: Set<[UInt8]> = []
            for number in 0..<2000 as Range<UInt64> {
                _ = presence.entered(member(number), name(Int(number % 97)), settings)
                if number % 3 == 0 { staying.insert(member(number).key) }
            }
            var walk = presence.walk()
            var steps = 0
            while let next = presence.next(&walk) {
                staying.remove(PresenceMember(session: next.session, user: nil, info: nil).key)
                steps += 1
                let number = UInt64.random(in: 0..<2000, using: &generator)
                if number % 3 != 0 {
                    _ = presence.left(member(number).session, name(Int(number % 97)), isFinal: true, now: now)
                    // Its channel may be a new one, and may be gone soon.
                    _ = presence.entered(member(number), name(Int.random(in: 0..<200, using: &generator)), settings)
                }
                // All that are alone in their channels, so that channels end too.
                if steps % 100 == 0 {
                    for other in 0..<2000 as Range<UInt64> where other % 3 != 0 {
                        for place in [97 + Int(other % 103)] {
                            _ = presence.left(member(other).session, name(place), isFinal: true, now: now)
                        }
                    }
                }
                check(steps < 100_000)
                if steps >= 100_000 { return }
            }
            check(staying.isEmpty)
        }
    }

    @Test func leavesGoFirstAndTheListOfArrivalsIsBounded() {
        var presence = LocalPresence()
        var outbox = PresenceOutbox()
        _ = presence.entered(member(1), room, settings)
        presence.sent(member(1).session, room)
        for number in 0..<UInt64(PresenceOutbox.maximumArrivals) + 10 {
            outbox.came(.init(channel: room, session: member(number).session))
        }
        check(outbox.waiting == PresenceOutbox.maximumArrivals && outbox.isIncomplete)
        if let departure = presence.left(member(1).session, room, isFinal: true, now: now) { outbox.left(departure) }
        if case .leave? = outbox.next() {} else { Issue.record("a leave goes first") }
        if case .enter(let place)? = outbox.next() {
            #expect(place.session == member(0).session)
        } else {
            Issue.record("then arrivals, in their order")
        }
        outbox.startOver()
        check(!outbox.isIncomplete && outbox.next() == nil && outbox.waiting == 0)
        for _ in 0..<PresenceOutbox.window { outbox.sent() }
        check(!outbox.hasRoom)
        outbox.answered()
        check(outbox.hasRoom)
    }

    @Test func equalQuestionsShareTheNextRead() {
        var questions = PresenceQuestions()
        let query = PresenceQuery(channel: room, view: .clients, limit: 10, isWhole: true)
        var answers: [String] = []
        func put(_ name: String, _ query: PresenceQuery) -> Bool {
            questions.put(query) { _ in answers.append(name) } == .read
        }
        func answer(_ query: PresenceQuery) {
            for completion in questions.answered(query) { completion(.failure(.isolated)) }
        }
        check(put("a", query) && questions.next() == query && questions.next() == nil)
        // Read before these were put: it is no answer to them.
        for name in ["b", "c", "d"] { check(put(name, query)) }
        check(questions.next() == nil && questions.reads == 1 && questions.count == 4)
        answer(query)
        check(answers == ["a"] && questions.next() == query)
        answer(query)
        check(
            answers == ["a", "b", "c", "d"] && questions.reads == 0 && questions.count == 0 && questions.next() == nil)
        // Different ones do not share, and only so many are under way.
        for number in 0..<100 { check(put("x", PresenceQuery(channel: name(number), view: .count, limit: 0))) }
        var reads = 0
        while questions.next() != nil { reads += 1 }
        check(reads == PresenceQuestions.maximumReads)
        var more = true
        while questions.count < PresenceQuestions.maximum { more = put("y", query) && more }
        check(more && !put("z", query))
    }
}
