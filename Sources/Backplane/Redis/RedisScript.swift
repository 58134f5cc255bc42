/// What Redis does for us in one step (EVALSHA): history must never have a publication that was not announced, or the
/// other way round.
package enum RedisScript: String, CaseIterable, Sendable {
    case publish
    case read
    case disown
    case enter
    case leave
    case reap
    case stale
    case present

    /// Positions are 16 bytes: the epoch, and the offset as a big-endian number. An entry of the stream has the offset as
    /// its id, so nothing depends on clocks. `m:` is a hash of the epoch `e`, the offset `o`, the identity `r` of the
    /// server that gave it, and the lineage `l`: the positions at which earlier epochs ended, newest first.
    var source: String {
        switch self {
        case .publish: Self.publishSource
        case .read: Self.readSource
        case .disown: Self.disownSource
        case .enter: Self.enterSource
        case .leave: Self.leaveSource
        case .reap: Self.reapSource
        case .stale: Self.staleSource
        case .present: Self.presentSource
        }
    }

    /// Epochs whose end is remembered.
    static let lineage = 8
    /// Epochs of which it is remembered that they lead nowhere.
    static let disowned = 24

    /// KEYS: hash, stream, idempotency key. ARGV: 1 the server's identity, 2 an epoch in case a new one begins, 3 size,
    /// 4 time to live (ms), 5 that of the hash (ms), 6 pub/sub channel, 7 and 8 the envelope before and after its
    /// position, 9 time to live of the idempotency key (ms), or nothing.
    ///
    /// The identity is the `run_id` and, with Sentinel, the number of the failover that made it the master (`run@7`). A node
    /// that has not heard of the last failover does not turn that back: two nodes would begin epochs in turn.
    ///
    /// Returns whether it had been published before, and the position.
    private static let publishSource = """
        if ARGV[9] ~= '' then
          local seen = redis.call('GET', KEYS[3])
          if seen then return {1, seen} end
        end
        if ARGV[3] == '0' then
          redis.call('SET', KEYS[3], '', 'PX', ARGV[9])
          redis.call('PUBLISH', ARGV[6], ARGV[7] .. ARGV[8])
          return {0, ''}
        end
        local m = redis.call('HMGET', KEYS[1], 'e', 'o', 'r', 'l')
        local epoch, offset, lineage = m[1], tonumber(m[2] or '0'), m[4] or ''
        local identity = ARGV[1]
        if m[3] and m[3] ~= identity then
          local run, failovers = string.match(identity, '^(.*)@(%d+)$')
          local known, before = string.match(m[3], '^(.*)@(%d+)$')
          if run and run == known and tonumber(failovers) < tonumber(before) then identity = m[3] end
        end
        if not epoch then
          epoch = ARGV[2]
          redis.call('DEL', KEYS[2])
        elseif m[3] ~= identity then
          lineage = string.sub(epoch .. struct.pack('>I8', offset) .. lineage, 1, \(16 * lineage))
          epoch = ARGV[2]
        end
        offset = offset + 1
        local position = epoch .. struct.pack('>I8', offset)
        local payload = ARGV[7] .. position .. ARGV[8]
        redis.call('HSET', KEYS[1], 'e', epoch, 'o', string.format('%.0f', offset), 'r', identity, 'l', lineage)
        redis.call('PEXPIRE', KEYS[1], ARGV[5])
        redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[3], string.format('%.0f-0', offset), 'p', payload)
        redis.call('PEXPIRE', KEYS[2], ARGV[4])
        if ARGV[9] ~= '' then redis.call('SET', KEYS[3], position, 'PX', ARGV[9]) end
        redis.call('PUBLISH', ARGV[6], payload)
        return {0, position}
        """

    /// KEYS: hash, stream. ARGV: 1 the server's identity, 2 an epoch in case there is none, 3 after (or before) which
    /// offset, or nothing, 4 how many at the most, 5 '1' for newest first, 6 time to live of the hash (ms).
    ///
    /// Returns epoch, offset, lineage, disowned positions and entries.
    private static let readSource = """
        local m = redis.call('HMGET', KEYS[1], 'e', 'o', 'l', 'c')
        if not m[1] then
          redis.call('DEL', KEYS[2])
          redis.call('HSET', KEYS[1], 'e', ARGV[2], 'o', '0', 'r', ARGV[1], 'l', '')
          m = {ARGV[2], '0', '', ''}
        end
        redis.call('PEXPIRE', KEYS[1], ARGV[6])
        local entries = {}
        if ARGV[4] ~= '0' then
          if ARGV[5] == '1' then
            local from = '+'
            if ARGV[3] ~= '' then from = '(' .. ARGV[3] .. '-0' end
            entries = redis.call('XREVRANGE', KEYS[2], from, '-', 'COUNT', ARGV[4])
          else
            local from = '-'
            if ARGV[3] ~= '' then from = '(' .. ARGV[3] .. '-0' end
            entries = redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', ARGV[4])
          end
        end
        return {m[1], m[2], m[3] or '', m[4] or '', entries}
        """

    /// KEYS: hash. ARGV: 1 an epoch and 2 an offset that were given and that history went on without, 3 an epoch for what
    /// comes now, 4 time to live of the hash (ms), 5 pub/sub channel, 6 what is said there.
    ///
    /// The new epoch has no lineage, so no position that was given before leads to it: everybody who comes with one, or holds
    /// one, is told of a loss, on any node and however late. `c` remembers up to where each epoch was disowned, the one that
    /// ends here and its lineage too, so that several nodes that noticed the same do it once. An epoch that is not known at all
    /// began and ended on a server that was lost.
    ///
    /// Returns whether there was anything to note.
    private static let disownSource = """
        local m = redis.call('HMGET', KEYS[1], 'e', 'o', 'l', 'c')
        if not m[1] then return 0 end
        local claim, claims, ending = tonumber(ARGV[2]), m[4] or '', nil
        for at = 1, #claims - 15, 16 do
          if string.sub(claims, at, at + 7) == ARGV[1] then
            ending = struct.unpack('>I8', claims, at + 8)
            claims = string.sub(claims, 1, at - 1) .. string.sub(claims, at + 16)
            break
          end
        end
        if not ending and m[1] == ARGV[1] then ending = tonumber(m[2]) end
        local lineage = m[3] or ''
        for at = 1, #lineage - 15, 16 do
          if not ending and string.sub(lineage, at, at + 7) == ARGV[1] then ending = struct.unpack('>I8', lineage, at + 8) end
        end
        if claim <= (ending or 0) then return 0 end
        local known = ARGV[1] .. struct.pack('>I8', claim)
        if m[1] ~= ARGV[1] then known = known .. m[1] .. struct.pack('>I8', tonumber(m[2])) end
        claims = string.sub(known .. lineage .. claims, 1, \(16 * disowned))
        redis.call('HSET', KEYS[1], 'e', ARGV[3], 'l', '', 'c', claims)
        redis.call('PEXPIRE', KEYS[1], ARGV[4])
        redis.call('PUBLISH', ARGV[5], ARGV[6])
        return 1
        """
}
