/// What Redis does for history in one step.
///
/// Positions are 16 bytes: the epoch, and the offset as a big-endian number. An entry of the stream has the offset as its id, so
/// nothing depends on clocks. `m:` is a hash of the epoch `e`, the offset `o`, the identity `r` of the server that gave it, the
/// lineage `l` (the positions at which earlier epochs ended, newest first), and `c`, up to where epochs were disowned.
/// `m:$beginnings` is one hash for each partition: what `RedisBeginnings` are made of (`g`), and for which server (`r`).
///
/// All keys of a script are in one slot of a Redis Cluster. Only `inherit` looks at others, where there is none.
///
/// The first two bytes of an epoch are its tag (`ClientOffset`): not 0, but for beginnings before which there was nothing.
///
/// The identity is the `run_id` and, with Sentinel, the number of the failover that made it the master (`run@7`). A node
/// that has not heard of the last failover does not turn that back: two nodes would begin epochs in turn.
extension RedisScript {
    /// Epochs whose end is remembered.
    static let lineage = 16
    /// Epochs of which it is remembered that they lead nowhere.
    static let lostPositions = 24
    /// A read fetches as many entries at a time as fit in these bytes, whatever their size; each call costs Redis something.
    private static let stepBytes = 1 << 20
    /// How long the end of a channel is remembered after its last use, in milliseconds: 30 days.
    static let metaLifetime: Int64 = 30 * 86_400_000
    /// How long an idempotency key is, in milliseconds.
    private static let keyLifetime: Int64 = MemoryKeys.lifetime.components.seconds * 1000
    /// How an error of ours begins: Redis has something that no node wrote.
    static let invalid = "BADHISTORY"
    /// What a server says that had a channel's partition once (`dropKeys`).
    private static let moved = "BADSERVER the channel lives on another of the servers now"

    private static let functions = """
        local function latest(identity, known)
          if known and known ~= identity then
            local run, failovers = string.match(identity, '^(.*)@(%d+)$')
            local last, before = string.match(known, '^(.*)@(%d+)$')
            if run and run == last and tonumber(failovers) < tonumber(before) then return known end
          end
          return identity
        end
        local function beginnings(key, identity, base)
          local known = redis.call('HMGET', key, 'g', 'r')
          local bases = known[1] or ''
          if known[2] == 'moved' then return nil end
          identity = latest(identity, known[2])
          if #bases % \(RedisBeginnings.baseBytes) ~= 0 then bases = '' end
          if bases == '' or known[2] ~= identity then
            if bases == '' then base = '\\0\\0' .. string.sub(base, 3) end
            bases = string.sub(base .. bases, 1, \(RedisBeginnings.baseBytes * RedisBeginnings.remembered))
            redis.call('HSET', key, 'g', bases, 'r', identity)
          end
          return bases
        end
        local function inherit(m, h, b, prefix, name)
          if prefix == '' then return end
          local known = redis.call('HMGET', prefix .. 'm:$beginnings', 'g', 'r')
          if known[1] and known[2] and redis.call('EXISTS', b) == 0 then redis.call('HSET', b, 'g', known[1], 'r', known[2]) end
          if redis.call('EXISTS', prefix .. 'm:' .. name) == 0 then return end
          redis.call('RENAME', prefix .. 'm:' .. name, m)
          if redis.call('EXISTS', prefix .. 'h:' .. name) == 1 then redis.call('RENAME', prefix .. 'h:' .. name, h) end
        end
        local function hash(m, h, b, prefix, name)
          local fields = redis.call('HMGET', m, 'e', 'o', 'l', 'c', 'r')
          if fields[1] or prefix == '' then return fields end
          inherit(m, h, b, prefix, name)
          return redis.call('HMGET', m, 'e', 'o', 'l', 'c', 'r')
        end
        local function valid(m)
          local offset = tonumber(m[2] or '')
          if not offset or offset < 0 or offset > 9007199254740991 or offset % 1 ~= 0 then return nil end
          if #m[1] ~= 8 or #(m[3] or '') % 16 ~= 0 or #(m[4] or '') % 16 ~= 0 then return nil end
          return offset
        end

        """

