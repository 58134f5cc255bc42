import Codec
import Reactor

/// Ends the sessions and subscriptions of a reactor whose tokens are revoked. A walk over all sessions judges each by everything that is
/// revoked at that moment, so revocations that come together cost one walk. It goes on in portions, between which everything else has its
/// turn.
final class RevocationReview: ShardPart, @unchecked Sendable {
    /// Somebody who waits until the sessions that a revocation is about have ended.
    private struct Waiter {
        /// Nil for whoever wants nothing counted.
        let revocation: Revocation?
        var ended: UInt64 = 0
        let completion: (UInt64) -> Void
    }

    /// Where the walk is; nil when there is none.
    private var next: UInt32?
    private var waiters: [Waiter] = []
    /// Those of the walk that follows: sessions that this one has passed already were judged without their revocations.
    private var later: [Waiter] = []

    /// Sessions looked at between two looks at the clock.
    private static var portion: UInt32 { 256 }
    /// How long a turn may be spent here.
    private static var turnBudget: Duration { .milliseconds(1) }

    // Whom it calls; the shard makes all of them and owns them.
    unowned(unsafe) private(set) var life: SessionLife!
    unowned(unsafe) private(set) var channels: Channels!
    unowned(unsafe) private(set) var serverCommands: ServerCommands!

    func attach(life: SessionLife, channels: Channels, serverCommands: ServerCommands) {
        self.life = life
        self.channels = channels
        self.serverCommands = serverCommands
    }

    @inline(__always)
    var isUnderWay: Bool { next != nil }

    /// Something is revoked, and known to `Revocations` already.
    ///
    /// - Parameter completion: Called once, on the reactor, with how many sessions and subscriptions `revocation` has ended here, when none
    ///   of them is left.
    func begin(_ revocation: Revocation?, _ completion: @escaping (UInt64) -> Void) {
        let waiter = Waiter(revocation: revocation, completion: completion)
        if next == nil {
            next = 0
            waiters.append(waiter)
        } else {
            later.append(waiter)
        }
    }

    /// Goes on until the turn's time is used.
    ///
    /// - Returns: Whether something is left to do.
    func run() -> Bool {
        let deadline = MonotonicTime.now() + Self.turnBudget
        repeat {
            guard let start = next else { return false }
            // Those that were never used are no sessions, and new ones are judged when they log in.
            let used = UInt32(clamping: context.table.used)
            let end = min(start &+ Self.portion, used)
            var slot = start
            while slot < end {
                review(slot)
                slot &+= 1
            }
            if end < used { next = end } else { finish() }
        } while MonotonicTime.now() < deadline
        return isUnderWay
    }

    private func finish() {
        let done = waiters
        waiters = later
        later = []
        next = waiters.isEmpty ? nil : 0
        for waiter in done { waiter.completion(waiter.ended) }
    }

    private func review(_ slot: UInt32) {
        let session = session(slot)
        let phase = session.pointee.phase
        guard phase == .open || phase == .opening else { return }
        if let credentials = session.pointee.credentials?.takeUnretainedValue(), let token = credentials.token,
            context.gatekeeper.revocations.revokes(token)
        {
            count(token)
            return serverCommands.revoke(slot)
        }
        guard let tokens = extras(slot)?.tokens, !tokens.isEmpty else { return }
        let locator = locator(of: slot)
        for (index, token) in tokens where context.gatekeeper.revocations.revokes(token) {
            guard find(locator)?.pointee.phase == .open else { return }
            guard let channel = channels.byIndex[Int(index)] else { continue }
            count(token)
            context.counters.revoked += 1
            channels.endSubscription(slot, channel.name, .notGranted)
        }
    }

    private func count(_ token: TokenMark) {
        for index in waiters.indices where waiters[index].revocation?.revokes(token) ?? false {
            waiters[index].ended &+= 1
        }
    }
}
