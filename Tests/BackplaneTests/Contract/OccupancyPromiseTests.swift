import Codec
import Reactor
import Testing

@testable import Backplane

/// A channel's first subscriber on any node and its last one are told on one node.
@Suite struct OccupancyPromiseTests {
    private let room = ContractRig.channel("room")

    private static func count(_ event: Recorder.Event, _ rigs: [ContractRig], _ room: ChannelName) async -> Int {
        var count = 0
        for rig in rigs { count += await rig.reactor.perform { rig.recorder.count(event, of: room) } }
        return count
    }

    private static func vacancies(_ rigs: [ContractRig], _ room: ChannelName) async -> Int {
        await count(.vacated, rigs, room)
    }

    private static func occupancies(_ rigs: [ContractRig], _ room: ChannelName) async -> Int {
        await count(.occupied, rigs, room)
    }

    @Test(arguments: ContractRig.Kind.available)
    func oneNodeTellsBoth(_ kind: ContractRig.Kind) async throws {
        let room = room
        try await ContractRig.with(kind) { rig in
            await rig.reactor.perform { rig.backplane.occupy(room) }
            await rig.until("it is occupied") { $0.recorder.events(of: room) == [.occupied] }
            await rig.reactor.perform {
                rig.backplane.vacate(room)
                rig.backplane.occupy(room)
                rig.backplane.vacate(room)
            }
            await rig.until("it is vacated") { $0.recorder.events(of: room) == [.occupied, .vacated] }
            await rig.reactor.perform { rig.backplane.occupy(room) }
            await rig.until("and occupied again") { $0.recorder.events(of: room) == [.occupied, .vacated, .occupied] }
        }
    }

    @Test(arguments: ContractRig.Kind.available)
    func whoListensToMembersIsToldOnceForEach(_ kind: ContractRig.Kind) async throws {
        let room = room
        try await ContractRig.with(kind) { rig in
            await rig.reactor.perform { rig.recorder.isFollowing = true }
            await rig.enter(rig.member(1, user: "ann"), room)
            await rig.enter(rig.member(2, user: "ann"), room)
            try await rig.untilPresent(room, clients: 2, users: 1)
            await rig.leave(rig.member(1, user: "ann"), room)
            await rig.leave(rig.member(2, user: "ann"), room)
            await rig.until("both are told") { rig in
                let told = rig.recorder.events(of: room).filter { if case .member = $0 { true } else { false } }
                return told == [
                    .member(.join, rig.member(1).session), .member(.leave, rig.member(2).session),
                ]
            }
        }
    }

    @Test(.enabled(if: RedisProcess.program != nil, "\(RedisProcess.isMissing)"))
    func twoNodesTellOnce() async throws {
        let room = room
        let redis = try RedisProcess()
        defer { redis.stop() }
        try await ContractRig.redis(redis, NodeID(1)).run { one in
            try await ContractRig.redis(redis, NodeID(2)).run { two in
                let rigs = [one, two]
                for rig in rigs { await rig.until("they know each other") { $0.backplane.nodes.count == 2 } }
                // Both at once, many times: each time one of them tells, and the same holds of the end.
                for round in 1...3 {
                    for rig in rigs { await rig.reactor.perform { rig.backplane.occupy(room) } }
                    for rig in rigs { await Self.settle(rig) }
                    #expect(await Self.occupancies(rigs, room) == round)
                    for rig in rigs { await rig.reactor.perform { rig.backplane.vacate(room) } }
                    for rig in rigs { await Self.settle(rig) }
                    #expect(await Self.vacancies(rigs, room) == round)
                }
                for rig in rigs { await rig.reactor.perform { rig.backplane.occupy(room) } }
                for rig in rigs { await Self.settle(rig) }
                // Redis forgets everything: it is written again, and is no news.
                let answer = try redis.command("FLUSHALL")
                #expect(answer.contains("OK"))
                for rig in rigs {
                    await rig.until("the loss is noticed") { $0.recorder.said.contains { $0.contains("occupied") } }
                    await Self.settle(rig)
                }
                #expect(await Self.occupancies(rigs, room) == 4)
                for rig in rigs { await rig.reactor.perform { rig.backplane.vacate(room) } }
                for rig in rigs { await Self.settle(rig) }
                #expect(await Self.vacancies(rigs, room) == 4)
            }
        }
    }

    /// Everything that is to be told was told and answered.
    private static func settle(_ rig: ContractRig) async {
        await rig.until("everything is told") { rig in
            guard let backplane = rig.backplane as? RedisBackplane else { return true }
            return backplane.occupancy.table.isSettled && !backplane.occupancy.table.isLingering
        }
    }

    @Test(.enabled(if: RedisProcess.program != nil, "\(RedisProcess.isMissing)"))
    func whatADeadNodeLeftIsGivenUpOnce() async throws {
        let rooms = (0..<1500).map { ContractRig.channel("room-\($0)") }
        let shared = ContractRig.channel("shared")
        let redis = try RedisProcess()
        defer { redis.stop() }
        let three = try ContractRig.redis(redis, NodeID(3))
        three.reactor.start()
        await three.reactor.perform { three.backplane.start(receiver: three.recorder) }
        await three.until("it is linked") { $0.recorder.phases.last == .linked }
        try await ContractRig.redis(redis, NodeID(1)).run { one in
            try await ContractRig.redis(redis, NodeID(2)).run { two in
                let rigs = [one, two]
                for rig in rigs { await rig.until("they know each other") { $0.backplane.nodes.count == 3 } }
                for rig in [one, two] {
                    await rig.reactor.perform {
                        rig.recorder.isFollowing = true
                        rig.backplane.occupy(shared)
                    }
                }
                await three.reactor.perform {
                    for name in rooms + [shared] { three.backplane.occupy(name) }
                }
                await three.enter(three.member(1, user: "ann"), shared)
                await three.until("all is told") { rig in
                    rig.recorder.events.count { $0.event == .occupied && $0.channel != shared } == rooms.count
                }
                try await one.untilPresent(shared, clients: 1, users: 1)
                await three.die()
                for rig in rigs { await rig.until("it is noticed") { $0.recorder.nodesGone == [NodeID(3)] } }
                // The first of those who are left looks every second.
                await one.until("what was the dead node's alone is vacated") { one in
                    one.recorder.events.count { $0.event == .vacated } == rooms.count
                }
                let vacated = await one.reactor.perform {
                    Set(one.recorder.events.filter { $0.event == .vacated }.map(\.channel))
                }
                #expect(vacated == Set(rooms))
                let elsewhere = await Self.vacancies([two], rooms[0])
                #expect(elsewhere == 0)
                #expect(await Self.vacancies(rigs, shared) == 0)
                let leave = Recorder.Event.member(.leave, three.member(1).session)
                // Either of them may be the one that finds the member.
                let deadline = ContinuousClock.now + .seconds(30)
                while await Self.count(leave, rigs, shared) == 0, ContinuousClock.now < deadline {
                    try await Task.sleep(for: .milliseconds(20))
                }
                #expect(await Self.count(leave, rigs, shared) == 1)
                for rig in rigs { await rig.reactor.perform { rig.backplane.vacate(shared) } }
                for rig in rigs { await Self.settle(rig) }
                #expect(await Self.vacancies(rigs, shared) == 1)
            }
        }
    }
}
