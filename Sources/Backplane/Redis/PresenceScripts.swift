/// Presence in Redis, in steps that cannot be cut in two: what is noted and what is announced never differ.
///
/// `p:{channel}:{node}` has the node's members (sorted set, all of score 0), `pu:{channel}` for each key of a member the
/// ids of the nodes it is on (8 bytes each), `pl:{channel}` these keys in order, `pc:{node}` the node's channels, `pn` the
/// nodes. Nothing counts up and down: a node writes and removes its own marks only, so doing it twice is as good as once.
/// `pr:{node}` says that the node was taken for dead and its members were announced as gone.
extension RedisScript {
    /// How long marks of a cluster that is gone stay, in milliseconds: a day. Nodes touch theirs more often.
    static let presenceLifetime = 86_400_000
    /// How long it is known of a node that it was taken for dead.
    private static let reapedLifetime = 3_600_000

    /// KEYS: p, pu, pl, pc, pn, pr. ARGV: 1 member, 2 key, 3 node (8 bytes), 4 node (text), 5 channel, 6 pub/sub channel,
    /// 7 what announces it, or nothing, 8 '1' when nobody was told yet.
    ///
    /// Returns whether it is the first of its key.
    static let enterSource = """
        redis.call('ZADD', KEYS[1], 0, ARGV[1])
        redis.call('SADD', KEYS[4], ARGV[5])
        redis.call('SADD', KEYS[5], ARGV[4])
        local nodes = redis.call('HGET', KEYS[2], ARGV[2]) or ''
        local known = false
        for i = 1, #nodes, 8 do
          if string.sub(nodes, i, i + 7) == ARGV[3] then known = true end
        end
        if not known then redis.call('HSET', KEYS[2], ARGV[2], nodes .. ARGV[3]) end
        if nodes == '' then redis.call('ZADD', KEYS[3], 0, ARGV[2]) end
        for i = 1, 5 do redis.call('PEXPIRE', KEYS[i], \(presenceLifetime)) end
        if nodes ~= '' then return 0 end
        if ARGV[7] ~= '' and (ARGV[8] == '1' or redis.call('EXISTS', KEYS[6]) == 1) then
          redis.call('PUBLISH', ARGV[6], ARGV[7])
        end
        return 1
        """

    /// Takes the mark of one node from a key, and says it when it was the last. `lost` is for marks that are not there
    /// because Redis lost them.
    private static let unmark = """
        local function unmark(pu, pl, key, node, channel, message, lost)
          local nodes = redis.call('HGET', pu, key) or ''
          local rest, had = '', lost and nodes == ''
          for i = 1, #nodes, 8 do
            local one = string.sub(nodes, i, i + 7)
            if one == node then had = true else rest = rest .. one end
          end
          if not had then return 0 end
          if rest ~= '' then
            redis.call('HSET', pu, key, rest)
            return 0
          end
          redis.call('HDEL', pu, key)
          redis.call('ZREM', pl, key)
          if message ~= '' then redis.call('PUBLISH', channel, message) end
          return 1
        end

        """

    /// KEYS: p, pu, pl, pc, pn, pr. ARGV: 1 member, 2 key, or nothing while others of it are on the node, 3 node (8
    /// bytes), 4 node (text), 5 channel, 6 pub/sub channel, 7 what announces it, or nothing.
    ///
    /// Returns whether the member is gone.
    static let leaveSource =
        unmark + """
            redis.call('ZREM', KEYS[1], ARGV[1])
            local gone = 0
            if ARGV[2] ~= '' then
              local lost = redis.call('SISMEMBER', KEYS[5], ARGV[4]) == 0 and redis.call('EXISTS', KEYS[6]) == 0
              gone = unmark(KEYS[2], KEYS[3], ARGV[2], ARGV[3], ARGV[6], ARGV[7], lost)
            end
            if redis.call('ZCARD', KEYS[1]) == 0 then redis.call('SREM', KEYS[4], ARGV[5]) end
            return gone
            """

    /// The members of a dead node in one channel are gone, some at a time. KEYS: p, pu, pl, pc. ARGV: 1 node (8 bytes), 2
    /// channel, 3 pub/sub channel, 4 what goes in front of a member to announce it, or nothing, 5 how many.
    ///
    /// Returns how many members are gone.
    static let reapSource =
        unmark + """
            local gone = 0
            local members = redis.call('ZRANGEBYLEX', KEYS[1], '-', '+', 'LIMIT', 0, ARGV[5])
            for _, member in ipairs(members) do
              local length = string.byte(member, 33) * 256 + string.byte(member, 34)
              local key = 's' .. string.sub(member, 1, 32)
              if length > 0 then key = 'u' .. string.sub(member, 35, 34 + length) end
              local message = ''
              if ARGV[4] ~= '' then message = ARGV[4] .. member end
              gone = gone + unmark(KEYS[2], KEYS[3], key, ARGV[1], ARGV[3], message, false)
              redis.call('ZREM', KEYS[1], member)
            end
            if redis.call('ZCARD', KEYS[1]) == 0 then redis.call('SREM', KEYS[4], ARGV[2]) end
            return gone
            """

    /// What a dead node left. KEYS: pn. ARGV: 1 prefix of leases, 2 prefix of `pc`, 3 prefix of `pr`, 4 how many channels.
    ///
    /// Returns pairs of a node and some of its channels; a node that has none left is forgotten.
    static let staleSource = """
        local found = {}
        for _, node in ipairs(redis.call('SMEMBERS', KEYS[1])) do
          if redis.call('EXISTS', ARGV[1] .. node) == 0 then
            local channels = redis.call('SRANDMEMBER', ARGV[2] .. node, ARGV[4])
            redis.call('SET', ARGV[3] .. node, '1', 'PX', \(reapedLifetime))
            if #channels == 0 then
              redis.call('SREM', KEYS[1], node)
            else
              found[#found + 1] = {node, channels}
            end
          end
        end
        return found
        """

    /// KEYS: pu, pl, and p for each node, in order. ARGV: 1 the view, 2 where a page begins, 3 its size.
    ///
    /// Returns sessions, members, and the entries asked for. Costs one step for each node, unless entries are asked for.
    static let presentSource = """
        local clients = 0
        for i = 3, #KEYS do clients = clients + redis.call('ZCARD', KEYS[i]) end
        local entries = {}
        local most = tonumber(ARGV[3])
        if ARGV[1] == 'users' then
          entries = redis.call('ZRANGEBYLEX', KEYS[2], ARGV[2], '+', 'LIMIT', 0, most)
        elseif ARGV[1] == 'clients' then
          for i = 3, #KEYS do
            if #entries >= most then break end
            for _, one in ipairs(redis.call('ZRANGEBYLEX', KEYS[i], ARGV[2], '+', 'LIMIT', 0, most - #entries)) do
              entries[#entries + 1] = one
            end
          end
        end
        return {clients, redis.call('HLEN', KEYS[1]), entries}
        """
}
