import Codec
import Reactor
import Testing

@testable import Backplane

/// What Redis adds: several nodes, and a server that goes and comes back.
@Suite(.enabled(if: RedisProcess.program != nil, "\(RedisProcess.isMissing)"))
struct RedisContractTests {
    private let news = ContractRig.channel("news")
    private let settings = HistorySettings(size: 100, timeToLive: 3_600_000)

    private static func two(
        _ test: (ContractRig, ContractRig) async throws -> Void
    ) async throws {
        let redis = try RedisProcess()
        defer { redis.stop() }
        try await ContractRig.redis(redis, NodeID(1)).run { one in
            try await ContractRig.redis(redis, NodeID(2)).run { two in
                for rig in [one, two] { await rig.until("they know each other") { $0.backplane.nodes.count == 2 } }
                try await test(one, two)
            }
            await one.until("the farewell is heard") { $0.recorder.nodesGone == [NodeID(2)] }
        }
    }

    @Test func everyNodeSeesTheSameOrder() async throws {
        let news = news
        try await Self.two { one, two in
            let rigs = [one, two]
            for rig in rigs { await rig.addInterest(news) }
            for rig in rigs {
                await rig.reactor.perform {
                    for number in 1...500 as ClosedRange<UInt64> {
                        rig.backplane.publish(
                            rig.publication("\(rig.node.value)-\(number)", to: news), history: nil,
                            ticket: .waiter(number))
                    }
                }
            }
            for rig in rigs { await rig.until("all are here") { $0.recorder.payloads(of: news).count == 1000 } }
            let first = await one.reactor.perform { one.recorder.payloads(of: news) }
            let second = await two.reactor.perform { two.recorder.payloads(of: news) }
            #expect(first == second)
            for node in 1...2 {
                #expect(first.filter { $0.hasPrefix("\(node)-") } == (1...500).map { "\(node)-\($0)" })
            }
        }
    }

    @Test func nodesShareHistoryPresenceAndQuestions() async throws {
        let (news, settings) = (news, settings)
        try await Self.two { one, two in
            let outcome = await one.publishAndWait("a", to: news, history: settings, waiter: 1)
            let position = try #require(outcome?.position)
            #expect(try await two.read(news, settings).publications.map(\.position) == [position])
            await one.enter(one.member(1, user: "ada"), news)
            await two.enter(two.member(2, user: "ada"), news)
            for rig in [one, two] { try await rig.untilPresent(news, clients: 2, users: 1) }
            await two.leave(two.member(2, user: "ada"), news)
            try await one.untilPresent(news, clients: 1, users: 1)
            // To the other alone, and to one of its sessions.
            await one.reactor.perform { one.backplane.ask([7], id: 3, to: [NodeID(2)]) }
            await two.until("it is asked") { $0.recorder.questions.map(\.id) == [3] }
            await two.reactor.perform { two.backplane.answer([8], id: 3, to: NodeID(1)) }
            await one.until("it is answered") { $0.recorder.answers.map(\.from) == [NodeID(2)] }
            let session = ChannelName.connection(two.member(2).session)
            #expect(await one.publishAndWait("to you", to: session, waiter: 2) == .accepted(nil))
            await two.until("it is delivered there") { $0.recorder.payloads(of: session) == ["to you"] }
            #expect(await one.reactor.perform { one.recorder.payloads(of: session) } == [])
        }
    }

    @Test func aLossIsNotedForEverybody() async throws {
        let (news, settings) = (news, settings)
        try await Self.two { one, two in
            for rig in [one, two] { await rig.addInterest(news) }
            let outcome = await one.publishAndWait("a", to: news, history: settings, waiter: 1)
            let position = try #require(outcome?.position)
            let lost = Position(epoch: position.epoch, offset: 5)
            if case .failure(let refusal) = await two.markLost(lost, in: news) { Issue.record("\(refusal)") }
            for rig in [one, two] { await rig.until("it is noted") { $0.recorder.losses == [news] } }
            #expect(try await !one.read(news, settings, since: position).isContinuous)
            #expect(try await one.read(news, settings).top.epoch != position.epoch)
        }
    }

    @Test func whatWaitsForALostServerIsSentToTheNextOne() async throws {
        let news = news
        let redis = try RedisProcess()
        defer { redis.stop() }
        try await ContractRig.redis(redis).run { rig in
            await rig.addInterest(news)
            #expect(await rig.publishAndWait("a", to: news, waiter: 1) == .accepted(nil))
            await rig.until("it is delivered") { $0.recorder.payloads(of: news) == ["a"] }
            redis.kill()
            await rig.until("it is noticed") { $0.recorder.phases.last == .isolated }
            await rig.publish("b", to: news, waiter: 2)
            await rig.publish("c", to: news, waiter: 3)
            #expect(await rig.reactor.perform { rig.backplane.link.waiting } == 2)
            try redis.start()
            await rig.until("it goes on where it was") { $0.recorder.payloads(of: news) == ["a", "b", "c"] }
            let outcomes = await rig.reactor.perform { (rig.recorder.outcomes[2], rig.recorder.outcomes[3]) }
            #expect(outcomes.0 == [.accepted(nil)] && outcomes.1 == [.accepted(nil)])
            let phases = await rig.reactor.perform { rig.recorder.phases }
            #expect(phases == [.linked, .isolated, .linked])
            // It is not said again for what was held all the time.
            #expect(await rig.reactor.perform { rig.recorder.count(.held, of: news) } == 1)
        }
    }

    @Test func anotherServerBeginsAnotherEpoch() async throws {
        let (news, settings) = (news, settings)
        let redis = try RedisProcess()
        defer { redis.stop() }
        try await ContractRig.redis(redis).run { rig in
            let before = await rig.publishAndWait("a", to: news, history: settings, waiter: 1)
            let first = try #require(before?.position)
            redis.kill()
            await rig.until("it is noticed") { $0.recorder.phases.last == .isolated }
            try redis.start()
            await rig.until("it is linked again") { $0.recorder.phases.last == .linked }
            // Nothing was kept, and the node had acknowledged something: that is noted, whoever asks.
            let after = await rig.publishAndWait("b", to: news, history: settings, waiter: 2)
            let second = try #require(after?.position)
            #expect(second.epoch != first.epoch && second.offset == 1)
            #expect(try await !rig.read(news, settings, since: first).isContinuous)
            await rig.until("the loss is noted") { $0.backplane.link.lossesNoted == 1 }
        }
    }

    @Test func withoutAServerEachPublishIsAnswered() async throws {
        let news = news
        try await ContractRig(NodeID(1)) {
            var configuration = RedisConfiguration(endpoint: .unix(path: "/nonexistent/redis.sock"))
            configuration.publishWait = .milliseconds(200)
            configuration.publishBufferBytes = 1000
            return try RedisBackplane(
                home: $0, node: $1, name: "alone", configuration: configuration, wallClock: { WallClock.milliseconds })
        }.run(isLinked: false) { rig in
            await rig.publish("a", to: news, waiter: 1)
            await rig.publish(String(repeating: "x", count: 2000), to: news, waiter: 2)
            await rig.until("what has waited too long is refused") { $0.recorder.outcomes.count == 2 }
            let outcomes = await rig.reactor.perform { rig.recorder.outcomes }
            #expect(outcomes[1] == [.refused(.isolated)] && outcomes[2] == [.refused(.bufferFull)])
            #expect(await rig.publishAndWait("b", to: news, waiter: 3) == .refused(.isolated))
            if case .success = await rig.read(HistoryQuery(channel: news, settings: settings, limit: 1)) {
                Issue.record("there is nothing to read from")
            }
        }
    }
}
