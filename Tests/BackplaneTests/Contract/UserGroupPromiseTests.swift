import Codec
import Reactor
import Testing

@testable import Backplane

/// Groups of users are the same in memory and in Redis.
@Suite struct UserGroupPromiseTests {
    private static let now = Int64(clamping: WallClock.milliseconds / 1000)

    private static func ask(
        _ rig: ContractRig, _ request: UserGroups.Request, _ user: UserGroups = .init(hub: 1, user: "ann")
    ) async throws -> [String] {
        let result = await withCheckedContinuation { continuation in
            rig.reactor.post { rig.backplane.userGroups(request, of: user) { continuation.resume(returning: $0) } }
        }
        return try result.get().map { "\($0.channel)@\($0.until - now)" }
    }

    private static func add(_ rig: ContractRig, _ channel: String, _ seconds: Int64) async throws {
        // What Redis understands only when it runs the scripts, so they have to be there first.
        for _ in 0..<500 {
            if (try? await ask(rig, .add(ContractRig.channel(channel), until: now + seconds))) != nil { return }
            try await Task.sleep(for: .milliseconds(10))
        }
        Issue.record("nothing is kept")
    }

    @Test(arguments: ContractRig.Kind.available)
    func membershipsAreKept(_ kind: ContractRig.Kind) async throws {
        try await ContractRig.with(kind) { rig in
            try await Self.add(rig, "b", 2000)
            try await Self.add(rig, "a", 1000)
            #expect(try await Self.ask(rig, .list) == ["a@1000", "b@2000"])
            try await Self.add(rig, "a", 3000)
            #expect(try await Self.ask(rig, .list) == ["b@2000", "a@3000"])
            for other in [UserGroups(hub: 2, user: "ann"), UserGroups(hub: 1, user: "bob")] {
                #expect(try await Self.ask(rig, .list, other).isEmpty)
            }
            #expect(try await Self.ask(rig, .remove(ContractRig.channel("b"))).isEmpty)
            #expect(try await Self.ask(rig, .list) == ["a@3000"])
            _ = try await Self.ask(rig, .removeAll)
            #expect(try await Self.ask(rig, .list).isEmpty)
        }
    }

    @Test(arguments: ContractRig.Kind.available)
    func theyAreLimitedAndEnd(_ kind: ContractRig.Kind) async throws {
        try await ContractRig.with(kind) { rig in
            for number in 0...UserGroups.maximum { try await Self.add(rig, "g\(number)", 1000 + Int64(number)) }
            let left = try await Self.ask(rig, .list)
            #expect(left.count == UserGroups.maximum && left.first == "g1@1001")
            let link = await rig.reactor.perform { rig.backplane.link }
            #expect(link.groupsGivenUp == 1)
            _ = try await Self.ask(rig, .removeAll)
            try await Self.add(rig, "gone", -1)
            #expect(try await Self.ask(rig, .list).isEmpty)
        }
    }
}
