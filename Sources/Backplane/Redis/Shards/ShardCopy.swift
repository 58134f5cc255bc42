import Codec

/// Copies all keys of some partitions from the servers that had them to those that get them. One node does it while no node asks anything
/// in these partitions.
///
/// Whatever is written at the new server is written only as long as that server has the very plan that this belongs to. So a node that was
/// slow, and has been replaced by another one, changes nothing any more.
final class ShardCopy {
    struct Failure: Error { let reason: String }

    private struct Part {
        let from: RedisServer
        let to: RedisServer
        var tags: [[UInt8]]
    }

    let plan: ShardPlan
    private let planKey: [UInt8]
    private let start: [UInt8]
    private var parts: [Part] = []
    private let completion: (Result<[[UInt8]], Failure>) -> Void
    private var isDone = false
    /// Keys that were found at the servers that had them.
    private var originals: [(server: RedisServer, keys: [[UInt8]])] = []
    private var tooLarge: [[UInt8]] = []

    /// Keys that are looked at in one step, and that are copied or removed in one.
    private static let scanned = 2000
    private static let portion = 64
    /// Bytes that are copied in one step, and of one key at the most: Redis has to send it in one reply (`RESPReader.Limits`).
    private static let portionBytes = 4 * 1024 * 1024
    private static let largest = 48 * 1024 * 1024

    /// - Parameter completion: Is told which keys were too large.
    init(
        _ plan: ShardPlan, ways: [Int: ShardMover.Way], names: RedisNames,
        completion: @escaping (Result<[[UInt8]], Failure>) -> Void
    ) {
        self.plan = plan
        planKey = names.shards
        start = names.prefix + [UInt8(ascii: "{")]
        self.completion = completion
        for (partition, way) in ways {
            // It is there, whatever else is.
            originals.append((way.from, [names.partitions[partition].beginnings]))
            let tag = Array(RedisPartition.tags[partition].utf8)
            if let index = parts.firstIndex(where: { $0.from === way.from && $0.to === way.to }) {
                parts[index].tags.append(tag)
            } else {
                parts.append(Part(from: way.from, to: way.to, tags: [tag]))
            }
        }
    }

    func begin() { next() }

    private func next() {
        guard let part = parts.popLast() else { return end(.success(tooLarge)) }
        // What an earlier attempt or an earlier time has left there goes first.
        list(part.to, part.tags, "0", []) { [self] left in
            remove(left[...], at: part.to) { [self] in
                list(part.from, part.tags, "0", []) { [self] found in
                    originals.append((part.from, found))
                    copy(found[...], part)
                }
            }
        }
    }

    private func end(_ result: Result<[[UInt8]], Failure>) {
        guard !isDone else { return }
        isDone = true
        completion(result)
    }

    private func call(
        _ script: RedisScript, at server: RedisServer, keys: [[UInt8]], _ arguments: [[UInt8]],
        _ body: @escaping (RESPValue) -> Void
    ) {
        guard !isDone else { return }
        server.call(script, keys: keys, arguments) { [self] value in
            switch value {
            case .error(let text)?:
                let hint =
                    text.contains("NOPERM") || text.contains("can't run this command")
                    ? "; give the Redis user the permissions of deploy/redis/carillon-shards.acl" : ""
                end(.failure(Failure(reason: "Redis at \(server.addressText) says \(ForeignText(text))\(hint)")))
            case let value?: body(value)
            case nil: end(.failure(Failure(reason: "Redis at \(server.addressText) does not answer")))
            }
        }
    }

    /// All keys that have one of the tags.
    private func list(
        _ server: RedisServer, _ tags: [[UInt8]], _ cursor: String, _ found: [[UInt8]],
        _ body: @escaping ([[UInt8]]) -> Void
    ) {
        call(.listKeys, at: server, keys: [], [Array(cursor.utf8), Array("\(Self.scanned)".utf8), start] + tags) {
            [self] value in
            guard case .array(let parts) = value, parts.count == 2, let next = parts[0].text,
                case .array(let keys) = parts[1]
            else { return unexpected(server) }
            var all = found
            for case .bulk(let key?) in keys { all.append(key) }
            // A scan may say a key twice.
            if next == "0" { return body(Array(Set(all))) }
            list(server, tags, next, all, body)
        }
    }

    private func unexpected(_ server: RedisServer) {
        end(.failure(Failure(reason: "Redis at \(server.addressText) sent an unexpected reply")))
    }

    private func remove(_ keys: ArraySlice<[UInt8]>, at server: RedisServer, _ body: @escaping () -> Void) {
        guard !keys.isEmpty else { return body() }
        call(.dropKeys, at: server, keys: [planKey] + keys.prefix(Self.portion), [plan.stored]) { [self] _ in
            remove(keys.dropFirst(Self.portion), at: server, body)
        }
    }

    private func copy(_ keys: ArraySlice<[UInt8]>, _ part: Part) {
        guard !keys.isEmpty else { return next() }
        let asked = Array(keys.prefix(Self.portion))
        call(
            .dumpKeys, at: part.from, keys: asked,
            [Array("\(Self.portionBytes)".utf8), Array("\(Self.largest)".utf8)]
        ) { [self] value in
            guard case .array(let answer) = value, answer.count % 2 == 0, (2...2 * asked.count).contains(answer.count)
            else { return unexpected(part.from) }
            var (there, arguments): ([[UInt8]], [[UInt8]]) = ([planKey], [plan.stored])
            for (number, key) in asked.prefix(answer.count / 2).enumerated() {
                // It may have expired meanwhile.
                guard case .bulk(let payload?) = answer[2 * number], case .integer(let left) = answer[2 * number + 1]
                else { continue }
                guard !payload.isEmpty else {
                    tooLarge.append(key)
                    continue
                }
                there.append(key)
                // None is 0 there, and -1 here. What has less than a millisecond left gets one.
                arguments += [Array("\(left < 0 ? 0 : max(1, left))".utf8), payload]
            }
            let rest = keys.dropFirst(answer.count / 2)
            guard there.count > 1 else { return copy(rest, part) }
            call(.restoreKeys, at: part.to, keys: there, arguments) { [self] _ in copy(rest, part) }
        }
    }

    /// Removes what was copied from where it was. Whoever did not hear of the move, and publishes there, is refused.
    func removeOriginals(_ next: ShardPlan) {
        for (server, keys) in originals {
            var rest = keys[...]
            while !rest.isEmpty {
                server.call(.dropKeys, keys: [planKey] + rest.prefix(Self.portion), [next.stored, Array("moved".utf8)])
                { _ in }
                rest = rest.dropFirst(Self.portion)
            }
        }
    }
}
