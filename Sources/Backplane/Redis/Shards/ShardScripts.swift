/// What a change of the servers needs at Redis in one step each. `PREFIX:shards` has the plan that all nodes follow (`ShardPlan`).
extension RedisScript {
    /// Scripts that only several servers need.
    static let moving: [RedisScript] = [.storePlan, .listKeys, .dropKeys, .dumpKeys, .restoreKeys, .forgetMoves]

    /// KEYS: the plan. ARGV: 1 the generation of another one, 2 the other one.
    ///
    /// Returns the one that is stored then. Of one generation the first one stays: when one node takes back what another one completes, one of them
    /// is told so. What is of another origin, or no plan, stays too.
    static let storePlanSource = """
        local known = redis.call('GET', KEYS[1])
        if known then
          local generation, other = tonumber(string.match(known, '\\ngeneration (%d+)') or ''), tonumber(ARGV[1])
          if not generation or string.match(known, '\\norigin (%d+)') ~= string.match(ARGV[2], '\\norigin (%d+)') then return known end
          if generation >= other then return known end
        end
        redis.call('SET', KEYS[1], ARGV[2])
        return ARGV[2]
        """

    /// ARGV: 1 a cursor, 2 about how many keys to look at, 3 what is in front of a tag, then tags.
    ///
    /// Returns the next cursor, and those of the keys that have one of the tags.
    static let listKeysSource = """
        local tags, found = {}, {}
        for i = 4, #ARGV do tags[ARGV[i]] = true end
        local answer = redis.call('SCAN', ARGV[1], 'COUNT', ARGV[2])
        for _, key in ipairs(answer[2]) do
          if string.sub(key, 1, #ARGV[3]) == ARGV[3] then
            local stop = string.find(key, '}', #ARGV[3] + 1, true)
            if stop and tags[string.sub(key, #ARGV[3] + 1, stop - 1)] then found[#found + 1] = key end
          end
        end
        return {answer[1], found}
        """

    /// What writes nothing unless the server has the very plan that it belongs to.
    private static let fence = """
        if redis.call('GET', KEYS[1]) ~= ARGV[1] then return redis.error_reply('OUTDATED the nodes follow another plan') end

        """

    /// KEYS: the plan, and keys that go. ARGV: 1 the plan, 2 `moved` when they have another server now: then what channels without
    /// publications begin with says so for an hour.
    static let dropKeysSource =
        fence + """
            for i = 2, #KEYS do
              redis.call('DEL', KEYS[i])
              if ARGV[2] == 'moved' and string.sub(KEYS[i], -13) == 'm:$beginnings' then
                redis.call('HSET', KEYS[i], 'r', 'moved')
                redis.call('PEXPIRE', KEYS[i], 3600000)
              end
            end
            return #KEYS
            """

    /// KEYS: what channels without publications begin with, of all partitions. That a partition has another server is forgotten.
    static let forgetMovesSource = """
        for i = 1, #KEYS do
          if redis.call('HGET', KEYS[i], 'r') == 'moved' then redis.call('DEL', KEYS[i]) end
        end
        return #KEYS
        """

    /// KEYS: keys that are copied. ARGV: 1 how many bytes at the most, but one key at the least, 2 how many of one key.
    ///
    /// Returns for each of them what it is and how long it lives yet (ms). What is too large is empty, and what is gone is nil.
    static let dumpKeysSource = """
        local answer, bytes = {}, 0
        for i = 1, #KEYS do
          local payload = redis.call('DUMP', KEYS[i])
          if payload then
            if #payload > tonumber(ARGV[2]) then payload = '' end
            if i > 1 and bytes + #payload > tonumber(ARGV[1]) then break end
            bytes = bytes + #payload
          end
          answer[#answer + 1] = payload
          answer[#answer + 1] = redis.call('PTTL', KEYS[i])
        end
        return answer
        """

    /// KEYS: the plan, and keys. ARGV: 1 the plan, then for each key how long it lives yet (ms, 0 for ever) and what it is.
    static let restoreKeysSource =
        fence + """
            for i = 2, #KEYS do redis.call('RESTORE', KEYS[i], ARGV[2 * i - 2], ARGV[2 * i - 1], 'REPLACE') end
            return #KEYS
            """
}
