import Codec

/// What is still to be told of presence, and how much is under way: Redis is told as fast as it answers, so that a crowd
/// that comes or goes at once waits here, in little memory, and not in the link's buffers. Pure.
struct PresenceOutbox {
    struct Membership {
        let channel: ChannelName
        let session: SessionID
    }

    enum Step {
        case leave(LocalPresence.Departure)
        case enter(Membership)
    }

    /// Those that left. All of them were told before, so there are never more than there were members.
    private var departures = Fifo<LocalPresence.Departure>()
    /// Those that came. Some may have gone again.
    private var arrivals = Fifo<Membership>()
    /// Some that came are not in the list, because it was full: those that were not told have to be looked for.
    private(set) var isIncomplete = false
    /// Answers that are awaited.
    private(set) var awaited = 0
    /// Something was refused: nothing more is told until a while has passed.
    var isPaused = false

    /// Told and not answered at the most.
    static let window = 256
    /// Arrivals listed at the most.
    static let maximumArrivals = 65_536

    var hasRoom: Bool { !isPaused && awaited < Self.window }
    var waiting: Int { departures.count + arrivals.count }

    mutating func left(_ departure: LocalPresence.Departure) { departures.append(departure) }

    mutating func came(_ membership: Membership) {
        if arrivals.count < Self.maximumArrivals {
            arrivals.append(membership)
        } else {
            isIncomplete = true
        }
    }

    /// What is to be told next: leaves first, because a user that left and is here again must not lose its new mark.
    mutating func next() -> Step? {
        if let departure = departures.next() { return .leave(departure) }
        return arrivals.next().map { .enter($0) }
    }

    /// Everybody is told from here on: nobody has to be listed.
    mutating func startOver() {
        arrivals = Fifo()
        isIncomplete = false
    }

    mutating func sent() { awaited += 1 }
    mutating func answered() { awaited = max(0, awaited - 1) }
}
