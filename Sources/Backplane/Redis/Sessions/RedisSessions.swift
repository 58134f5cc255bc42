package import Codec

/// A request about the record of a session that is on its way to Redis.
package struct SessionRecordCall {
    let request: SessionRecordRequest
    let session: SessionID.Secret
    let completion: (Result<SessionRecordAnswer, PublishRefusal>) -> Void

    /// As the script takes them.
    fileprivate var arguments: [[UInt8]] {
        func text(_ number: UInt64) -> [UInt8] { Array("\(number)".utf8) }
        return switch request {
        case .keep(let record):
            [
                Array("keep".utf8), text(record.generation), record.owner, record.body,
                Array("\(SessionRecord.lifetime)".utf8),
            ]
        case .withdraw(let generation): [Array("withdraw".utf8), text(generation)]
        case .remove(let generation): [Array("remove".utf8), text(generation)]
        case .take(let owner): [Array("take".utf8), owner]
        }
    }
}

/// Records of sessions: a hash for each, which is gone when nobody writes it again. They are spread over the partitions, and so over the
/// servers. Marks are keys of the partition of their channel.
extension RedisBackplane {
    package var keepsSessions: Bool { true }

    package func record(
        _ request: SessionRecordRequest, of session: SessionID.Secret,
        completion: @escaping (Result<SessionRecordAnswer, PublishRefusal>) -> Void
    ) {
        let (partition, key) = names.record(of: session)
        if isDeferred(partition, { [self] in record(request, of: session, completion: completion) }) { return }
        let server = topology.server(ofPartition: partition)
        guard isRunning, server.state.takesCommands else { return completion(.failure(.isolated)) }
        guard let hash = server.scripts.hash(of: .session) else {
            return completion(.failure(.medium(server.scripts.objection ?? "it has no scripts yet")))
        }
        let call = SessionRecordCall(request: request, session: session, completion: completion)
        let head = [Array("EVALSHA".utf8), hash, Array("1".utf8), key]
        server.send(.session(call)) { RESPWriter.command(head + call.arguments, to: $0) }
    }

    package func mark(_ channel: ChannelName) {
        guard marksReserved else { return }
        if isDeferred(names.mark(of: channel).partition, { [self] in mark(channel) }) { return }
        let (server, key) = mark(of: channel)
        guard server.state.takesCommands else { return }
        let lifetime = Array("\(SessionRecord.markLifetime)".utf8)
        server.send(.nodeMessage) {
            RESPWriter.command([Array("SET".utf8), key, Array("1".utf8), Array("PX".utf8), lifetime], to: $0)
        }
    }

    package func markAge(of channel: ChannelName, completion: @escaping (Result<Int64?, PublishRefusal>) -> Void) {
        if isDeferred(names.mark(of: channel).partition, { [self] in markAge(of: channel, completion: completion) }) {
            return
        }
        let (server, key) = mark(of: channel)
        guard isRunning, server.state.takesCommands else { return completion(.failure(.isolated)) }
        server.send(.markAge(completion)) { RESPWriter.command([Array("PTTL".utf8), key], to: $0) }
    }

    private func mark(of channel: ChannelName) -> (RedisServer, [UInt8]) {
        let (partition, key) = names.mark(of: channel)
        return (topology.server(ofPartition: partition), key)
    }
}

/// What Redis says about a record.
enum SessionRecordReply {
    static func answer(
        _ value: RESPValue, to request: SessionRecordRequest
    ) -> Result<SessionRecordAnswer, PublishRefusal> {
        switch (request, value) {
        case (_, .error(let text)): return .failure(.medium(text))
        case (.take, .integer(0)): return .success(.nothing)
        case (.take(let owner), .array(let elements)):
            guard elements.count == 3, case .bulk(let body?) = elements[0],
                // trap-ok: reads text, and fails with nil
                let generation = elements[1].text.flatMap({ UInt64($0) }), generation < 1 << 53,
                case .integer(let left) = elements[2]
            else { break }
            return .success(
                .taken(
                    SessionRecord(owner: owner, generation: generation, body: body),
                    age: max(0, SessionRecord.lifetime - max(0, min(left, SessionRecord.lifetime)))))
        case (.keep, .integer(1)), (.withdraw, .integer(1)), (.remove, .integer(1)): return .success(.done)
        case (.keep, .integer(-1)), (.withdraw, .integer(-1)), (.remove, .integer(-1)): return .success(.outdated)
        default: break
        }
        return .failure(.medium("Redis sent an unexpected reply"))
    }

    /// What `PTTL` says of a mark.
    static func age(_ value: RESPValue) -> Result<Int64?, PublishRefusal> {
        switch value {
        case .integer(-2): .success(nil)
        // It has no end, or a later one than any node gives it: nobody knows when it was written.
        case .integer(let left):
            .success(max(0, SessionRecord.markLifetime - max(0, min(left, SessionRecord.markLifetime))))
        case .error(let text): .failure(.medium(text))
        default: .failure(.medium("Redis sent an unexpected reply"))
        }
    }
}

extension RedisScript {
    /// One request about the record of a session.
    ///
    /// - KEYS: the record: `v` what is kept (none when it is withdrawn), `w` whose it is, `g` the generation.
    /// - ARGV: `take` and whose it is; or `keep`, `withdraw` or `remove`, and the generation; with `keep`, whose it is, what is kept, and
    ///   for how long.
    /// - Returns: For `take`, 0 or what is kept, its generation, and how long it is kept yet. Else 1, or -1 when a later node has the session.
    static let sessionSource = """
        if ARGV[1] == 'take' then
          local found = redis.call('HMGET', KEYS[1], 'w', 'v', 'g')
          if not found[2] or found[1] ~= ARGV[2] or not tonumber(found[3]) then return 0 end
          local left = redis.call('PTTL', KEYS[1])
          redis.call('HDEL', KEYS[1], 'v')
          redis.call('HSET', KEYS[1], 'g', string.format('%.0f', tonumber(found[3]) + 1))
          return {found[2], found[3], left}
        end
        local known = tonumber(redis.call('HGET', KEYS[1], 'g') or '')
        if known and known > tonumber(ARGV[2]) then return -1 end
        if ARGV[1] == 'keep' then
          redis.call('HSET', KEYS[1], 'g', ARGV[2], 'w', ARGV[3], 'v', ARGV[4])
          redis.call('PEXPIRE', KEYS[1], ARGV[5])
        elseif ARGV[1] == 'withdraw' then
          redis.call('HDEL', KEYS[1], 'v')
          if known then redis.call('HSET', KEYS[1], 'g', ARGV[2]) end
        else
          redis.call('DEL', KEYS[1])
        end
        return 1
        """
}
