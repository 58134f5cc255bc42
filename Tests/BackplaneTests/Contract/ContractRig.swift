import Codec
import Reactor
import Testing

@testable import Backplane

/// A backplane on a reactor of its own, and all that it told.
final class ContractRig: Sendable {
    enum Kind: String, CaseIterable, CustomTestStringConvertible, Sendable {
        case memory, redis

        var testDescription: String { rawValue }

        /// Those that can be tried here; `RedisContractTests` says it when Redis is not among them.
        static var available: [Kind] { RedisProcess.program == nil ? [.memory] : allCases }
    }

    let reactor: Reactor
    let recorder: Recorder
    let backplane: any Backplane
    let node: NodeID

    init(_ node: NodeID = NodeID(1), make: (Reactor, NodeID) throws -> any Backplane) throws {
        self.node = node
        reactor = try Reactor(index: 0, name: "test")
        recorder = Recorder(home: reactor)
        backplane = try make(reactor, node)
    }

    /// A backplane of a kind that is linked, with whatever it needs; all of it ends with the test.
    static func with(
        _ kind: Kind, at location: SourceLocation = #_sourceLocation, _ test: (ContractRig) async throws -> Void
    ) async throws {
        switch kind {
        case .memory:
            try await ContractRig { MemoryBackplane(home: $0, node: $1, name: "one", wallClock: 0) }
                .run(at: location, test)
        case .redis:
            let redis = try RedisProcess()
            defer { redis.stop() }
            try await ContractRig.redis(redis).run(at: location, test)
        }
    }

    static func redis(_ redis: RedisProcess, _ node: NodeID = NodeID(1)) throws -> ContractRig {
        try ContractRig(node) {
            try RedisBackplane(
                home: $0, node: $1, name: "node-\($1.value)", configuration: redis.configuration(),
                wallClock: { WallClock.milliseconds })
        }
    }

    func run(
        isLinked: Bool = true, at location: SourceLocation = #_sourceLocation,
        _ test: (ContractRig) async throws -> Void
    ) async throws {
        reactor.start()
        await reactor.perform { self.backplane.start(receiver: self.recorder) }
        if isLinked { await until("it is linked", at: location) { $0.recorder.phases.last == .linked } }
        do {
            try await test(self)
        } catch {
            await stop()
            throw error
        }
        await stop()
    }

    private func stop() async {
        await withCheckedContinuation { continuation in
            reactor.post { self.backplane.stop { continuation.resume() } }
        }
        reactor.stop()
    }

    /// Ends without a word, as a node does that is killed.
    func die() async {
        await reactor.perform { (self.backplane as? RedisBackplane)?.topology.stop() }
        reactor.stop()
    }

    /// Waits for something to come true, and says it when it does not.
    func until(
        _ what: Comment, at location: SourceLocation = #_sourceLocation,
        _ condition: @escaping @Sendable (ContractRig) -> Bool
    ) async {
        let came = await recorder.until { condition(self) }
        #expect(came, what, sourceLocation: location)
    }

    // MARK: What a node does

    static func channel(_ name: String) -> ChannelName { ChannelName(trusted: Array(name.utf8)) }

    func publication(_ text: String, to channel: ChannelName, key: String? = nil) -> Publication {
        Publication(
            channel: channel, kind: .text, payload: Array(text.utf8), origin: node,
            extras: key.map { Publication.Extras(idempotencyKey: Array($0.utf8)) })
    }

    func publish(
        _ text: String, to channel: ChannelName, history: HistorySettings? = nil, key: String? = nil, waiter: UInt64
    ) async {
        await reactor.perform {
            self.backplane.publish(
                self.publication(text, to: channel, key: key), history: history, ticket: .waiter(waiter))
        }
    }

    /// Publishes, and waits for the outcome.
    func publishAndWait(
        _ text: String, to channel: ChannelName, history: HistorySettings? = nil, key: String? = nil, waiter: UInt64,
        at location: SourceLocation = #_sourceLocation
    ) async -> PublishOutcome? {
        await publish(text, to: channel, history: history, key: key, waiter: waiter)
        await until("publish \(waiter) is answered", at: location) { $0.recorder.outcomes[waiter] != nil }
        return await reactor.perform { self.recorder.outcomes[waiter]?.first }
    }

    /// Holds a channel, and waits for the answer.
    func addInterest(_ channel: ChannelName, at location: SourceLocation = #_sourceLocation) async {
        let before = await reactor.perform {
            let before = self.recorder.count(.held, of: channel)
            self.backplane.addInterest(channel)
            return before
        }
        await until("\(channel) is held", at: location) { $0.recorder.count(.held, of: channel) > before }
    }

    func read(_ query: HistoryQuery) async -> Result<HistoryPage, PublishRefusal> {
        await withCheckedContinuation { continuation in
            reactor.post { self.backplane.read(query) { continuation.resume(returning: $0) } }
        }
    }

    func read(
        _ channel: ChannelName, _ settings: HistorySettings, since: Position? = nil, limit: Int = 1000,
        isReverse: Bool = false
    ) async throws -> HistoryPage {
        try await read(
            HistoryQuery(channel: channel, settings: settings, since: since, limit: limit, isReverse: isReverse)
        ).get()
    }

    func markLost(_ position: Position, in channel: ChannelName) async -> Result<Void, PublishRefusal> {
        await withCheckedContinuation { continuation in
            reactor.post { self.backplane.markLost(position, in: channel) { continuation.resume(returning: $0) } }
        }
    }

    func remove(_ channel: ChannelName) async -> Result<Void, PublishRefusal> {
        await withCheckedContinuation { continuation in
            reactor.post { self.backplane.removeHistory(of: channel) { continuation.resume(returning: $0) } }
        }
    }

    func presence(_ channel: ChannelName, _ view: PresenceQuery.View = .clients, limit: Int = 100) async throws
        -> PresencePage
    {
        try await withCheckedContinuation { continuation in
            reactor.post {
                self.backplane.presence(PresenceQuery(channel: channel, view: view, limit: limit)) {
                    continuation.resume(returning: $0)
                }
            }
        }.get()
    }

    /// Asks who is present until it is so many sessions, of so many users.
    func untilPresent(
        _ channel: ChannelName, clients: Int, users: Int, at location: SourceLocation = #_sourceLocation
    ) async throws {
        let deadline = MonotonicTime.now() + .seconds(40)
        var counts = PresenceCounts.nobody
        repeat {
            counts = try await presence(channel, .count).counts
        } while counts != PresenceCounts(ours: clients, users: users) && .now() < deadline
        #expect(counts == PresenceCounts(ours: clients, users: users), sourceLocation: location)
    }

    func member(_ number: UInt64, user: String? = nil) -> PresenceMember {
        PresenceMember(
            session: SessionID(node: node, locator: number, secret: .init(high: number, low: 7)),
            user: user.map { Array($0.utf8) }, info: nil)
    }

    func enter(_ member: PresenceMember, _ channel: ChannelName, isPerSession: Bool = false, grace: Int64 = 0) async {
        await reactor.perform {
            self.backplane.enter(
                member, channel, PresenceSettings(announces: true, isPerSession: isPerSession, grace: grace))
        }
    }

    func leave(_ member: PresenceMember, _ channel: ChannelName, isFinal: Bool = true) async {
        await reactor.perform { self.backplane.leave(member.session, channel, isFinal: isFinal) }
    }
}

extension PublishOutcome {
    /// Where an accepted publication is.
    var position: Position? { if case .accepted(let position) = self { position } else { nil } }
}
