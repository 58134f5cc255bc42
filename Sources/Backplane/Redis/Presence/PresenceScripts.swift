/// Presence in Redis, in steps that cannot be cut in two: what is noted and what is announced never differ.
///
/// `p:{channel}:{node}` has the node's members (sorted set, all of score 0), `pu:{channel}` for each key of a member the
/// ids of the nodes it is on (8 bytes each), `pl:{channel}` these keys in order, `pc:{node}` the node's channels, `pn` the
/// nodes. Nothing counts up and down: a node writes and removes its own marks only, so doing it twice is as good as once.
/// `pr:{node}` says that the node was taken for dead and its members were announced as gone. `p::{node}` is the node's own
/// mark that everybody of it was told: when it is gone, so are the others, and the node tells everybody again. All of these are
/// of one partition, so each script touches keys of one slot. What is about a node is there once for each partition that it has
/// members in.
extension RedisScript {
    /// How long marks of a cluster that is gone stay, in milliseconds: a day. Nodes touch theirs more often.
    static let presenceLifetime = 86_400_000
    /// How long a node's mark that everybody was told stays, in milliseconds. The node touches it every second.
    static let presenceMarkLifetime = 60_000
    /// How long it is known of a node that it was taken for dead.
    private static let reapedLifetime = 3_600_000

    /// KEYS: p, pu, pl, pc, pn, pr. ARGV: 1 member, 2 key, 3 node (8 bytes), 4 node (text), 5 channel, 6 pub/sub channel,
    /// 7 what announces it, or nothing, 8 '1' when nobody was told yet, 9 '1' to announce it though others have its key.
    ///
    /// Returns whether it is the first of its key, or, where each session is announced, whether it was not there; and that is news.
    static let enterSource = """
        local added = redis.call('ZADD', KEYS[1], 0, ARGV[1])
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
        if ARGV[9] == '1' then
          if added == 0 then return 0 end
        elseif nodes ~= '' then
          return 0
        end
        if ARGV[8] ~= '1' and redis.call('EXISTS', KEYS[6]) == 0 then return 0 end
        if ARGV[7] ~= '' then redis.call('PUBLISH', ARGV[6], ARGV[7]) end
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
    /// bytes), 4 node (text), 5 channel, 6 pub/sub channel, 7 what announces it, or nothing, 8 '1' while the node tells
    /// everybody again, because Redis may have lost its marks, 9 '1' to announce it though others have its key.
    ///
    /// Returns whether the member is gone.
    static let leaveSource =
        unmark + """
            local removed = redis.call('ZREM', KEYS[1], ARGV[1])
            local lost = (ARGV[2] ~= '' or ARGV[9] == '1') and (ARGV[8] == '1' or redis.call('SISMEMBER', KEYS[5], ARGV[4]) == 0) and redis.call('EXISTS', KEYS[6]) == 0
            local gone, message = 0, ARGV[7]
            if ARGV[9] == '1' then
              if removed == 1 or lost then
                if message ~= '' then redis.call('PUBLISH', ARGV[6], message) end
                gone = 1
              end
              message = ''
            end
            if ARGV[2] ~= '' then
              local last = unmark(KEYS[2], KEYS[3], ARGV[2], ARGV[3], ARGV[6], message, lost)
              if ARGV[9] ~= '1' then gone = last end
            end
            if redis.call('ZCARD', KEYS[1]) == 0 then redis.call('SREM', KEYS[4], ARGV[5]) end
            return gone
            """

    /// The members of a dead node in one channel are gone, some at a time. KEYS: p, pu, pl, pc, pr, mark. ARGV: 1
    /// node (8 bytes), 2 channel, 3 pub/sub channel, 4 what goes in front of a member to announce it, or nothing, 5 how many,
    /// 6 '1' for members and not their number, 7 '1' to announce each session.
    ///
    /// Returns the members that are gone, or how many. That the node has no lease was asked before; if it should be alive all the same, it
    /// finds its mark gone and tells everybody again.
    static let reapSource =
        unmark + """
            redis.call('SET', KEYS[5], '1', 'PX', \(reapedLifetime))
            redis.call('DEL', KEYS[6])
            local gone = {}
            local members = redis.call('ZRANGEBYLEX', KEYS[1], '-', '+', 'LIMIT', 0, ARGV[5])
            for _, member in ipairs(members) do
              if #member >= 34 then
                local length = string.byte(member, 33) * 256 + string.byte(member, 34)
                local key = 's' .. string.sub(member, 1, 32)
                if length > 0 then key = 'u' .. string.sub(member, 35, 34 + length) end
                local message = ''
                if ARGV[4] ~= '' then message = ARGV[4] .. member end
                if ARGV[7] == '1' then
                  if message ~= '' then redis.call('PUBLISH', ARGV[3], message) end
                  unmark(KEYS[2], KEYS[3], key, ARGV[1], ARGV[3], '', false)
                  gone[#gone + 1] = member
                elseif unmark(KEYS[2], KEYS[3], key, ARGV[1], ARGV[3], message, false) == 1 then
                  gone[#gone + 1] = member
                end
              end
              redis.call('ZREM', KEYS[1], member)
            end
            if redis.call('ZCARD', KEYS[1]) == 0 then redis.call('SREM', KEYS[4], ARGV[2]) end
            if ARGV[6] == '1' then return gone end
            return #gone
            """

    /// What a node without a lease left in a partition. KEYS: pn, pc. ARGV: 1 node (text), 2 how many channels.
    ///
    /// Returns some of its channels; a node that has none left is forgotten.
    static let staleSource = """
        local channels = redis.call('SRANDMEMBER', KEYS[2], ARGV[2])
        if #channels == 0 then redis.call('SREM', KEYS[1], ARGV[1]) end
        return channels
        """

    /// KEYS: pu, pl, and p for each node, in order. ARGV: 1 the view, 2 where a page begins, 3 its size, 4 '1' for everybody
    /// or nobody, 5 its bytes.
    ///
    /// Returns sessions, members, whether there is more than the entries, and the entries asked for. Counts cost one step for
    /// each node, and come first: where everybody would be too many, nobody is read. Otherwise at most one entry more than
    /// the page has is read, in portions, so that large ones end it soon.
    static let presentSource = """
        local clients = 0
        for i = 3, #KEYS do clients = clients + redis.call('ZCARD', KEYS[i]) end
        local users = redis.call('HLEN', KEYS[1])
        local most, room = tonumber(ARGV[3]), tonumber(ARGV[5])
        local entries, bytes, more = {}, 0, 0
        local first, last, all = 3, #KEYS, clients
        if ARGV[1] == 'users' then first, last, all = 2, 2, users end
        if ARGV[1] == 'count' then
          last = 0
        elseif ARGV[4] == '1' and all > most then
          last, more = 0, 1
        end
        for i = first, last do
          local from = ARGV[2]
          repeat
            local asked = math.min(128, most + 1 - #entries)
            local part = redis.call('ZRANGEBYLEX', KEYS[i], from, '+', 'LIMIT', 0, asked)
            for _, one in ipairs(part) do
              bytes = bytes + #one
              if #entries == most or (bytes > room and #entries > 0) then
                more = 1
                break
              end
              entries[#entries + 1] = one
              from = '(' .. one
            end
          until more == 1 or #part < asked
          if more == 1 then break end
        end
        if more == 1 and ARGV[4] == '1' then entries = {} end
        return {clients, users, more, entries}
        """
}
