/// Revoked tokens in Redis: one sorted set of entries (`Revocation.packed`) with the score 0, so in the order of their bytes.
///
/// Commands that presence needs too are enough for it, so no Redis user needs another permission.
extension RedisScript {
    /// Adds a revocation, or adds it to what there is of its subject. KEYS: the set. ARGV: 1 the head of the entry, 2 and 3 its times with 16
    /// digits, 4 how many entries there may be, 5 how long the set is to last at least (ms).
    ///
    /// The new entry comes before the old ones are removed: where Redis has no memory for it, nothing is changed.
    ///
    /// Returns 1, or 0 when there is no room.
    static let revokeSource = """
        local found = redis.call('ZRANGEBYLEX', KEYS[1], '[' .. ARGV[1], '(' .. ARGV[1] .. ':', 'LIMIT', 0, 64)
        local issued, expires = ARGV[2], ARGV[3]
        for _, entry in ipairs(found) do
          local times = string.sub(entry, #ARGV[1] + 1)
          if #times == 32 and not string.find(times, '%D') then
            local before, until_ = string.sub(times, 1, 16), string.sub(times, 17)
            if tonumber(before) > tonumber(issued) then issued = before end
            if tonumber(until_) > tonumber(expires) then expires = until_ end
          end
        end
        if #found == 0 and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then return 0 end
        local entry = ARGV[1] .. issued .. expires
        redis.call('ZADD', KEYS[1], '0', entry)
        for _, old in ipairs(found) do
          if old ~= entry then redis.call('ZREM', KEYS[1], old) end
        end
        if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[5]) then redis.call('PEXPIRE', KEYS[1], ARGV[5]) end
        return 1
        """
}
