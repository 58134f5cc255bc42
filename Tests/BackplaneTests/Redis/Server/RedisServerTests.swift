import Codec
import Reactor
import Synchronization
import Testing

@testable import Backplane

/// One server, played by the test.
@Suite struct RedisServerTests {
    private let news = ContractRig.channel("news")

    private static func rig(
        _ redis: ScriptedRedis, isLinked: Bool = true, _ test: (ContractRig) async throws -> Void
    ) async throws {
        try await ContractRig(NodeID(1)) {
            try RedisBackplane(
                home: $0, node: $1, name: "one", configuration: redis.configuration,
                wallClock: { WallClock.milliseconds })
        }.run(isLinked: isLinked, test)
        await redis.stop()
    }

    /// Whether a command publishes to a channel of the test.
    private static func isPublication(_ words: [String]) -> Bool {
        words[0] == "PUBLISH" && words[1].hasSuffix("c:news")
    }

    @Test func aReplicaIsLeftUntilItIsAMaster() async throws {
        let redis = try ScriptedRedis { $0[0] == "ROLE" ? .text("*2\r\n$5\r\nslave\r\n$1\r\nx\r\n") : .usual }
        try await Self.rig(redis, isLinked: false) { rig in
            await rig.until("it says so") { $0.recorder.said.contains { $0.contains("says it is a slave") } }
            #expect(await rig.reactor.perform { rig.recorder.phases.contains(.linked) } == false)
            await redis.answer(nil)
            await rig.until("it is linked") { $0.recorder.phases.last == .linked }
        }
    }

    @Test func aServerThatReadsItsFileIsAskedAgain() async throws {
        let greetings = Mutex(0)
        let redis = try ScriptedRedis { words in
            if words[0] == "CLIENT" { greetings.withLock { $0 += 1 } }
            return greetings.withLock { $0 } <= 2 && words[0] != "CLIENT"
                ? .text("-LOADING Redis is loading\r\n") : .usual
        }
        try await Self.rig(redis) { rig in
            #expect(await rig.reactor.perform { rig.recorder.said.contains { $0.contains("is busy") } })
            // On the same connections.
            #expect(await rig.reactor.perform { rig.backplane.link.reconnects } == 0)
        }
    }

    @Test func whatIsUnansweredIsNeitherClaimedNorDoubled() async throws {
        let news = news
        let redis = try ScriptedRedis()
        try await Self.rig(redis) { rig in
            let calls = Mutex(0)
            await redis.answer { words in
                if Self.isPublication(words) { return .nothing }
                guard words[0] == "EVALSHA" else { return .usual }
                // The first one is there, and the connection ends without an answer to either.
                return calls.withLock { calls in
                    calls += 1
                    return calls == 1 ? .close : .usual
                }
            }
            await rig.reactor.perform {
                rig.backplane.publish(rig.publication("plain", to: news), history: nil, ticket: .waiter(1))
                rig.backplane.publish(rig.publication("keyed", to: news, key: "k"), history: nil, ticket: .waiter(2))
            }
            await rig.until("both are answered") { $0.recorder.outcomes.count == 2 }
            let outcomes = await rig.reactor.perform { rig.recorder.outcomes }
            #expect(outcomes[1] == [.refused(.unknown)], "nobody knows whether it was published")
            #expect(outcomes[2] == [.accepted(nil)], "it was sent again, by its key")
        }
    }

    @Test func aScriptThatWasForgottenIsLoadedAndCalledAgain() async throws {
        let news = news
        let redis = try ScriptedRedis()
        try await Self.rig(redis) { rig in
            // Scripts are loaded at most once a second, and they were just now.
            let begin = MonotonicTime.now()
            var waiter: UInt64 = 1
            while MonotonicTime.now() - begin < .milliseconds(1100) {
                #expect(await rig.publishAndWait("a", to: news, key: "k", waiter: waiter) == .accepted(nil))
                waiter += 1
            }
            let calls = Mutex<[String]>([])
            await redis.answer { words in
                guard words[0] == "EVALSHA" || words[0] == "SCRIPT" else { return .usual }
                let isFirst = calls.withLock { calls in
                    calls.append(words[0])
                    return calls.count == 1
                }
                return isFirst ? .text("-NOSCRIPT No matching script\r\n") : .usual
            }
            #expect(await rig.publishAndWait("b", to: news, key: "l", waiter: waiter) == .accepted(nil))
            #expect(calls.withLock { $0.first == "EVALSHA" && $0.last == "EVALSHA" && $0.contains("SCRIPT") })
        }
    }