    /// Publishes what was published to one channel together, in its order.
    ///
    /// KEYS: hash, stream, beginnings, and the idempotency keys there are. ARGV: 1 the server's identity, 2 an epoch in case a new
    /// one begins, 3 a base and 4 a day in case it is the channel's first, 5 size, 6 time to live (ms), 7 pub/sub channel, 8 the
    /// prefix of keys in the layout of before, or nothing, 9 the channel's name, where there is that prefix. Then three for each
    /// publication: the envelope before and after its position, and which of KEYS is its idempotency key, or nothing.
    ///
    /// The first stream entry comes first: where Redis refuses it, nothing is changed. What is published comes last, so that
    /// nothing is announced that is not stored. Only the last entry trims the stream: until then the stream is longer by the others.
    ///
    /// Returns whether it had been published before, and the position, of each publication.
    static let publishSource =
        functions + """
            local replies, payloads, known, last = {}, {}, {}, nil
            for at = 10, #ARGV, 3 do
              local key = KEYS[tonumber(ARGV[at + 2])]
              if key and known[key] == nil then
                known[key] = redis.pcall('GET', key)
                if type(known[key]) == 'table' then known[key] = false end
              end
              if not key or not known[key] then
                last = at
                if key then known[key] = true end
              end
            end
            local m, identity, epoch, offset, lineage, goesOn, number
            if last and ARGV[5] ~= '0' then
              m = hash(KEYS[1], KEYS[2], KEYS[3], ARGV[8], ARGV[9])
              identity = latest(ARGV[1], m[5])
              epoch, offset, lineage, goesOn = m[1], 0, m[3] or '', false
              if not epoch then
                local bases = beginnings(KEYS[3], ARGV[1], ARGV[3])
                if not bases then return redis.error_reply('\(moved)') end
                epoch = string.sub(bases, 1, \(RedisBeginnings.baseBytes)) .. ARGV[4]
                lineage = ''
              else
                offset = valid(m)
                if not offset then return redis.error_reply('\(invalid) ' .. KEYS[1] .. ' has fields that no node wrote') end
                if offset > 9007199254740991 - (#ARGV - 9) / 3 then return redis.error_reply('\(invalid) ' .. KEYS[1] .. ' has no offset left') end
                if m[5] ~= identity then
                  lineage = string.sub(epoch .. struct.pack('>I8', offset) .. lineage, 1, \(16 * lineage))
                  epoch = ARGV[2]
                else
                  goesOn = true
                end
              end
              if offset == 0 then redis.call('DEL', KEYS[2]) end
            end
            for at = 10, #ARGV, 3 do
              local key = KEYS[tonumber(ARGV[at + 2])]
              local position = key and known[key]
              if position and position ~= true then
                replies[#replies + 1] = 1
              else
                position = ''
                if offset then
                  offset = offset + 1
                  position = epoch .. struct.pack('>I8', offset)
                  number = string.format('%.0f', offset)
                end
                local payload = ARGV[at] .. position .. ARGV[at + 1]
                payloads[#payloads + 1] = payload
                if at == last and number then
                  redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[5], number .. '-0', 'p', payload)
                elseif number then
                  redis.call('XADD', KEYS[2], number .. '-0', 'p', payload)
                end
                if key then
                  redis.call('SET', key, position, 'PX', '\(keyLifetime)')
                  known[key] = position
                end
                replies[#replies + 1] = 0
              end
              replies[#replies + 1] = position
            end
            if number then
              redis.call('PEXPIRE', KEYS[2], ARGV[6])
              if goesOn then
                redis.call('HSET', KEYS[1], 'o', number)
              else
                redis.call('HSET', KEYS[1], 'e', epoch, 'o', number, 'r', identity, 'l', lineage)
              end
              redis.call('PEXPIRE', KEYS[1], '\(metaLifetime)')
            end
            for _, payload in ipairs(payloads) do redis.call('PUBLISH', ARGV[7], payload) end
            return replies
            """

