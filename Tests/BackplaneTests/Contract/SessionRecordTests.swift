import Codec
import Reactor
import Testing

@testable import Backplane

/// Records of sessions in Redis: who has the last word, and who may go on.
@Suite struct SessionRecordTests {
    private static let id = SessionID.Secret(high: 7, low: 0xFFFF_FFFF_FFFF_FFFF)
    private static let kinds = ContractRig.Kind.available.filter { $0 != .memory }

    private static func ask(
        _ rig: ContractRig, _ request: SessionRecordRequest, of id: SessionID.Secret = id
    ) async throws -> SessionRecordAnswer {
        let result = await withCheckedContinuation { continuation in
            rig.reactor.post { rig.backplane.record(request, of: id) { continuation.resume(returning: $0) } }
        }
        return try result.get()
    }

    private static func check(
        _ rig: ContractRig, _ request: SessionRecordRequest, _ expected: SessionRecordAnswer,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let answer = try await ask(rig, request)
        #expect(answer == expected, sourceLocation: sourceLocation)
    }

    private static func age(_ rig: ContractRig, _ channel: ChannelName) async throws -> Int64? {
        let result = await withCheckedContinuation { continuation in
            rig.reactor.post { rig.backplane.markAge(of: channel) { continuation.resume(returning: $0) } }
        }
        return try result.get()
    }

    private static func with(_ kind: ContractRig.Kind, _ test: (ContractRig) async throws -> Void) async throws {
        try await ContractRig.with(kind) { rig in
            for _ in 0..<500 {
                if (try? await ask(rig, .take(owner: []))) != nil { break }
                try await Task.sleep(for: .milliseconds(10))
            }
            try await test(rig)
        }
    }

    private static func record(_ body: String, _ generation: UInt64 = 0) -> SessionRecord {
        SessionRecord(owner: [1, 0, 255], generation: generation, body: Array(body.utf8) + [0, 13, 10, 255])
    }

    @Test(arguments: kinds)
    func aRecordIsTakenOnceByItsOwner(_ kind: ContractRig.Kind) async throws {
        try await Self.with(kind) { rig in
            try await Self.check(rig, .take(owner: [1]), .nothing)
            try await Self.check(rig, .keep(Self.record("a")), .done)
            try await Self.check(rig, .keep(Self.record("b")), .done)
            try await Self.check(rig, .take(owner: [1, 0]), .nothing)
            guard case .taken(let taken, let age) = try await Self.ask(rig, .take(owner: [1, 0, 255])) else {
                Issue.record("it is there")
                return
            }
            #expect(taken == Self.record("b") && (0..<5000).contains(age))
            try await Self.check(rig, .take(owner: [1, 0, 255]), .nothing)
            // The node that had it is outdated from here on, whatever it says.
            try await Self.check(rig, .keep(Self.record("c")), .outdated)
            try await Self.check(rig, .withdraw(generation: 0), .outdated)
            try await Self.check(rig, .remove(generation: 0), .outdated)
            try await Self.check(rig, .keep(Self.record("d", 1)), .done)
            guard case .taken(let next, _) = try await Self.ask(rig, .take(owner: [1, 0, 255])) else {
                Issue.record("it is there again")
                return
            }
            #expect(next == Self.record("d", 1))
        }
    }

    @Test(arguments: kinds)
    func whatIsWithdrawnIsNotTaken(_ kind: ContractRig.Kind) async throws {
        try await Self.with(kind) { rig in
            try await Self.check(rig, .withdraw(generation: 0), .done)
            try await Self.check(rig, .keep(Self.record("a")), .done)
            try await Self.check(rig, .withdraw(generation: 0), .done)
            try await Self.check(rig, .take(owner: [1, 0, 255]), .nothing)
            try await Self.check(rig, .keep(Self.record("b")), .done)
            // A session that was handed over, where the record of the node before is still there.
            try await Self.check(rig, .withdraw(generation: 3), .done)
            try await Self.check(rig, .keep(Self.record("c")), .outdated)
            try await Self.check(rig, .keep(Self.record("d", 3)), .done)
            try await Self.check(rig, .remove(generation: 3), .done)
            try await Self.check(rig, .take(owner: [1, 0, 255]), .nothing)
        }
    }

    /// One of a connection is the same whatever node is in its id.
    @Test(arguments: kinds)
    func marksAreYoung(_ kind: ContractRig.Kind) async throws {
        try await Self.with(kind) { rig in
            let user = try #require(ChannelName.user("ann"))
            let connections = [1, 2].map { (node: UInt64) -> ChannelName in
                .connection(SessionID(node: NodeID(node), locator: node, secret: Self.id))
            }
            // Nobody wants to know.
            rig.reactor.post { rig.backplane.mark(user) }
            let none = try await Self.age(rig, user)
            #expect(none == nil)
            rig.reactor.post {
                rig.backplane.use(BackplaneLimits(presenceLeaving: 1, largestMessage: 1 << 16, marksReserved: true))
                rig.backplane.mark(user)
                rig.backplane.mark(connections[0])
            }
            for channel in [user, connections[1]] {
                let age = try await Self.age(rig, channel)
                #expect(age.map { (0..<5000).contains($0) } == true)
            }
            let all = try await Self.age(rig, .all)
            #expect(all == nil)
        }
    }
}
