package import Codec

/// A request about a part that is on its way to Redis.
package struct OutboxCall {
    package let request: OutboxRequest
    package let part: OutboxPart
    package let limits: OutboxLimits
    package let completion: (Result<OutboxAnswer, PublishRefusal>) -> Void

    package var script: RedisScript {
        switch request {
        case .append: .outboxAppend
        case .take: .outboxTake
        case .acknowledge, .failed, .bury, .release: .outboxSettle
        case .state, .letters, .resend, .purge: .outboxLetters
        }
    }

    /// Of the part, in the order of the script.
    fileprivate var keys: [String] {
        switch request {
        case .append: ["s", "m", "o", "z", "e"]
        case .take: ["s", "m", "o", "z", "e", "l"]
        case .acknowledge, .failed, .bury, .release: ["s", "m", "l", "d"]
        case .state, .letters, .resend, .purge: ["s", "m", "d"]
        }
    }

    fileprivate var arguments: [[UInt8]] {
        let bytes = Array("\(limits.bytes)".utf8)
        switch request {
        case .append(let events):
            return events.reduce(into: [bytes, Array("\(max(0, limits.grace))".utf8)]) { $0 += Self.arguments($1) }
        case .take(let lease): return [bytes] + Self.arguments(lease)
        case .acknowledge(let ids, let lease): return settling(bytes, lease, "done", "", ids)
        case .failed(let reason, let lease): return settling(bytes, lease, "failed", reason, [])
        case .bury(let ids, let reason, let lease): return settling(bytes, lease, "bury", reason, ids)
        case .release(let lease): return settling(bytes, lease, "release", "", [])
        case .state: return [bytes, Array("state".utf8), Array("0".utf8)]
        case .letters(let after, let limit):
            return [bytes, Array("letters".utf8), Array("\(limit)".utf8), Array("\(after)".utf8)]
        case .resend(let limit): return [bytes, Array("resend".utf8), Array("\(limit)".utf8)]
        case .purge: return [bytes, Array("purge".utf8), Array("0".utf8)]
        }
    }

    private static func arguments(_ lease: OutboxLease) -> [[UInt8]] {
        [Array(lease.token.utf8), Array("\(max(1, lease.duration))".utf8)]
    }

    private static func arguments(_ event: OutboxEvent) -> [[UInt8]] {
        switch event.kind {
        case .plain: [Array("x".utf8), [], [], event.body]
        case .occupied(let channel, let order): [Array("o".utf8), channel.bytes, Array("\(order)".utf8), event.body]
        case .vacated(let channel, let order): [Array("v".utf8), channel.bytes, Array("\(order)".utf8), event.body]
        }
    }

    private func settling(
        _ bytes: [UInt8], _ lease: OutboxLease, _ verb: String, _ reason: String, _ ids: [OutboxID]
    ) -> [[UInt8]] {
        [bytes] + Self.arguments(lease) + [Array(verb.utf8), Array(reason.utf8)] + ids.map { Array("\($0)".utf8) }
    }
}

extension RedisBackplane {
    package func outbox(
        _ request: OutboxRequest, _ part: OutboxPart, _ limits: OutboxLimits,
        completion: @escaping (Result<OutboxAnswer, PublishRefusal>) -> Void
    ) {
        send(OutboxCall(request: request, part: part, limits: limits, completion: completion))
    }

    func send(_ call: OutboxCall) {
        let partition = RedisNames.partition(of: call.part)
        if isDeferred(partition, { [self] in send(call) }) { return }
        let server = topology.server(ofPartition: partition)
        guard isRunning, server.state.takesCommands else { return call.completion(.failure(.isolated)) }
        guard let hash = server.scripts.hash(of: call.script) else {
            return call.completion(.failure(.medium(server.scripts.objection ?? "it has no scripts yet")))
        }
        let keys = call.keys.map { names.outbox($0, call.part) }
        let head = [Array("EVALSHA".utf8), hash, Array("\(keys.count)".utf8)]
        server.send(.outbox(call)) { RESPWriter.command(head + keys + call.arguments, to: $0) }
    }
}

/// What Redis says about a part.
package enum OutboxReply {
    package static func answer(
        _ value: RESPValue, to request: OutboxRequest
    ) -> Result<OutboxAnswer, PublishRefusal> {
        if case .error(let text) = value { return .failure(.medium(text)) }
        guard let answer = read(value, request) else { return .failure(.medium("Redis sent an unexpected reply")) }
        return .success(answer)
    }

    private static func read(_ value: RESPValue, _ request: OutboxRequest) -> OutboxAnswer? {
        switch (request, value) {
        case (.append, .integer(let dropped)): .appended(dropped: Int(clamping: dropped))
        case (.take, .integer(0)): .taken(.others)
        case (.take, .integer(1)): .taken(.nothing)
        case (.take, .array(let elements)): events(elements).map { .taken($0) }
        case (.acknowledge, .integer(let lost)), (.failed, .integer(let lost)), (.bury, .integer(let lost)),
            (.release, .integer(let lost)):
            .settled(isHeld: lost >= 0, lost: max(0, Int(clamping: lost)))
        case (.state, .array(let elements)): state(elements).map { .state($0) }
        case (.letters, .array(let elements)): letters(elements)
        case (.resend, .integer(let moved)), (.purge, .integer(let moved)): .moved(Int(clamping: moved))
        default: nil
        }
    }

    private static func id(_ value: RESPValue) -> OutboxID? { value.text.flatMap { OutboxID($0) } }
    // trap-ok: reads text, and fails with nil
    private static func time(_ value: RESPValue) -> UInt64? { value.text.flatMap { UInt64($0) } }

    private static func events(_ elements: [RESPValue]) -> OutboxTaken? {
        guard let first = elements.first, let now = time(first) else { return nil }
        var entries: [OutboxEntry] = []
        var rest = elements.dropFirst()
        while let name = rest.popFirst() {
            guard let id = id(name), case .bulk(let body?)? = rest.popFirst() else { return nil }
            entries.append(OutboxEntry(id: id, body: body))
        }
        return entries.isEmpty ? nil : .events(entries, now: now)
    }

    private static func letters(_ elements: [RESPValue]) -> OutboxAnswer? {
        guard case .integer(let isLast)? = elements.first else { return nil }
        var letters: [OutboxLetter] = []
        var rest = elements.dropFirst()
        while let name = rest.popFirst() {
            guard let id = id(name), case .bulk(let body?)? = rest.popFirst(), let reason = rest.popFirst()?.text
            else { return nil }
            letters.append(OutboxLetter(id: id, body: body, reason: reason))
        }
        return .letters(letters, isLast: isLast != 0)
    }

    private static func state(_ elements: [RESPValue]) -> OutboxState? {
        guard elements.count == 7, case .integer(let waiting) = elements[0], case .integer(let bytes) = elements[1],
            let now = time(elements[3]), case .integer(let dead) = elements[4]
        else { return nil }
        var state = OutboxState()
        state.waiting = Int(clamping: waiting)
        state.bytes = Int(clamping: bytes)
        state.oldest = id(elements[2]).map { now > $0.time ? now - $0.time : 0 }
        state.dead = Int(clamping: dead)
        state.failingSince = time(elements[5])
        state.reason = elements[6].text ?? ""
        return state
    }
}
