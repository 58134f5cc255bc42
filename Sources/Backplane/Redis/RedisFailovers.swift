import Codec
import Reactor

/// While the sentinels replace the master, publications wait: what the old one still took would be lost with it, for the
/// replica that is promoted does not follow it any more.
///
/// A failover on purpose (`SENTINEL FAILOVER`) then loses nothing. Publishers are not read from meanwhile, and what they had
/// sent already is in the buffer that is there for a lost link.
extension RedisBackplane {
    /// What becomes of a failover is awaited for so long: publications are to be gone before `publish_wait` is over.
    var longestHold: Duration { configuration.publishWait * 0.8 }

    /// The sentinels have begun to replace the master, or are done, or have given it up.
    func replacing(_ isUnderWay: Bool) {
        guard isRunning else { return }
        guard isUnderWay else { return goOn("the sentinels keep the master") }
        guard link.phase == .linked, !isHolding else { return }
        isHolding = true
        link.failoverWaits &+= 1
        let current = link.failoverWaits
        receiver?.happened(.info, "the sentinels replace the master at \(server): publications wait")
        home.schedule(after: longestHold) { [weak self] in
            guard let self, self.isRunning, self.link.failoverWaits == current else { return }
            self.goOn("the sentinels are not done replacing the master")
        }
    }

    /// The link is as good as it was.
    private func goOn(_ reason: String) {
        guard isHolding else { return }
        isHolding = false
        guard link.phase == .linked else { return }
        receiver?.happened(.info, "\(reason): \(buffer.count) publications sent that had waited")
        publishWaiting()
    }

    /// What has waited, in its order.
    func publishWaiting() {
        let waiting = buffer.takeAll()
        link.waiting = 0
        for entry in waiting { publishNow(entry.publication, entry.history, entry.ticket) }
    }
}
