import Backplane
import Codec
import Reactor

/// A history channel some reactor has subscribers of: its tail, and who waits for a read.
final class ChannelKeeper {
    private(set) var settings: HistorySettings
    let name: ChannelName
    var tail: ChannelTail
    /// Until when what is at hand may be handed out: publications are forgotten together, some time after the last one.
    private var expiresAt: MonotonicTime
    /// Those who want a place before the end is known.
    var waiting: [ReadRequest] = []
    /// Those whose past is read together.
    var recovering = WaitingPlaces()
    /// Those who come with positions nobody knows here.
    var doubtful = WaitingPlaces()
    var isReading = false
    /// The last position that was noted as lost.
    var lostPositions: Position?
    /// Those who come back while what came lately is being read, for all of them at once; nil when it is not being read.
    var returning: [ReadRequest]?
    /// Before this it is not read again.
    var nextFill: MonotonicTime?
    /// Those who want the newest publication while it is being read.
    var greeting: [ReadRequest] = []

    init(_ name: ChannelName, _ settings: HistorySettings, now: MonotonicTime) {
        tail = ChannelTail(size: settings.size)
        expiresAt = now
        self.name = name
        self.settings = settings
    }

    /// The channel's rule says something else. What is at hand and lies beyond it is not handed out any more.
    func use(_ next: HistorySettings, now: MonotonicTime) {
        guard next != settings else { return }
        settings = next
        expiresAt = min(expiresAt, now + .milliseconds(next.timeToLive))
        tail.use(size: next.size)
    }

    func takeWaiting() -> [ReadRequest] {
        defer { waiting = [] }
        return waiting
    }

    /// A publication arrived: everything that is not over yet is kept for as long again.
    func arrived(now: MonotonicTime) {
        if now >= expiresAt { tail.forgetRecent() }
        expiresAt = now + .milliseconds(settings.timeToLive)
    }

    /// Publications were read, some of them perhaps long after they were published.
    ///
    /// - Parameter askedAt: When the read was asked for.
    func read(_ page: HistoryPage, askedAt: MonotonicTime) {
        // What arrived since says more.
        guard page.top == tail.top else { return }
        // Whatever somebody made of the key at Redis.
        expiresAt = askedAt + .milliseconds(min(page.remaining ?? 0, settings.timeToLive))
    }

    /// The newest publication, if it is at hand and not too old to be told.
    func newest(now: MonotonicTime) -> Publication? {
        now < expiresAt ? tail.newest : nil
    }

    /// The newest publications, so many, if they are at hand and not too old to be told.
    func recent(_ count: Int, now: MonotonicTime) -> [Publication]? {
        guard count == 0 || now < expiresAt else { return nil }
        return tail.recent(count)
    }
}

/// Who waits for the same answer of the backplane: one question for all of them, and a pause before the next one. Pure.
struct WaitingPlaces {
    private var requests: [ReadRequest] = []
    /// Before this nothing is asked.
    private var next: MonotonicTime?

    enum Step { case ask, wait }

    /// - Returns: Whether the question has to be asked: that is for the first one.
    mutating func append(_ request: ReadRequest) -> Step {
        requests.append(request)
        return requests.count == 1 ? .ask : .wait
    }

    /// How long the question has to wait.
    func wait(now: MonotonicTime) -> Duration {
        guard let next, next > now else { return .zero }
        return next - now
    }

    /// The answer is there.
    ///
    /// - Parameter next: When the next question may be asked.
    mutating func take(next: MonotonicTime) -> [ReadRequest] {
        defer { requests = [] }
        self.next = next
        return requests
    }
}