    /// KEYS: hash, stream, beginnings. ARGV: 1 the server's identity, 2 a base in case there is none, 3 the epoch and 4 the
    /// offset after (or before) which, or nothing, 5 how many and 6 how many bytes at the most, 7 the bytes of the largest
    /// entry, 8 '1' for newest first, 9 time to live of a hash that is kept alive (ms), or nothing, 10 the prefix of keys in the
    /// layout of before, or nothing, and 11 the channel's name.
    ///
    /// Nothing is read for a position that cannot be good. Entries are fetched a few at a time, and that ends
    /// when the page is full. So what is held here at once is never more than the page, 1 MiB and one entry.
    ///
    /// Returns epoch, offset, lineage, disowned positions, beginnings, whether the channel is young, whether more would follow,
    /// the envelopes, and the time to live of what is kept (ms). It creates nothing, but for the beginnings, once.
    ///
    /// Where the rules of Redis do not allow PTTL, the time to live is unknown, and no node hands out what it read earlier.
    static let readSource =
        functions + """
            local m = hash(KEYS[1], KEYS[2], KEYS[3], ARGV[10], ARGV[11])
            local known = redis.call('HMGET', KEYS[3], 'g', 'r')
            local bases, young, cut, entries = known[1] or '', 0, 0, {}
            if #bases % \(RedisBeginnings.baseBytes) ~= 0 or #bases > \(RedisBeginnings.baseBytes * RedisBeginnings.remembered) then bases = '' end
            if not m[1] then bases = beginnings(KEYS[3], ARGV[1], ARGV[2]) end
            if not bases then return redis.error_reply('\(moved)') end
            local top = m[1] and valid(m)
            if top then
              if ARGV[9] ~= '' and top > 0 then redis.call('PEXPIRE', KEYS[1], ARGV[9]) end
              if (m[3] or '') == '' and (m[4] or '') == '' and m[5] == known[2] then young = 1 end
            end
            local count = tonumber(ARGV[5])
            if not top or top == 0 then count = 0 end
            local since = tonumber(ARGV[4])
            if since == 0 and ARGV[8] == '1' then count = 0 end
            if since and count > 0 then
              local good = ARGV[3] == m[1] and since <= top
              local lineage = m[3] or ''
              for at = 1, #lineage - 15, 16 do
                if string.sub(lineage, at, at + 7) == ARGV[3] then good = since <= struct.unpack('>I8', lineage, at + 8) end
              end
              for at = 1, #bases, \(RedisBeginnings.baseBytes) do
                if string.sub(bases, at, at + \(RedisBeginnings.baseBytes - 1)) == string.sub(ARGV[3], 1, \(RedisBeginnings.baseBytes)) and since <= top then good = true end
              end
              if not good or (ARGV[8] ~= '1' and since == top) then count = 0 end
            end
            local command, from, to, expected = 'XRANGE', '-', '+', nil
            if ARGV[8] == '1' then command, from, to = 'XREVRANGE', '+', '-' end
            if since then
              from = '(' .. string.format('%.0f-0', since)
              if ARGV[8] ~= '1' then expected = string.format('%.0f-0', since + 1) end
            end
            local budget, largest, used = tonumber(ARGV[6]), tonumber(ARGV[7]), 0
            while count > 0 do
              local step = math.max(1, math.min(count, math.floor(\(stepBytes) / largest)))
              local part = redis.pcall(command, KEYS[2], from, to, 'COUNT', step)
              if part.err then
                if #entries == 0 then return redis.error_reply(part.err) end
                break
              end
              for _, entry in ipairs(part) do
                if expected and entry[1] ~= expected then
                  count = 0
                  break
                end
                expected = nil
                local size, fields = 0, entry[2] or {}
                for _, field in ipairs(fields) do size = size + #field end
                if #entries > 0 and used + size > budget then
                  cut, count = 1, 0
                  break
                end
                used = used + size
                if #fields == 2 then entries[#entries + 1] = fields[2] else entries[#entries + 1] = '' end
                from = '(' .. entry[1]
              end
              count = count - #part
              if #part < step then break end
            end
            local left = redis.pcall('PTTL', KEYS[2])
            if type(left) ~= 'number' then left = -2 end
            return {m[1] or '', m[2] or '', m[3] or '', m[4] or '', bases, young, cut, entries, left}
            """

    /// KEYS: hash, stream, beginnings. ARGV: 1 an epoch and 2 an offset that were given and that history went on without, 3 an epoch for what
    /// comes now, 4 time to live of the hash (ms), 5 pub/sub channel, 6 what is said there, 7 the server's identity,
    /// 8 the prefix of keys in the layout of before, or nothing, and 9 the channel's name.
    ///
    /// The new epoch has no lineage, so no position that was given before leads to it: everybody who comes with one, or holds
    /// one, is told of a loss, on any node and however late. `c` remembers up to where each epoch was disowned, the one that
    /// ends here and its lineage too, so that several nodes that noticed the same do it once. An epoch that is not known at all
    /// began and ended on a server that was lost. Where nothing is left of the channel at all, that is noted too: those who
    /// were told the beginning of a channel without publications must not believe that nothing came.
    ///
    /// Returns whether there was anything to note.
    static let markLostSource =
        functions + """
            local m = hash(KEYS[1], KEYS[2], KEYS[3], ARGV[8], ARGV[9])
            local claim = tonumber(ARGV[2])
            local known = ARGV[1] .. struct.pack('>I8', claim)
            local claims, lineage = m[4] or '', m[3] or ''
            if not m[1] then
              if claim == 0 then return 0 end
              redis.call('HSET', KEYS[1], 'e', ARGV[3], 'o', '0', 'r', ARGV[7], 'l', '', 'c', known)
            else
              local offset, ending = valid(m), nil
              if not offset then return redis.error_reply('\(invalid) ' .. KEYS[1] .. ' has fields that no node wrote') end
              for at = 1, #claims - 15, 16 do
                if string.sub(claims, at, at + 7) == ARGV[1] then
                  ending = struct.unpack('>I8', claims, at + 8)
                  claims = string.sub(claims, 1, at - 1) .. string.sub(claims, at + 16)
                  break
                end
              end
              if not ending and m[1] == ARGV[1] then ending = offset end
              for at = 1, #lineage - 15, 16 do
                if not ending and string.sub(lineage, at, at + 7) == ARGV[1] then ending = struct.unpack('>I8', lineage, at + 8) end
              end
              if claim <= (ending or 0) then return 0 end
              if m[1] ~= ARGV[1] then known = known .. m[1] .. struct.pack('>I8', offset) end
              claims = string.sub(known .. lineage .. claims, 1, \(16 * lostPositions))
              redis.call('HSET', KEYS[1], 'e', ARGV[3], 'l', '', 'c', claims)
            end
            redis.call('PEXPIRE', KEYS[1], ARGV[4])
            redis.call('PUBLISH', ARGV[5], ARGV[6])
            return 1
            """
}
