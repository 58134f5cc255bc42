/// The parts of a node that runs alone. What waits is gone when the node ends. The clock is given in milliseconds since 1970.
struct MemoryOutbox {
    private struct Part {
        var waiting: [OutboxEntry] = []
        var dead: [OutboxLetter] = []
        var bytes = 0
        var deadBytes = 0
        var last = OutboxID(time: 0, number: 0)
        var memo = OccupancyMemo()
        var failingSince: UInt64?
        var reason = ""

        /// An id behind all earlier ones, whatever the clock does.
        mutating func next(_ now: UInt64) -> OutboxID {
            last =
                now > last.time
                ? OutboxID(time: now, number: 0) : OutboxID(time: last.time, number: last.number &+ 1)
            return last
        }

        /// - Returns: False when there is no room.
        mutating func append(_ body: [UInt8], _ now: UInt64, _ limits: OutboxLimits) -> Bool {
            guard !body.isEmpty else { return true }
            let weight = body.count + OutboxEvent.overhead
            guard bytes + weight <= limits.bytes else { return false }
            bytes += weight
            waiting.append(OutboxEntry(id: next(now), body: body))
            return true
        }

        mutating func remove(_ ids: [OutboxID]) -> [OutboxEntry] {
            let removed: [OutboxEntry]
            // Most often the first ones, in order.
            if ids.elementsEqual(waiting.prefix(ids.count).lazy.map(\.id)) {
                removed = Array(waiting.prefix(ids.count))
                waiting.removeFirst(ids.count)
            } else {
                let ids = Set(ids)
                removed = waiting.filter { ids.contains($0.id) }
                waiting.removeAll { ids.contains($0.id) }
            }
            for entry in removed { bytes -= entry.body.count + OutboxEvent.overhead }
            return removed
        }
    }

    private var parts: [OutboxPart: Part] = [:]

    mutating func carryOut(
        _ request: OutboxRequest, _ part: OutboxPart, _ limits: OutboxLimits, now: UInt64
    ) -> OutboxAnswer {
        // Taken out, so that nothing of it is copied when it changes.
        var state = parts.removeValue(forKey: part) ?? Part()
        defer { parts[part] = state }
        switch request {
        case .append(let events): return .appended(dropped: Self.append(events, to: &state, limits, now))
        case .take:
            var memo = state.memo
            memo.expire(now: now) { state.append($0, now, limits) }
            state.memo = memo
            return .taken(Self.first(of: state, now))
        case .acknowledge(let ids, _):
            _ = state.remove(ids)
            state.failingSince = nil
            state.reason = ""
            return .settled(isHeld: true, lost: 0)
        case .failed(let reason, _):
            state.failingSince = state.failingSince ?? now
            state.reason = reason
            return .settled(isHeld: true, lost: 0)
        case .bury(let ids, let reason, _):
            return .settled(isHeld: true, lost: Self.bury(ids, reason, in: &state, limits, now))
        case .release: return .settled(isHeld: true, lost: 0)
        case .state: return .state(Self.describe(state, now))
        case .letters(let after, let limit): return Self.letters(of: state, after: after, limit)
        case .resend(let limit): return .moved(Self.resend(limit, in: &state, limits, now))
        case .purge:
            defer {
                state.dead = []
                state.deadBytes = 0
            }
            return .moved(state.dead.count)
        }
    }

    private static func append(
        _ events: [OutboxEvent], to part: inout Part, _ limits: OutboxLimits, _ now: UInt64
    ) -> Int {
        var dropped = 0
        var memo = part.memo
        for event in events {
            switch event.kind {
            case .plain: if !part.append(event.body, now, limits) { dropped += 1 }
            case .occupied(let channel, let order):
                memo.occupied(channel, order: order, now: now) {
                    let isTaken = part.append(event.body, now, limits)
                    if !isTaken { dropped += 1 }
                    return isTaken
                }
            case .vacated(let channel, let order):
                memo.vacated(
                    channel, order: order, body: event.body, now: now, grace: UInt64(clamping: limits.grace))
            }
        }
        part.memo = memo
        return dropped
    }

    private static func first(of part: Part, _ now: UInt64) -> OutboxTaken {
        var entries: [OutboxEntry] = []
        var bytes = 0
        for entry in part.waiting.prefix(OutboxRequest.batch) {
            bytes += entry.body.count
            if !entries.isEmpty, bytes > OutboxRequest.batchBytes { break }
            entries.append(entry)
        }
        return entries.isEmpty ? .nothing : .events(entries, now: now)
    }

    private static func bury(
        _ ids: [OutboxID], _ reason: String, in part: inout Part, _ limits: OutboxLimits, _ now: UInt64
    ) -> Int {
        for entry in part.remove(ids) {
            part.dead.append(OutboxLetter(id: part.next(now), body: entry.body, reason: reason))
            part.deadBytes += entry.body.count + OutboxEvent.overhead
        }
        var lost = 0
        while part.deadBytes > limits.bytes, let oldest = part.dead.first {
            part.deadBytes -= oldest.body.count + OutboxEvent.overhead
            part.dead.removeFirst()
            lost += 1
        }
        return lost
    }

    private static func letters(of part: Part, after: OutboxID, _ limit: Int) -> OutboxAnswer {
        var letters: [OutboxLetter] = []
        var bytes = 0
        for letter in part.dead where letter.id > after {
            bytes += letter.body.count
            guard letters.count < limit, letters.isEmpty || bytes <= OutboxRequest.batchBytes else {
                return .letters(letters, isLast: false)
            }
            letters.append(letter)
        }
        return .letters(letters, isLast: true)
    }

    private static func resend(_ limit: Int, in part: inout Part, _ limits: OutboxLimits, _ now: UInt64) -> Int {
        var moved = 0
        while moved < limit, let letter = part.dead.first, part.append(letter.body, now, limits) {
            part.deadBytes -= letter.body.count + OutboxEvent.overhead
            part.dead.removeFirst()
            moved += 1
        }
        return moved
    }

    private static func describe(_ part: Part, _ now: UInt64) -> OutboxState {
        var state = OutboxState()
        state.waiting = part.waiting.count
        state.bytes = part.bytes
        state.oldest = part.waiting.first.map { now > $0.id.time ? now - $0.id.time : 0 }
        state.dead = part.dead.count
        state.failingSince = part.failingSince
        state.reason = part.reason
        return state
    }
}
