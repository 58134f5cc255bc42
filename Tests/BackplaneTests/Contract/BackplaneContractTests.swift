import Codec
import Reactor
import Testing

@testable import Backplane

/// What both backplanes promise of publications, interest and questions. Redis is a real server.
@Suite struct BackplaneContractTests {
    private let news = ContractRig.channel("news")
    private let other = ContractRig.channel("other")

    @Test(arguments: ContractRig.Kind.available)
    func linksAndKnowsItself(_ kind: ContractRig.Kind) async throws {
        try await ContractRig.with(kind) { rig in
            await rig.until("it has asked for a summary") { $0.recorder.summaries > 0 }
            let (nodes, kindName, phases) = await rig.reactor.perform {
                (rig.backplane.nodes, rig.backplane.kind, rig.recorder.phases)
            }
            #expect(nodes.map(\.id) == [rig.node] && nodes.first?.isSelf == true)
            #expect(kindName == kind.rawValue)
            #expect(phases.last == .linked)
        }
    }

    @Test(arguments: ContractRig.Kind.available)
    func deliversInOrderAndAnswersEachPublish(_ kind: ContractRig.Kind) async throws {
        let news = news
        try await ContractRig.with(kind) { rig in
            await rig.addInterest(news)
            let count = 2000
            await rig.reactor.perform {
                for number in 1...count {
                    rig.backplane.publish(
                        rig.publication("\(number)", to: news), history: nil, ticket: .waiter(UInt64(number)))
                }
            }
            await rig.until("all are delivered and answered") {
                $0.recorder.payloads(of: news).count >= count && $0.recorder.answeredWaiters.count >= count
            }
            let (payloads, waiters, outcomes) = await rig.reactor.perform {
                (rig.recorder.payloads(of: news), rig.recorder.answeredWaiters, rig.recorder.outcomes)
            }
            #expect(payloads == (1...count).map { "\($0)" })
            #expect(waiters == (1...count).map { UInt64($0) })
            #expect(outcomes.values.allSatisfy { $0 == [.accepted(nil)] })
        }
    }

    @Test(arguments: ContractRig.Kind.available)
    func deliversOnlyWhatIsHeld(_ kind: ContractRig.Kind) async throws {
        let (news, other) = (news, other)
        try await ContractRig.with(kind) { rig in
            await rig.addInterest(news)
            #expect(await rig.publishAndWait("to nobody", to: other, waiter: 1) == .accepted(nil))
            #expect(await rig.publishAndWait("to us", to: news, waiter: 2) == .accepted(nil))
            await rig.until("what is held is delivered") { $0.recorder.payloads(of: news) == ["to us"] }
            #expect(await rig.reactor.perform { rig.recorder.payloads(of: other) } == [])
        }
    }

    @Test(arguments: ContractRig.Kind.available)
    func saysHeldOnceForEachHold(_ kind: ContractRig.Kind) async throws {
        let news = news
        try await ContractRig.with(kind) { rig in
            await rig.addInterest(news)
            _ = await rig.publishAndWait("a", to: news, waiter: 1)
            await rig.until("it is delivered") { $0.recorder.payloads(of: news) == ["a"] }
            #expect(await rig.reactor.perform { rig.recorder.count(.held, of: news) } == 1)
            // Given up and wanted again at once: said again, and nothing is missed.
            await rig.reactor.perform { rig.backplane.dropInterest(news) }
            await rig.addInterest(news)
            _ = await rig.publishAndWait("b", to: news, waiter: 2)
            await rig.until("it goes on") { $0.recorder.payloads(of: news) == ["a", "b"] }
            #expect(await rig.reactor.perform { rig.recorder.count(.held, of: news) } == 2)
        }
    }

    @Test(arguments: ContractRig.Kind.available)
    func whatIsReleasedEnds(_ kind: ContractRig.Kind) async throws {
        let (news, other) = (news, other)
        try await ContractRig.with(kind) { rig in
            await rig.addInterest(news)
            await rig.addInterest(other)
            await rig.reactor.perform { rig.backplane.dropInterest(news) }
            // It may linger. Both come over the same way, so what is not here before the other one does not come.
            let deadline = MonotonicTime.now() + .seconds(20)
            var number: UInt64 = 0
            var hasEnded = false
            while !hasEnded, .now() < deadline {
                number += 1
                let text = "\(number)"
                await rig.publish(text, to: news, waiter: 2 * number)
                await rig.publish(text, to: other, waiter: 2 * number + 1)
                await rig.until("what is held goes on") { $0.recorder.payloads(of: other).last == text }
                hasEnded = await rig.reactor.perform { rig.recorder.payloads(of: news).last != text }
            }
            #expect(hasEnded)
            #expect(await rig.reactor.perform { rig.backplane.link.channels } <= 2)
            // And it is to be had again.
            await rig.addInterest(news)
            _ = await rig.publishAndWait("again", to: news, waiter: 1)
            await rig.until("it is delivered again") { $0.recorder.payloads(of: news).last == "again" }
        }
    }

