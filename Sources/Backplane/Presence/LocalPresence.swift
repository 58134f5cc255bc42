package import Codec
package import Reactor

/// Who is present in which channel on this node: the truth that is told to the others. Pure: it is told what happens and
/// what time it is.
package struct LocalPresence {
    /// A session that is not present any more.
    package struct Departure: Equatable, Sendable {
        package let channel: ChannelName
        package let settings: PresenceSettings
        package let member: PresenceMember
        /// No other session here has the same key, so the member may be gone.
        package let isLast: Bool
        /// Whether the others have heard of it.
        package let isTold: Bool
    }

    private struct Entry {
        let member: PresenceMember
        /// Whether the others have heard of it.
        var isTold = false
        /// It has gone, and counts until then in case it comes back.
        var leavesAt: MonotonicTime?
    }

    private struct Channel {
        var settings: PresenceSettings
        var entries: [SessionID: Entry] = [:]
        /// How many sessions a key has here.
        var keys: [[UInt8]: Int] = [:]
    }

    private var channels: [ChannelName: Channel] = [:]
    /// Those who may come back, in the order in which their time is over as long as channels have one grace.
    private var leaving: [(at: MonotonicTime, channel: ChannelName, session: SessionID)] = []
    /// Sessions in all channels.
    package private(set) var count = 0

    /// How exactly grace is kept.
    package static let precision: Duration = .milliseconds(250)

    package init() {}

    /// Whether somebody has gone and may come back.
    package var isAnybodyLeaving: Bool { !leaving.isEmpty }

    /// - Returns: Whether the session is new in the channel.
    package mutating func entered(
        _ member: PresenceMember, _ channel: ChannelName, _ settings: PresenceSettings
    ) -> Bool {
        // In place, for these tables may be large.
        if channels[channel]?.entries[member.session] != nil {
            channels[channel]?.entries[member.session]?.leavesAt = nil
            return false
        }
        channels[channel, default: Channel(settings: settings)].entries[member.session] = Entry(member: member)
        channels[channel]?.keys[member.key, default: 0] += 1
        count += 1
        return true
    }

    /// A session has gone: at once when it said so, or when its user has another one here; else after a while.
    package mutating func left(
        _ session: SessionID, _ channel: ChannelName, isFinal: Bool, now: MonotonicTime
    ) -> Departure? {
        guard let entry = channels[channel]?.entries[session], let settings = channels[channel]?.settings,
            entry.leavesAt == nil
        else { return nil }
        if isFinal || settings.grace == 0 || channels[channel]?.keys[entry.member.key] ?? 0 > 1 {
            return remove(session, channel)
        }
        let at = now + .milliseconds(settings.grace)
        channels[channel]?.entries[session]?.leavesAt = at
        leaving.append((at, channel, session))
        return nil
    }

    /// Those whose time to come back is over.
    package mutating func expired(now: MonotonicTime) -> [Departure] {
        guard !leaving.isEmpty else { return [] }
        var over: [(channel: ChannelName, session: SessionID)] = []
        leaving.removeAll { entry in
            guard entry.at <= now else { return false }
            over.append((entry.channel, entry.session))
            return true
        }
        return over.compactMap { entry in
            guard let at = channels[entry.channel]?.entries[entry.session]?.leavesAt, at <= now else { return nil }
            return remove(entry.session, entry.channel)
        }
    }

    private mutating func remove(_ session: SessionID, _ name: ChannelName) -> Departure? {
        guard let entry = channels[name]?.entries.removeValue(forKey: session), let settings = channels[name]?.settings
        else { return nil }
        count -= 1
        let key = entry.member.key
        let left = (channels[name]?.keys[key] ?? 1) - 1
        channels[name]?.keys[key] = left == 0 ? nil : left
        if channels[name]?.entries.isEmpty ?? false { channels[name] = nil }
        return Departure(
            channel: name, settings: settings, member: entry.member, isLast: left == 0, isTold: entry.isTold)
    }

    // MARK: Telling

    /// The others have heard of a session.
    package mutating func told(_ session: SessionID, _ channel: ChannelName) {
        channels[channel]?.entries[session]?.isTold = true
    }

    /// A member that is still here, and whether the others have heard of it.
    package func member(
        _ session: SessionID, in channel: ChannelName
    ) -> (member: PresenceMember, settings: PresenceSettings, isTold: Bool)? {
        guard let there = channels[channel], let entry = there.entries[session] else { return nil }
        return (entry.member, there.settings, entry.isTold)
    }

    /// Everybody, to tell it all anew.
    package var all: [(channel: ChannelName, session: SessionID)] {
        channels.flatMap { channel in channel.value.entries.keys.map { (channel.key, $0) } }
    }

    // MARK: Reading

    package func page(_ query: PresenceQuery) -> PresencePage {
        guard let channel = channels[query.channel] else { return PresencePage(clients: 0, users: 0) }
        var page = PresencePage(clients: channel.entries.count, users: channel.keys.count)
        switch query.view {
        case .count: break
        case .clients:
            let members = channel.entries.values.map { (start: PresenceMember.start(of: $0.member.session), $0.member) }
                .sorted { $0.start.lexicographicallyPrecedes($1.start) }
            page.members = members.lazy.filter { entry in
                query.after.map { $0.lexicographicallyPrecedes(entry.start) } ?? true
            }.prefix(query.limit).map(\.1)
        case .users:
            page.keys = Array(
                channel.keys.keys.sorted { $0.lexicographicallyPrecedes($1) }.lazy.filter { key in
                    query.after.map { $0.lexicographicallyPrecedes(key) } ?? true
                }.prefix(query.limit))
        }
        return page
    }
}
