import Codec
import Reactor
import Testing

@testable import Backplane

/// Queues of events for applications are the same in memory and in Redis.
@Suite struct OutboxPromiseTests {
    private static let part = OutboxPart(receiver: "abcdef012345", number: 3)
    private static let limits = OutboxLimits(bytes: 10_000, grace: 50)
    private static let mine = OutboxLease(token: "mine", duration: 60_000)
    private static let room = ContractRig.channel("room")

    private static func ask(
        _ rig: ContractRig, _ request: OutboxRequest, _ limits: OutboxLimits = limits
    ) async throws -> OutboxAnswer {
        let result = await withCheckedContinuation { continuation in
            rig.reactor.post { rig.backplane.outbox(request, part, limits) { continuation.resume(returning: $0) } }
        }
        return try result.get()
    }

    private static func plain(_ texts: String...) -> OutboxRequest {
        .append(texts.map { OutboxEvent(.plain, body: Array($0.utf8)) })
    }

    private static func take(_ rig: ContractRig, _ lease: OutboxLease = mine) async throws -> [OutboxEntry] {
        guard case .taken(.events(let entries, _)) = try await ask(rig, .take(lease)) else { return [] }
        return entries
    }

    private static func texts(_ entries: [OutboxEntry]) -> [String] {
        entries.map { String(decoding: $0.body, as: UTF8.self) }
    }

    /// What Redis understands only when it runs the scripts, so they have to be there first.
    private static func with(_ kind: ContractRig.Kind, _ test: (ContractRig) async throws -> Void) async throws {
        try await ContractRig.with(kind) { rig in
            for _ in 0..<500 {
                if (try? await ask(rig, .state)) != nil { break }
                try await Task.sleep(for: .milliseconds(10))
            }
            try await test(rig)
        }
    }

    @Test(arguments: ContractRig.Kind.available)
    func eventsStayUntilTheyAreAcknowledged(_ kind: ContractRig.Kind) async throws {
        try await Self.with(kind) { rig in
            #expect(try await Self.ask(rig, .take(Self.mine)) == .taken(.nothing))
            #expect(try await Self.ask(rig, Self.plain("a", "b", "c")) == .appended(dropped: 0))
            let entries = try await Self.take(rig)
            #expect(Self.texts(entries) == ["a", "b", "c"] && entries.map(\.id) == entries.map(\.id).sorted())
            #expect(try await Self.take(rig) == entries)
            let first = OutboxRequest.acknowledge([entries[0].id, entries[1].id], Self.mine)
            #expect(try await Self.ask(rig, first) == .settled(isHeld: true, lost: 0))
            #expect(try await Self.ask(rig, first) == .settled(isHeld: true, lost: 0))
            #expect(Self.texts(try await Self.take(rig)) == ["c"])
            guard case .state(let state) = try await Self.ask(rig, .state) else {
                Issue.record("no state")
                return
            }
            #expect(state.waiting == 1 && state.bytes == 1 + OutboxEvent.overhead && state.dead == 0)
            #expect((state.oldest ?? .max) < 60_000 && state.failingSince == nil)
        }
    }

    @Test(arguments: ContractRig.Kind.available)
    func whatHasNoRoomIsDropped(_ kind: ContractRig.Kind) async throws {
        try await Self.with(kind) { rig in
            let limits = OutboxLimits(bytes: 2 * (OutboxEvent.overhead + 1), grace: 0)
            #expect(try await Self.ask(rig, Self.plain("a", "b", "c", "d"), limits) == .appended(dropped: 2))
            let entries = try await Self.take(rig)
            #expect(Self.texts(entries) == ["a", "b"])
            _ = try await Self.ask(rig, .acknowledge([entries[0].id], Self.mine))
            #expect(try await Self.ask(rig, Self.plain("e", "f"), limits) == .appended(dropped: 1))
            #expect(Self.texts(try await Self.take(rig)) == ["b", "e"])
        }
    }