    @Test(arguments: ContractRig.Kind.available)
    func namesAreBytes(_ kind: ContractRig.Kind) async throws {
        // What Redis takes for a pattern or a hash tag, and names that would be another's key.
        let names = [
            "{news}", "a}b{c", "}", "{", "{}", "*", "news*", "[a-z]", "\\*", "c:news", "test:c:news", "$user:1", "é",
            "e\u{301}",
        ].map(ContractRig.channel)
        let settings = HistorySettings(size: 5, timeToLive: 3_600_000)
        try await ContractRig.with(kind) { rig in
            for name in names { await rig.addInterest(name) }
            for (index, name) in names.enumerated() {
                await rig.publish("\(index)", to: name, history: settings, waiter: UInt64(index + 1))
            }
            for (index, name) in names.enumerated() {
                await rig.until("\(name) has its own") { $0.recorder.payloads(of: name) == ["\(index)"] }
                let page = try await rig.read(name, settings)
                #expect(page.publications.map { String(decoding: $0.payload, as: UTF8.self) } == ["\(index)"])
                #expect(page.top.offset == 1)
            }
        }
    }

    @Test(arguments: ContractRig.Kind.available)
    func everybodyAndASessionAreReachedWithoutInterest(_ kind: ContractRig.Kind) async throws {
        try await ContractRig.with(kind) { rig in
            let session = ChannelName.connection(rig.member(5).session)
            #expect(await rig.publishAndWait("all", to: .all, waiter: 1) == .accepted(nil))
            #expect(await rig.publishAndWait("one", to: session, waiter: 2) == .accepted(nil))
            await rig.until("both are delivered") {
                $0.recorder.payloads(of: .all) == ["all"] && $0.recorder.payloads(of: session) == ["one"]
            }
        }
    }

    @Test(arguments: ContractRig.Kind.available)
    func aKeyIsPublishedOnce(_ kind: ContractRig.Kind) async throws {
        let news = news
        let settings = HistorySettings(size: 10, timeToLive: 3_600_000)
        try await ContractRig.with(kind) { rig in
            await rig.addInterest(news)
            let first = await rig.publishAndWait("a", to: news, history: settings, key: "k", waiter: 1)
            let second = await rig.publishAndWait("b", to: news, history: settings, key: "k", waiter: 2)
            let position = try #require(first?.position)
            #expect(position.offset == 1 && second == first)
            // Without history, too.
            #expect(await rig.publishAndWait("c", to: news, key: "l", waiter: 3) == .accepted(nil))
            #expect(await rig.publishAndWait("d", to: news, key: "l", waiter: 4) == .accepted(nil))
            #expect(await rig.publishAndWait("e", to: news, waiter: 5) == .accepted(nil))
            await rig.until("what is delivered came once") { $0.recorder.payloads(of: news) == ["a", "c", "e"] }
        }
    }

    @Test(arguments: ContractRig.Kind.available)
    func aQuestionToItselfIsAnswered(_ kind: ContractRig.Kind) async throws {
        try await ContractRig.with(kind) { rig in
            await rig.reactor.perform { rig.backplane.ask([1, 2], id: 9, to: [rig.node]) }
            await rig.until("it is asked") { $0.recorder.questions.count == 1 }
            let question = await rig.reactor.perform { rig.recorder.questions.first }
            #expect(question?.id == 9 && question?.body == [1, 2] && question?.from == rig.node)
            await rig.reactor.perform { rig.backplane.answer([3], id: 9, to: rig.node) }
            await rig.until("it is answered") { $0.recorder.answers.count == 1 }
            let answer = await rig.reactor.perform { rig.recorder.answers.first }
            #expect(answer?.body == [3] && answer?.id == 9 && answer?.from == rig.node)
            // Not to others.
            await rig.reactor.perform { rig.backplane.ask([4], id: 10, to: [NodeID(99)]) }
            _ = await rig.publishAndWait("fence", to: .all, waiter: 1)
            await rig.until("the fence is here") { $0.recorder.payloads(of: .all) == ["fence"] }
            #expect(await rig.reactor.perform { rig.recorder.questions.count } == 1)
        }
    }

    @Test(arguments: ContractRig.Kind.available)
    func afterTheEndNothingIsTold(_ kind: ContractRig.Kind) async throws {
        let news = news
        try await ContractRig.with(kind) { rig in
            await rig.addInterest(news)
            let before = await withCheckedContinuation { continuation in
                rig.reactor.post {
                    rig.backplane.stop {
                        rig.reactor.post { continuation.resume(returning: rig.recorder.events.count) }
                    }
                }
            }
            await rig.publish("late", to: news, waiter: 1)
            await rig.reactor.perform {
                rig.backplane.addInterest(news)
                rig.backplane.dropInterest(news)
                rig.backplane.ask([1], id: 1, to: [rig.node])
            }
            await rig.enter(rig.member(1), news)
            await rig.leave(rig.member(1), news)
            let after = await rig.reactor.perform { (rig.recorder.events.count, rig.recorder.questions.count) }
            #expect(after.0 == before && after.1 == 0)
        }
    }
}
