/// Events that wait for a receiver, in Redis: each request about a part is one step that cannot be cut in two.
///
/// `s` is the stream of what waits, `d` that of what was given up, `m` a hash (`b` and `db`: bytes of the two; `fs` and `fr`: since when
/// and why attempts fail), `l` the lease, whose value is the token of the node that sends. `o` has for each channel what was said last
/// (`o` or `v`) and the number of the last change, `z` when something is due for it, and `e` what is said then (`OccupancyMemo`).
/// All keys of a part have one hash tag.
extension RedisScript {
    /// How long what waits is kept when nothing comes or goes any more, in milliseconds: 30 days.
    private static let outboxLifetime = 30 * 86_400_000
    /// Channels whose grace is over, in one step.
    private static let dueChannels = 256

    /// Functions of the scripts that append; `s`, `m`, `max` and `now` are theirs.
    private static let appending = """
        local bytes = tonumber(redis.call('HGET', m, 'b') or '0')
        local function add(body)
          if body == '' then return true end
          local size = #body + \(OutboxEvent.overhead)
          if bytes + size > max then return false end
          redis.call('XADD', s, '*', 'e', body)
          bytes = bytes + size
          return true
        end
        """

    private static let clock = """
        local time = redis.call('TIME')
        local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
        """

    /// KEYS: s, m, o, z, e. ARGV: 1 bytes, 2 grace in milliseconds, then for each event its kind (`x`, `o`, `v`), channel, order and body.
    ///
    /// Returns how many had no room.
    static let outboxAppendSource = """
        local s, m, o, z, e = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
        local max = tonumber(ARGV[1])
        \(clock)
        \(appending)
        local dropped = 0
        for i = 3, #ARGV, 4 do
          local kind, channel, order, body = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
          if kind == 'x' then
            if not add(body) then dropped = dropped + 1 end
          else
            local known = redis.call('HGET', o, channel) or 'v0'
            local said = string.sub(known, 1, 1)
            if tonumber(order) > (tonumber(string.sub(known, 2)) or 0) then
              if kind == 'o' then
                local held = redis.call('HDEL', e, channel)
                redis.call('ZREM', z, channel)
                if held == 0 and said == 'v' then
                  if add(body) then
                    said = 'o'
                  else
                    dropped = dropped + 1
                    redis.call('ZADD', z, now + \(OccupancyMemo.memory), channel)
                  end
                end
              elseif said == 'o' then
                redis.call('HSET', e, channel, body)
                redis.call('ZADD', z, now + tonumber(ARGV[2]), channel)
              else
                redis.call('ZADD', z, now + \(OccupancyMemo.memory), channel)
              end
              redis.call('HSET', o, channel, said .. order)
            end
          end
        end
        redis.call('HSET', m, 'b', bytes)
        for i = 1, 5 do redis.call('PEXPIRE', KEYS[i], \(outboxLifetime)) end
        return dropped
        """

    /// KEYS: s, m, o, z, e, l. ARGV: 1 bytes, 2 token, 3 duration of the lease.
    ///
    /// Returns 0 where another node has the lease; 1 where nothing waits; or the time, and ids and bodies in turn.
    static let outboxTakeSource = """
        local s, m, o, z, e, l = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
        local max = tonumber(ARGV[1])
        \(clock)
        \(appending)
        local due = redis.call('ZRANGEBYSCORE', z, '-inf', now, 'LIMIT', 0, \(dueChannels))
        for _, channel in ipairs(due) do
          local body = redis.call('HGET', e, channel)
          if not body then
            redis.call('ZREM', z, channel)
            redis.call('HDEL', o, channel)
          elseif add(body) then
            redis.call('HDEL', e, channel)
            redis.call('HSET', o, channel, 'v' .. string.sub(redis.call('HGET', o, channel) or 'o0', 2))
            redis.call('ZADD', z, now + \(OccupancyMemo.memory), channel)
          else
            redis.call('ZADD', z, now + 1000, channel)
          end
        end
        if #due > 0 then
          redis.call('HSET', m, 'b', bytes)
          redis.call('PEXPIRE', s, \(outboxLifetime))
          redis.call('PEXPIRE', m, \(outboxLifetime))
        end
        local holder = redis.call('GET', l)
        if holder and holder ~= ARGV[2] then return 0 end
        local found = redis.call('XRANGE', s, '-', '+', 'COUNT', \(OutboxRequest.batch))
        if #found == 0 then
          if holder then redis.call('DEL', l) end
          if bytes ~= 0 then redis.call('HSET', m, 'b', 0) end
          return 1
        end
        redis.call('SET', l, ARGV[2], 'PX', ARGV[3])
        local answer, total = {string.format('%.0f', now)}, 0
        for i, entry in ipairs(found) do
          local body = entry[2][2] or ''
          total = total + #body
          if i > 1 and total > \(OutboxRequest.batchBytes) then break end
          answer[#answer + 1] = entry[1]
          answer[#answer + 1] = body
        end
        return answer
        """

