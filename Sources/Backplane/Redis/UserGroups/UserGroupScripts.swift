/// Groups of users in Redis: one sorted set for each user and hub. Its entries are channels, their scores the ends of the memberships, in
/// seconds since 1970.
///
/// Commands that presence and outboxes need too are enough for it, so no Redis user needs another permission.
extension RedisScript {
    /// Adds a membership, or moves its end. KEYS: the set. ARGV: 1 the channel, 2 its end, 3 the time now, both in seconds since 1970, 4 how many
    /// there may be.
    ///
    /// Returns how many were given up because there were too many.
    static let joinGroupSource = """
        for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])) do redis.call('ZREM', KEYS[1], gone) end
        if tonumber(ARGV[2]) <= tonumber(ARGV[3]) then
          redis.call('ZREM', KEYS[1], ARGV[1])
          return 0
        end
        redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
        local over = redis.call('ZCARD', KEYS[1]) - tonumber(ARGV[4])
        local given = 0
        if over > 0 then
          for _, first in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '+inf', 'LIMIT', 0, over)) do
            given = given + redis.call('ZREM', KEYS[1], first)
          end
        end
        local left = (tonumber(ARGV[2]) - tonumber(ARGV[3])) * 1000
        if redis.call('PTTL', KEYS[1]) < left then redis.call('PEXPIRE', KEYS[1], string.format('%.0f', left)) end
        return given
        """
}
