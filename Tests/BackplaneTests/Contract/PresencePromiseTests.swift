import Codec
import Reactor
import Testing

@testable import Backplane

/// What both backplanes promise of presence. Redis is a real server.
@Suite struct PresencePromiseTests {
    private let room = ContractRig.channel("room:{1}")

    @Test(arguments: ContractRig.Kind.available)
    func whoEntersIsPresentUntilItLeaves(_ kind: ContractRig.Kind) async throws {
        let room = room
        try await ContractRig.with(kind) { rig in
            await rig.addInterest(room)
            let members = [rig.member(1, user: "ada"), rig.member(2), rig.member(3, user: "ada")]
            for member in members { await rig.enter(member, room) }
            // Again is the same as once.
            await rig.enter(members[0], room)
            try await rig.untilPresent(room, clients: 3, users: 2)
            let page = try await rig.presence(room)
            #expect(Set(page.members) == Set(members) && !page.hasMore)
            #expect(try await Set(rig.presence(room, .users).keys) == Set(members.map(\.key)))
            #expect(try await rig.presence(room, limit: 2).hasMore)
            for member in members { await rig.leave(member, room) }
            try await rig.untilPresent(room, clients: 0, users: 0)
            await rig.until("who comes and goes is said once for each user") {
                $0.recorder.events(of: room).count == 5
            }
            let events = await rig.reactor.perform { rig.recorder.events(of: room) }
            let joins = events.filter { if case .change(.join, _) = $0 { true } else { false } }
            let leaves = events.filter { if case .change(.leave, _) = $0 { true } else { false } }
            #expect(joins == [.change(.join, members[0].session), .change(.join, members[1].session)])
            #expect(leaves == [.change(.leave, members[1].session), .change(.leave, members[2].session)])
        }
    }

    @Test(arguments: ContractRig.Kind.available)
    func whoComesBackInTimeNeverLeft(_ kind: ContractRig.Kind) async throws {
        let room = room
        try await ContractRig.with(kind) { rig in
            await rig.addInterest(room)
            await rig.enter(rig.member(1, user: "ada"), room, grace: 600_000)
            try await rig.untilPresent(room, clients: 1, users: 1)
            await rig.leave(rig.member(1, user: "ada"), room, isFinal: false)
            #expect(try await rig.presence(room).clients == 1)
            await rig.enter(rig.member(2, user: "ada"), room, grace: 600_000)
            try await rig.untilPresent(room, clients: 2, users: 1)
            await rig.leave(rig.member(2, user: "ada"), room)
            try await rig.untilPresent(room, clients: 1, users: 1)
            let events = await rig.reactor.perform { rig.recorder.events(of: room) }
            #expect(events == [.held, .change(.join, rig.member(1).session)])
        }
    }

    @Test(arguments: ContractRig.Kind.available)
    func graceEnds(_ kind: ContractRig.Kind) async throws {
        let room = room
        try await ContractRig.with(kind) { rig in
            await rig.addInterest(room)
            await rig.enter(rig.member(1), room, grace: 50)
            try await rig.untilPresent(room, clients: 1, users: 1)
            await rig.leave(rig.member(1), room, isFinal: false)
            await rig.until("it is said when its time is over") {
                $0.recorder.events(of: room).last == .change(.leave, rig.member(1).session)
            }
            try await rig.untilPresent(room, clients: 0, users: 0)
        }
    }

    @Test(arguments: ContractRig.Kind.available)
    func eachSessionIsAnnouncedWhereTheRuleSaysSo(_ kind: ContractRig.Kind) async throws {
        let room = room
        try await ContractRig.with(kind) { rig in
            await rig.addInterest(room)
            let members = [rig.member(1, user: "ada"), rig.member(2), rig.member(3, user: "ada")]
            for member in members { await rig.enter(member, room, isPerSession: true) }
            await rig.enter(members[0], room, isPerSession: true)
            try await rig.untilPresent(room, clients: 3, users: 2)
            for member in members { await rig.leave(member, room) }
            try await rig.untilPresent(room, clients: 0, users: 0)
            let expected =
                members.map { Recorder.Event.change(.join, $0.session) }
                + members.map { Recorder.Event.change(.leave, $0.session) }
            await rig.until("each came and went") {
                $0.recorder.events(of: room).filter { if case .change = $0 { true } else { false } } == expected
            }
        }
    }

    @Test(arguments: ContractRig.Kind.available)
    func channelsDoNotMix(_ kind: ContractRig.Kind) async throws {
        // The names of one are in the keys of the other.
        let names = ["a", "a:0000000000000001", ":a", "a}", "{a"].map(ContractRig.channel)
        try await ContractRig.with(kind) { rig in
            for (index, name) in names.enumerated() {
                for number in 0...UInt64(index) { await rig.enter(rig.member(number + 1), name) }
            }
            for (index, name) in names.enumerated() {
                try await rig.untilPresent(name, clients: index + 1, users: index + 1)
            }
            await rig.leave(rig.member(1), names[0])
            try await rig.untilPresent(names[0], clients: 0, users: 0)
            for (index, name) in names.enumerated().dropFirst() {
                try await rig.untilPresent(name, clients: index + 1, users: index + 1)
            }
        }
    }
}