    /// KEYS: s, m, l, d. ARGV: 1 bytes, 2 token, 3 duration of the lease, 4 `done`, `failed`, `bury` or `release`, 5 reason, then ids.
    ///
    /// Returns -1 where the lease is another's or nobody's, and otherwise how many that were given up earlier had to go.
    static let outboxSettleSource = """
        local s, m, l, d = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
        local max, verb, reason = tonumber(ARGV[1]), ARGV[4], ARGV[5]
        if redis.call('GET', l) ~= ARGV[2] then return -1 end
        if verb == 'release' then
          redis.call('DEL', l)
          return 0
        end
        redis.call('PEXPIRE', l, ARGV[3])
        \(clock)
        if verb == 'failed' then
          if redis.call('EXISTS', s) == 0 then return 0 end
          if not redis.call('HGET', m, 'fs') then redis.call('HSET', m, 'fs', string.format('%.0f', now)) end
          redis.call('HSET', m, 'fr', reason)
          return 0
        end
        local bytes = tonumber(redis.call('HGET', m, 'b') or '0')
        local dead = tonumber(redis.call('HGET', m, 'db') or '0')
        local lost = 0
        for i = 6, #ARGV do
          local found = redis.call('XRANGE', s, ARGV[i], ARGV[i])
          if found[1] then
            local body = found[1][2][2] or ''
            local size = #body + \(OutboxEvent.overhead)
            bytes = bytes - size
            if verb == 'bury' then
              redis.call('XADD', d, '*', 'e', body, 'r', reason)
              dead = dead + size
            end
            redis.call('XDEL', s, ARGV[i])
          end
        end
        while dead > max do
          local oldest = redis.call('XRANGE', d, '-', '+', 'COUNT', 1)
          if not oldest[1] then dead = 0 break end
          dead = dead - #(oldest[1][2][2] or '') - \(OutboxEvent.overhead)
          redis.call('XDEL', d, oldest[1][1])
          lost = lost + 1
        end
        if bytes < 0 then bytes = 0 end
        redis.call('HSET', m, 'b', bytes, 'db', dead)
        if verb == 'done' then redis.call('HDEL', m, 'fs', 'fr') end
        redis.call('PEXPIRE', m, \(outboxLifetime))
        if verb == 'bury' then redis.call('PEXPIRE', d, \(outboxLifetime)) end
        return lost
        """

    /// KEYS: s, m, d. ARGV: 1 bytes, 2 `state`, `letters`, `resend` or `purge`, 3 how many, 4 the id in front of the first letter.
    ///
    /// Returns for `state` how many wait, their bytes, the id of the first, the time, how many were given up, since when and why
    /// attempts fail; for `letters` whether they are the last, and ids, bodies and reasons in turn; otherwise how many were moved or
    /// removed.
    static let outboxLettersSource = """
        local s, m, d = KEYS[1], KEYS[2], KEYS[3]
        local max, verb, count = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3])
        \(clock)
        \(appending)
        if verb == 'state' then
          local first = redis.call('XRANGE', s, '-', '+', 'COUNT', 1)
          return {redis.call('XLEN', s), bytes, first[1] and first[1][1] or '', string.format('%.0f', now),
            redis.call('XLEN', d), redis.call('HGET', m, 'fs') or '', redis.call('HGET', m, 'fr') or ''}
        end
        if verb == 'purge' then
          local gone = redis.call('XLEN', d)
          redis.call('DEL', d)
          redis.call('HDEL', m, 'db')
          return gone
        end
        if verb == 'letters' then
          local answer, total = {1}, 0
          for i, entry in ipairs(redis.call('XRANGE', d, '(' .. ARGV[4], '+', 'COUNT', count + 1)) do
            local body = entry[2][2] or ''
            total = total + #body
            if i > count or (i > 1 and total > \(OutboxRequest.batchBytes)) then
              answer[1] = 0
              break
            end
            answer[#answer + 1] = entry[1]
            answer[#answer + 1] = body
            answer[#answer + 1] = entry[2][4] or ''
          end
          return answer
        end
        local dead = tonumber(redis.call('HGET', m, 'db') or '0')
        local moved = 0
        for _, entry in ipairs(redis.call('XRANGE', d, '-', '+', 'COUNT', count)) do
          local body = entry[2][2] or ''
          if not add(body) then break end
          redis.call('XDEL', d, entry[1])
          dead = dead - #body - \(OutboxEvent.overhead)
          moved = moved + 1
        end
        if dead < 0 then dead = 0 end
        if moved > 0 then
          redis.call('HSET', m, 'b', bytes, 'db', dead)
          redis.call('PEXPIRE', s, \(outboxLifetime))
          redis.call('PEXPIRE', m, \(outboxLifetime))
        end
        return moved
        """
}
