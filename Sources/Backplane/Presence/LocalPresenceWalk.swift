package import Codec

/// Going through everybody, a little at a time, while others come and go.
extension LocalPresence {
    /// A walk over everybody, as far as it has come. Whoever is there from its beginning to its end is met, some perhaps
    /// twice; whoever comes meanwhile need not be.
    package struct Walk {
        fileprivate var position: Int
        fileprivate var room: PresenceRoom?
        fileprivate var after: SessionID?
    }

    package func walk() -> Walk { Walk(position: list.count) }

    /// The next one.
    ///
    /// - Returns: Nil when the walk is over.
    package func next(_ walk: inout Walk) -> (channel: ChannelName, session: SessionID, isKnown: Bool)? {
        while true {
            if let room = walk.room, let entry = room.entries.next(after: walk.after) {
                walk.after = entry.sortKey
                return (room.name, entry.sortKey, entry.told != .nothing)
            }
            walk.position = min(walk.position, list.count) - 1
            guard walk.position >= 0 else {
                walk = Walk(position: 0)
                return nil
            }
            walk.room = list[walk.position]
            walk.after = nil
        }
    }
}