    @Test(arguments: ContractRig.Kind.available)
    func failuresAreKnownUntilItWorks(_ kind: ContractRig.Kind) async throws {
        try await Self.with(kind) { rig in
            _ = try await Self.ask(rig, Self.plain("a"))
            let entries = try await Self.take(rig)
            _ = try await Self.ask(rig, .failed(reason: "it said 500", Self.mine))
            guard case .state(let failing) = try await Self.ask(rig, .state) else { throw CancellationError() }
            #expect(failing.failingSince != nil && failing.reason == "it said 500")
            _ = try await Self.ask(rig, .acknowledge(entries.map(\.id), Self.mine))
            guard case .state(let state) = try await Self.ask(rig, .state) else { throw CancellationError() }
            #expect(state.failingSince == nil && state.waiting == 0 && state.bytes == 0)
        }
    }

    @Test(arguments: ContractRig.Kind.available)
    func whatWasGivenUpCanBeSentAgain(_ kind: ContractRig.Kind) async throws {
        try await Self.with(kind) { rig in
            _ = try await Self.ask(rig, Self.plain("a", "b", "c"))
            let ids = try await Self.take(rig).map(\.id)
            let burial = OutboxRequest.bury(Array(ids.prefix(2)), reason: "too old", Self.mine)
            #expect(try await Self.ask(rig, burial) == .settled(isHeld: true, lost: 0))
            guard
                case .letters(let letters, isLast: true) = try await Self.ask(
                    rig, .letters(after: .init(time: 0, number: 0), limit: 9))
            else { throw CancellationError() }
            #expect(letters.map { String(decoding: $0.body, as: UTF8.self) } == ["a", "b"])
            #expect(letters.allSatisfy { $0.reason == "too old" })
            let rest = OutboxRequest.letters(after: letters[0].id, limit: 9)
            #expect(try await Self.ask(rig, rest) == .letters([letters[1]], isLast: true))
            let first = OutboxRequest.letters(after: .init(time: 0, number: 0), limit: 1)
            #expect(try await Self.ask(rig, first) == .letters([letters[0]], isLast: false))
            #expect(try await Self.ask(rig, .resend(limit: 1)) == .moved(1))
            #expect(Self.texts(try await Self.take(rig)) == ["c", "a"])
            #expect(try await Self.ask(rig, .purge) == .moved(1))
            #expect(try await Self.ask(rig, .resend(limit: 9)) == .moved(0))
        }
    }

    @Test(arguments: ContractRig.Kind.available)
    func noMoreIsReadThanFits(_ kind: ContractRig.Kind) async throws {
        try await Self.with(kind) { rig in
            let third = String(repeating: "x", count: OutboxRequest.batchBytes / 3)
            let whole = String(repeating: "y", count: OutboxRequest.batchBytes + 1)
            var after = OutboxID(time: 0, number: 0)
            let limits = OutboxLimits(bytes: 4 << 20, grace: 0)
            for text in [third, third, third, third, whole] {
                #expect(try await Self.ask(rig, Self.plain(text), limits) == .appended(dropped: 0))
                let ids = try await Self.take(rig).map(\.id)
                let burial = OutboxRequest.bury(ids, reason: "", Self.mine)
                #expect(try await Self.ask(rig, burial, limits) == .settled(isHeld: true, lost: 0))
            }
            var sizes: [Int] = []
            while true {
                guard case .letters(let letters, let isLast) = try await Self.ask(rig, .letters(after: after, limit: 9))
                else { throw CancellationError() }
                sizes.append(letters.count)
                guard !isLast, let last = letters.last else { break }
                after = last.id
            }
            #expect(sizes == [3, 1, 1])
        }
    }

    @Test(arguments: ContractRig.Kind.available)
    func theOldestOfThoseGivenUpMakeRoom(_ kind: ContractRig.Kind) async throws {
        try await Self.with(kind) { rig in
            let limits = OutboxLimits(bytes: 2 * (OutboxEvent.overhead + 1), grace: 0)
            for (text, lost) in [("a", 0), ("b", 0), ("c", 1)] {
                _ = try await Self.ask(rig, Self.plain(text), limits)
                let ids = try await Self.take(rig).map(\.id)
                let answer = try await Self.ask(rig, .bury(ids, reason: "", Self.mine), limits)
                #expect(answer == .settled(isHeld: true, lost: lost))
            }
            guard
                case .letters(let letters, isLast: true) = try await Self.ask(
                    rig, .letters(after: .init(time: 0, number: 0), limit: 9))
            else { throw CancellationError() }
            #expect(letters.map { String(decoding: $0.body, as: UTF8.self) } == ["b", "c"])
        }
    }

