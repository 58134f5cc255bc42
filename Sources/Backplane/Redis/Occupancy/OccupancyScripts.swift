/// Which channels have subscribers anywhere, in steps that cannot be cut in two: each transition is the answer to one command,
/// so one node knows it.
///
/// `o` has for each channel of a partition the ids of the nodes with subscribers (8 bytes each), `oc:{node}` the node's channels,
/// `on` the nodes. Nothing counts up and down: a node writes and removes its own marks only. `or:{node}` says that the node was
/// taken for dead and its channels were given up for it. `om:{node}` is the node's own mark that all of it was told: when it is gone,
/// so are the others, and the node tells everything again. All of these are of one partition.
extension RedisScript {
    /// How long marks of a cluster that is gone stay, in milliseconds: a day. Nodes touch theirs more often.
    static let occupancyLifetime = 86_400_000
    /// How long a node's mark that everything was told stays, in milliseconds. The node touches it every second.
    static let occupancyMarkLifetime = 60_000
    /// How long it is known of a node that it was taken for dead.
    private static let clearedLifetime = 3_600_000

    /// `order()` numbers the changes of a partition: each number is greater than those before, by the clock where that goes on, so that
    /// it stays so when Redis has lost the last one (`os`, in `key`).
    private static func ordering(_ key: Int) -> String {
        """
        local function order()
          local time = redis.call('TIME')
          local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
          local last = tonumber(redis.call('GET', KEYS[\(key)]) or '0') or 0
          if now <= last then now = last + 1 end
          redis.call('SET', KEYS[\(key)], string.format('%.0f', now), 'PX', \(occupancyLifetime))
          return now
        end
        """
    }

    /// KEYS: o, oc, on, or, os. ARGV: 1 node (8 bytes), 2 node (text), 3 channel, 4 `new`, `again` or `unsure`.
    ///
    /// Returns the number of the change when the channel had no subscribers before and nobody was told; otherwise 0.
    static let occupySource = """
        \(ordering(5))
        local nodes = redis.call('HGET', KEYS[1], ARGV[3]) or ''
        local known = false
        for i = 1, #nodes, 8 do
          if string.sub(nodes, i, i + 7) == ARGV[1] then known = true end
        end
        if not known then redis.call('HSET', KEYS[1], ARGV[3], nodes .. ARGV[1]) end
        redis.call('SADD', KEYS[2], ARGV[3])
        redis.call('SADD', KEYS[3], ARGV[2])
        for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], \(occupancyLifetime)) end
        if nodes == '' then
          if ARGV[4] == 'again' and redis.call('EXISTS', KEYS[4]) == 0 then return 0 end
          return order()
        end
        if ARGV[4] == 'unsure' and nodes == ARGV[1] then return order() end
        return 0
        """

    /// KEYS and ARGV as for `occupy`. A mark that is not there was lost, unless it was given up for this node.
    ///
    /// Returns the number of the change when the channel has no subscribers any more and nobody was told; otherwise 0.
    static let vacateSource = """
        \(ordering(5))
        local nodes = redis.call('HGET', KEYS[1], ARGV[3]) or ''
        local rest, had = '', false
        for i = 1, #nodes, 8 do
          local one = string.sub(nodes, i, i + 7)
          if one == ARGV[1] then had = true else rest = rest .. one end
        end
        local gone = 0
        if had then
          if rest ~= '' then
            redis.call('HSET', KEYS[1], ARGV[3], rest)
          else
            redis.call('HDEL', KEYS[1], ARGV[3])
            gone = 1
          end
        elseif nodes == '' and redis.call('EXISTS', KEYS[4]) == 0 then
          if ARGV[4] == 'unsure' or redis.call('SISMEMBER', KEYS[3], ARGV[2]) == 0 then gone = 1 end
        end
        redis.call('SREM', KEYS[2], ARGV[3])
        if redis.call('EXISTS', KEYS[2]) == 0 then redis.call('SREM', KEYS[3], ARGV[2]) end
        if gone == 1 then return order() end
        return 0
        """

    /// Some channels of a dead node are given up. KEYS: o, oc, on, or, om, os. ARGV: 1 node (8 bytes), 2 node (text), 3 how many.
    ///
    /// Returns how many there were, the number of this change, and then those that have no subscribers any more.
    static let clearSource = """
        \(ordering(6))
        redis.call('SET', KEYS[4], '1', 'PX', \(clearedLifetime))
        redis.call('DEL', KEYS[5])
        local channels = redis.call('SRANDMEMBER', KEYS[2], ARGV[3])
        local answer = {#channels, order()}
        for _, channel in ipairs(channels) do
          local nodes = redis.call('HGET', KEYS[1], channel) or ''
          local rest, had = '', false
          for i = 1, #nodes, 8 do
            local one = string.sub(nodes, i, i + 7)
            if one == ARGV[1] then had = true else rest = rest .. one end
          end
          if had and rest ~= '' then redis.call('HSET', KEYS[1], channel, rest) end
          if had and rest == '' then
            redis.call('HDEL', KEYS[1], channel)
            answer[#answer + 1] = channel
          end
          redis.call('SREM', KEYS[2], channel)
        end
        if redis.call('EXISTS', KEYS[2]) == 0 then redis.call('SREM', KEYS[3], ARGV[2]) end
        return answer
        """
}