    @Test func withoutItsOwnBeatsANodeIsIsolated() async throws {
        let news = news
        let redis = try ScriptedRedis()
        try await Self.rig(redis) { rig in
            await redis.answer { $0[0] == "PUBLISH" && $0[1] == "test:beat" ? .text(":0\r\n") : .usual }
            await rig.until("its connections are open and it notices all the same") {
                $0.recorder.phases.last == .isolated
            }
            await rig.publish("a", to: news, waiter: 1)
            #expect(await rig.reactor.perform { rig.backplane.link.waiting } == 1)
            await redis.answer(nil)
            await rig.until("it goes on") { $0.recorder.outcomes[1] == [.accepted(nil)] }
        }
    }

    /// Redis has lost its data, and of two nodes that store the layout again at the same time one is the first.
    @Test func theLayoutIsAskedForAgainWhenAnotherNodeHasStoredIt() async throws {
        let redis = try ScriptedRedis()
        try await Self.rig(redis) { rig in
            let isStored = Mutex(false)
            await redis.answer { words in
                if words[0] == "GET" { return isStored.withLock { $0 } ? .usual : .text("$-1\r\n") }
                guard words[0] == "SET", words.last == "NX" else { return .usual }
                isStored.withLock { $0 = true }
                return .text("$-1\r\n")
            }
            await redis.closeAll()
            await rig.until("it is linked again") { $0.recorder.phases == [.linked, .isolated, .linked] }
            #expect(isStored.withLock { $0 })
            #expect(
                await rig.reactor.perform { rig.backplane.link.reconnects } == 2,
                "and no connection was given up for that")
        }
    }

    @Test func whatNobodyAskedForEndsTheConnection() async throws {
        let redis = try ScriptedRedis()
        try await Self.rig(redis) { rig in
            // Between two looks for dead nodes, of which there is one a second. Else it is taken for the answer to one of these questions,
            // and the connection for commands ends later than the other.
            let looks = Mutex(0)
            await redis.answer { words in
                if words[0] == "SMEMBERS" { looks.withLock { $0 += 1 } }
                return .usual
            }
            await rig.until("it has looked, and nothing is asked") {
                looks.withLock { $0 } > 0
                    && ($0.backplane as? RedisBackplane)?.topology.servers.allSatisfy { $0.replies.count == 0 } ?? false
            }
            await redis.send(toAll: ":7\r\n")
            await rig.until("both connections are made anew") { $0.backplane.link.reconnects >= 2 }
            await rig.until("it is linked again") { $0.recorder.phases == [.linked, .isolated, .linked] }
        }
    }

    @Test func aRefusedChannelCostsNobodyElse() async throws {
        let news = news
        let other = ContractRig.channel("other")
        let redis = try ScriptedRedis { words in
            words[0] == "SUBSCRIBE" && words.contains { $0.hasSuffix("c:news") } ? .text("-NOPERM no\r\n") : .usual
        }
        try await Self.rig(redis) { rig in
            await rig.reactor.perform { rig.backplane.addInterest(news) }
            await rig.addInterest(other)
            await rig.until("it says so") { $0.recorder.said.contains { $0.contains("refused the subscription") } }
            #expect(await rig.publishAndWait("a", to: other, waiter: 1) == .accepted(nil))
            await rig.until("it is delivered") { $0.recorder.payloads(of: other) == ["a"] }
            #expect(await rig.reactor.perform { rig.recorder.count(.held, of: news) } == 0)
        }
    }
}
