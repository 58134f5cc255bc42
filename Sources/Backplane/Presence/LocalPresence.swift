package import Codec
package import Reactor

/// Who is present in which channel on this node: the truth that is told to the others. Pure: it is told what happens and
/// what time it is.
///
/// Counts are kept and members are in order, so no question costs more than the entries of its answer, and no event costs
/// more than a few comparisons, however many sessions there are.
package struct LocalPresence: ~Copyable {
    /// What became of a session that entered.
    package enum Arrival: Equatable, Sendable {
        /// It was there already.
        case known
        /// Its user has other sessions here.
        case another
        /// It is the first of its user here.
        case first
    }

    /// How much the others know of a session.
    package enum Told: UInt8, Comparable {
        case nothing
        /// It was sent, and refused: it was not announced.
        case refused
        /// It was sent, and nobody knows yet whether it arrived.
        case sent
        case told

        package static func < (left: Told, right: Told) -> Bool { left.rawValue < right.rawValue }
    }

    /// A session that is not present any more.
    package struct Departure: Equatable, Sendable {
        package let channel: ChannelName
        /// How its channel has presence.
        package fileprivate(set) var settings: PresenceSettings
        package let member: PresenceMember
        /// No other session here has the same key, so the member may be gone.
        package let isLast: Bool
        /// The others have heard of the session, or may have.
        package let isKnown: Bool
        /// The others have heard of somebody with its key here, or may have.
        package let isMarked: Bool

        /// Whether the others have to hear of it.
        package var isToBeTold: Bool { isKnown || isLast && isMarked }

        /// Whether somebody has gone for those who are told of presence.
        ///
        /// - Parameter isLast: Whether no other session has the same key by now.
        package func isNews(isLast: Bool) -> Bool { isLast || settings.isPerSession }
    }

    private(set) var rooms: [ChannelName: PresenceRoom] = [:]
    /// All rooms, for walks. When one ends the last one takes its place.
    private(set) var list: [PresenceRoom] = []
    private var leaving = LeavingQueue()
    /// Sessions in all channels.
    package private(set) var count = 0
    /// Sessions that left without their grace, because too many were leaving.
    package private(set) var cutShort: UInt64 = 0
    /// How many may be leaving.
    package var maximumLeaving: Int

    /// How exactly grace is kept.
    package static let precision = LeavingQueue.precision
    /// How many may be leaving, unless the configuration says otherwise.
    package static let defaultLeaving = 65_536
    /// Those whose time is over are taken in portions of this size, so that other work goes on in between.
    package static let portion = 256

    /// - Parameter maximumLeaving: How many sessions may have gone and still count, in case they come back. Beyond that,
    ///   whoever goes is gone at once. Beyond half of it, so is whoever was alone in its channel on this node, so that
    ///   those who make up channels take no grace from the others.
    package init(maximumLeaving: Int = defaultLeaving) { self.maximumLeaving = maximumLeaving }

    /// Whether somebody has gone and may come back.
    package var isAnybodyLeaving: Bool { leaving.count > 0 }

    /// - Parameter isQuiet: Whether nobody is to be told that it came, if it is not there already.
    package mutating func entered(
        _ member: PresenceMember, _ channel: ChannelName, _ settings: PresenceSettings, isQuiet: Bool = false
    ) -> Arrival {
        let room: PresenceRoom
        if let known = rooms[channel] {
            room = known
            // Its rule says something else since a reload.
            if room.settings != settings { room.settings = settings }
        } else {
            room = PresenceRoom(channel, settings)
            room.index = list.count
            list.append(room)
            rooms[channel] = room
        }
        guard room.entries.insert(.init(member: member, isQuiet: isQuiet)) else {
            if room.entries[member.session]?.leavesAt != nil {
                room.entries.update(member.session) { $0.leavesAt = nil }
                room.keys.update(MemberKey(member)) { $0.leaving -= 1 }
            }
            return .known
        }
        count += 1
        let key = MemberKey(member)
        if room.keys.update(key, { $0.sessions += 1 }) != nil { return .another }
        room.keys.insert(.init(sortKey: key))
        return .first
    }

    /// A session has gone: at once when it said so, or when its user has another one here; else after a while.
    package mutating func left(
        _ session: SessionID, _ channel: ChannelName, isFinal: Bool, now: MonotonicTime
    ) -> Departure? {
        guard let room = rooms[channel], let entry = room.entries[session], entry.leavesAt == nil else { return nil }
        let grace = min(room.settings.grace, LeavingQueue.longestGrace)
        let key = MemberKey(entry.member)
        // Another one that is in its own grace says nothing: the user has gone when the last of them has. Where each session is
        // announced, each has its grace.
        let others = room.settings.isPerSession ? 0 : room.keys[key].map { $0.sessions - $0.leaving - 1 } ?? 0
        if isFinal || grace <= 0 || others > 0 { return remove(session, room) }
        if leaving.count >= maximumLeaving || room.entries.count == 1 && leaving.count >= maximumLeaving / 2 {
            cutShort &+= 1
            return remove(session, room)
        }
        let at = now + .milliseconds(grace)
        room.entries.update(session) { $0.leavesAt = at }
        room.keys.update(key) { $0.leaving += 1 }
        leaving.append(.init(room: room, session: session, at: at), now: now)
        return nil
    }

    /// A session's channel has no presence any more.
    package mutating func leftQuietly(_ session: SessionID, _ channel: ChannelName, now: MonotonicTime) -> Departure? {
        var departure = left(session, channel, isFinal: true, now: now)
        departure?.settings.announces = false
        return departure
    }

    /// Some of those whose time to come back is over: at most `portion`, and an empty list when there are no more by now.
    package mutating func expired(now: MonotonicTime) -> [Departure] {
        var departures: [Departure] = []
        while departures.count < Self.portion, let next = leaving.next(now: now) {
            // It came back, perhaps to go again: then there is another entry for it.
            guard next.room.entries[next.session]?.leavesAt == next.at else { continue }
            if next.at > now {
                leaving.append(next, now: now)
            } else if let departure = remove(next.session, next.room) {
                departures.append(departure)
            }
        }
        return departures
    }

    private mutating func remove(_ session: SessionID, _ room: PresenceRoom) -> Departure? {
        guard let entry = room.entries.remove(session) else { return nil }
        count -= 1
        let key = MemberKey(entry.member)
        let isMarked = room.keys[key]?.isMarked ?? false
        let left = room.keys.update(key) {
            $0.sessions -= 1
            if entry.leavesAt != nil { $0.leaving -= 1 }
            return $0.sessions
        }
        let isLast = left ?? 0 <= 0
        if isLast { _ = room.keys.remove(key) }
        if room.entries.isEmpty { forget(room) }
        return Departure(
            channel: room.name, settings: room.settings, member: entry.member, isLast: isLast,
            isKnown: entry.told != .nothing, isMarked: isMarked)
    }

    private mutating func forget(_ room: PresenceRoom) {
        rooms[room.name] = nil
        guard let index = room.index, let last = list.popLast() else { return }
        room.index = nil
        if last !== room {
            list[index] = last
            last.index = index
        }
        // What a crowd took is given back when it has gone. Copying the rest costs less than what left has.
        if list.capacity >= 1024, list.count < list.capacity / 8 {
            list = list.fitted
            var smaller: [ChannelName: PresenceRoom] = [:]
            smaller.reserveCapacity(list.count)
            for room in list { smaller[room.name] = room }
            rooms = smaller
        }
    }

    // MARK: Telling

    /// The others are being told of a session.
    package mutating func sent(_ session: SessionID, _ channel: ChannelName) {
        guard let room = rooms[channel], let entry = room.entries[session] else { return }
        room.entries.update(session) { $0.told = max($0.told, .sent) }
        room.keys.update(MemberKey(entry.member)) { $0.isMarked = true }
    }

    /// The others have heard of a session.
    package mutating func told(_ session: SessionID, _ channel: ChannelName) {
        rooms[channel]?.entries.update(session) { $0.told = .told }
    }

    /// The others have not heard of a session: Redis refused to be told of it.
    package mutating func refused(_ session: SessionID, _ channel: ChannelName) {
        rooms[channel]?.entries.update(session) { if $0.told == .sent { $0.told = .refused } }
    }

    /// A member that is still here, and what the others have heard of it.
    package func member(
        _ session: SessionID, in channel: ChannelName
    ) -> (member: PresenceMember, settings: PresenceSettings, told: Told)? {
        guard let room = rooms[channel], let entry = room.entries[session] else { return nil }
        var settings = room.settings
        if entry.isQuiet { settings.announces = false }
        return (entry.member, settings, entry.told)
    }

    /// Before a departure is told: whether the same session is here again, so that what the others know of it is right.
    package mutating func isBack(_ departure: Departure) -> Bool {
        guard let room = rooms[departure.channel],
            room.entries[departure.member.session]?.member == departure.member
        else { return false }
        sent(departure.member.session, departure.channel)
        return true
    }

    /// Before a departure is told, perhaps long after it: whether its member has no session here by now. If it has one
    /// again, the mark of the departed one is that one's.
    package mutating func isStillLast(_ departure: Departure) -> Bool {
        guard departure.isLast else { return false }
        let isBack: Void? = rooms[departure.channel]?.keys.update(MemberKey(departure.member)) {
            $0.isMarked = $0.isMarked || departure.isMarked
        }
        return isBack == nil
    }
}