    @Test(arguments: ContractRig.Kind.available)
    func occupiedAndVacatedAlternate(_ kind: ContractRig.Kind) async throws {
        try await Self.with(kind) { rig in
            func change(_ order: UInt64, _ isOccupied: Bool) async throws {
                let kind: OutboxEvent.Kind =
                    isOccupied ? .occupied(Self.room, order: order) : .vacated(Self.room, order: order)
                let event = OutboxEvent(kind, body: Array("\(isOccupied ? "o" : "v")\(order)".utf8))
                #expect(try await Self.ask(rig, .append([event])) == .appended(dropped: 0))
            }
            func waits(_ texts: [String]) async throws -> Bool {
                for _ in 0..<300 {
                    if Self.texts(try await Self.take(rig)) == texts { return true }
                    try await Task.sleep(for: .milliseconds(10))
                }
                return false
            }
            let start: UInt64 = 1_764_430_000_000_000
            try await change(start, true)
            try await change(start, true)
            try await change(start + 1, false)
            try await change(start + 2, true)
            #expect(Self.texts(try await Self.take(rig)) == ["o\(start)"])
            try await change(start + 3, false)
            #expect(try await waits(["o\(start)", "v\(start + 3)"]))
            // Late, and then a new one.
            try await change(start + 2, true)
            try await change(start + 4, true)
            #expect(try await waits(["o\(start)", "v\(start + 3)", "o\(start + 4)"]))
        }
    }

    @Test(arguments: ContractRig.Kind.available.filter { $0 == .redis })
    func oneNodeAtATimeSends(_ kind: ContractRig.Kind) async throws {
        try await Self.with(kind) { rig in
            let other = OutboxLease(token: "other", duration: 60_000)
            _ = try await Self.ask(rig, Self.plain("a"))
            let entries = try await Self.take(rig)
            #expect(try await Self.ask(rig, .take(other)) == .taken(.others))
            for request in [
                OutboxRequest.acknowledge(entries.map(\.id), other), .failed(reason: "", other),
                .bury(entries.map(\.id), reason: "", other), .release(other),
            ] { #expect(try await Self.ask(rig, request) == .settled(isHeld: false, lost: 0)) }
            #expect(try await Self.take(rig) == entries)
            _ = try await Self.ask(rig, .release(Self.mine))
            #expect(try await Self.take(rig, other) == entries)
            _ = try await Self.ask(rig, .acknowledge(entries.map(\.id), other))
            // Nothing waits: the lease is given back with the next look.
            #expect(try await Self.ask(rig, .take(other)) == .taken(.nothing))
            _ = try await Self.ask(rig, Self.plain("b"))
            #expect(Self.texts(try await Self.take(rig, OutboxLease(token: "short", duration: 50))) == ["b"])
            for _ in 0..<300 where try await Self.take(rig).isEmpty { try await Task.sleep(for: .milliseconds(10)) }
            #expect(Self.texts(try await Self.take(rig)) == ["b"])
        }
    }

    @Test func repliesThatAreNone() {
        for value: RESPValue in [
            .integer(2), .array([]), .array([.bulk(Array("x".utf8))]), .bulk(nil), .array([.bulk(Array("1".utf8))]),
            .array([.bulk(Array("1".utf8)), .bulk(Array("1-1".utf8))]),
            .array([.bulk(Array("1".utf8)), .bulk(Array("1".utf8)), .bulk([])]),
        ] {
            #expect(
                OutboxReply.answer(value, to: .take(Self.mine)) == .failure(.medium("Redis sent an unexpected reply")))
        }
        #expect(OutboxReply.answer(.error("OOM"), to: .purge) == .failure(.medium("OOM")))
        #expect(OutboxID("1-") == nil && OutboxID("-1") == nil && OutboxID("1-2-3") == nil && OutboxID("1") == nil)
        #expect(OutboxID("18446744073709551616-0") == nil && OutboxID("5-7") == OutboxID(time: 5, number: 7))
    }
}
