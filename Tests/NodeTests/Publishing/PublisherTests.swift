import Backplane
import Codec
import Reactor
import Testing

@testable import Node

/// The one door for what the control plane publishes.
@Suite struct PublisherTests {
    private func name(_ text: String) -> ChannelName { ChannelName(trusted: Array(text.utf8)) }

    /// An exchange on a reactor of its own, with everything in memory.
    private func with(_ test: (NodePublisher) async throws -> Void) async throws {
        let reactor = try Reactor(index: 0, name: "test")
        let backplane = MemoryBackplane(home: reactor, node: NodeID(7), name: "test", wallClock: 0)
        let rules = [
            ChannelRule(match: ChannelPattern("kept:*"), history: HistorySettings(size: 1000, timeToLive: 3_600_000))
        ]
        let exchange = Exchange(home: reactor, backplane: backplane, rules: ChannelRules(rules), messageBytes: 1000)
        exchange.attach([])
        let inbox = BackplaneInbox(exchange: exchange, backplane: backplane, clock: { 0 })
        reactor.start()
        await reactor.perform { backplane.start(receiver: inbox) }
        try await test(NodePublisher(exchange: exchange, origin: NodeID(7)))
        reactor.stop()
        withExtendedLifetime(inbox) {}
    }

    @Test func answersForEachChannelInItsPlace() async throws {
        try await with { publisher in
            let channels = (0..<200).map { name($0 % 2 == 0 ? "kept:\($0)" : "plain:\($0)") }
            let outcomes = await publisher.publish(
                PublishOrder(channels: channels, kind: .json, payload: Array("1".utf8)))
            #expect(outcomes.count == 200 && channels.count > 2 * NodePublisher.window)
            for (index, outcome) in outcomes.enumerated() {
                guard case .accepted(let position) = outcome else {
                    Issue.record("\(outcome)")
                    continue
                }
                #expect(position?.offset == (index % 2 == 0 ? 1 : nil))
            }
            #expect(await publisher.publish(PublishOrder(channels: [], kind: .text, payload: [])).isEmpty)
        }
    }

    @Test func orderIsKeptWithinAChannel() async throws {
        try await with { publisher in
            let channels = Array(repeating: name("kept:1"), count: 150)
            let outcomes = await publisher.publish(PublishOrder(channels: channels, kind: .text, payload: []))
            let offsets = outcomes.compactMap { if case .accepted(let position?) = $0 { position.offset } else { nil } }
            #expect(offsets == (1...150).map { Offset(clamping: $0) })
        }
    }

    @Test func whatIsNotToBeKeptHasNoPosition() async throws {
        try await with { publisher in
            let order = PublishOrder(channels: [name("kept:1")], kind: .text, payload: [], isKept: false)
            #expect(await publisher.publish(order) == [.accepted(nil)])
            let next = PublishOrder(
                channels: [name("kept:1")], kind: .text, payload: [], extras: .init(idempotencyKey: [1]))
            let first = await publisher.publish(next)
            #expect(await publisher.publish(next) == first)
            let offsets = first.map { if case .accepted(let position?) = $0 { position.offset } else { Offset.zero } }
            #expect(offsets == [1])
        }
    }
}
