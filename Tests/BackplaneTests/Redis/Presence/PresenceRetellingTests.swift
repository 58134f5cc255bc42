import Codec
import Reactor
import Synchronization
import Testing

@testable import Backplane

/// A join that Redis took and did not answer: whether it is announced when it is told again.
@Suite struct PresenceRetellingTests {
    private let room = ContractRig.channel("room")

    /// A session enters, the connection ends before the answer, and the session is told again.
    ///
    /// - Parameter next: The `run_id` of Redis after that.
    /// - Returns: For each time the session was told, whether Redis was asked to announce it (ARGV 8 of the script).
    private func announcements(then next: String?, first: ScriptedRedis.Answer) async throws -> [Bool] {
        struct Told {
            var asked: [Bool] = []
            var isOver = false
        }
        let told = Mutex(Told())
        let redis = try ScriptedRedis { words in
            switch words[0] {
            case "INFO":
                guard let next, told.withLock({ $0.isOver }) else { return .usual }
                let text = "# Server\r\nrun_id:\(next)\r\n"
                return .text("$\(text.utf8.count)\r\n\(text)\r\n")
            // 6 keys and 9 arguments behind the script's hash and the number of keys.
            case "EVALSHA" where words.count == 18:
                return told.withLock {
                    $0.asked.append(words[16] == "1")
                    guard $0.asked.count == 1 else { return .text(":1\r\n") }
                    $0.isOver = true
                    return first
                }
            default: return .usual
            }
        }
        try await ContractRig(NodeID(1)) {
            try RedisBackplane(
                home: $0, node: $1, name: "one", configuration: redis.configuration,
                wallClock: { WallClock.milliseconds })
        }.run { rig in
            await rig.enter(rig.member(1), room)
            await rig.until("it is told twice") { _ in told.withLock { $0.asked.count >= 2 } }
        }
        await redis.stop()
        return told.withLock { Array($0.asked.prefix(2)) }
    }

    @Test func theSameServerKnowsWhatItAnnounced() async throws {
        #expect(try await announcements(then: nil, first: .close) == [true, true])
    }

    @Test func anotherServerDoesNotAnnounceItAgain() async throws {
        #expect(try await announcements(then: "another", first: .close) == [true, false])
    }

    @Test func whatWasRefusedWasNotAnnounced() async throws {
        #expect(try await announcements(then: nil, first: .text("-OOM no memory\r\n")) == [true, true])
    }
}
