import Reactor
import Testing

@testable import Client

/// Members that a server sends away.
struct SwarmReturningTests {
    private static let goingAway: [UInt8] = [0x88, 2, 0x03, 0xE9]
    private static let tryAgainLater: [UInt8] = [0x88, 2, 0x03, 0xF5]

    /// Runs a member whose first server sends this, until it has gone from there; what became of it.
    private func run(_ bytes: [UInt8], returns: Bool) async throws -> ClientSwarm.Status {
        let first = try ScriptedServer([.send(bytes), .close])
        // It stays until the client goes.
        let second = try ScriptedServer([.receive(1)])
        let reactor = try Reactor(index: 0, name: "test")
        var configuration = ClientSwarm.Configuration(targets: [first.target, second.target], members: 1)
        configuration.returns = returns
        let swarm = ClientSwarm(reactor: reactor, configuration: configuration)
        reactor.start()
        reactor.post { swarm.connect() }
        _ = first.finish()
        while await reactor.perform({ swarm.status.lost + swarm.status.returned + swarm.status.failed }) == 0 {
            await Task.yield()
        }
        let status = await reactor.perform { swarm.status }
        await reactor.perform { swarm.close() }
        reactor.stop()
        return status
    }

    @Test func whoIsToldToComeBackComesBackToAnotherServer() async throws {
        let status = try await run(Self.goingAway, returns: true)
        #expect(status.open == 1 && status.returned == 1 && status.away == 0)
        #expect(status.lost == 0 && status.failed == 0 && status.firstError == nil)
    }

    @Test func whoIsSentAwayForAnotherReasonIsLost() async throws {
        let status = try await run(Self.tryAgainLater, returns: true)
        #expect(status.open == 0 && status.lost == 1 && status.returned == 0)
        #expect(status.firstError?.contains("1013") == true)
    }

    @Test func nobodyComesBackWhereThatIsNotWanted() async throws {
        let status = try await run(Self.goingAway, returns: false)
        #expect(status.lost == 1 && status.returned == 0)
    }
}
