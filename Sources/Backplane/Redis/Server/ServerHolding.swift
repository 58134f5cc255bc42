import Codec
import Reactor

/// While the sentinels replace the master, publications wait: what the old one still took would be lost with it, for the
/// replica that is promoted does not follow it any more.
///
/// A failover on purpose (`SENTINEL FAILOVER`) then loses nothing. Publishers are not read from meanwhile, and what they had
/// sent already is in the buffer that is there for a lost link.
extension RedisServer {
    /// What becomes of a failover is awaited for so long: publications are to be gone before `publish_wait` is over.
    var longestHold: Duration { configuration.publishWait * 0.9 }

    /// The sentinels have begun to replace the master, or are done, or have given it up.
    func replacing(_ isUnderWay: Bool) {
        guard isUnderWay else { return goOn("the sentinels keep the master") }
        guard state.hold() else { return }
        owner.status.failoverWaits &+= 1
        link.holds &+= 1
        let current = link.holds
        receiver?.happened(.info, "the sentinels replace the master at \(addressText): publications wait")
        home.schedule(after: longestHold) { [self] in
            guard self.state.isRunning, self.link.holds == current else { return }
            self.goOn("the sentinels are not done replacing the master")
        }
    }

    /// The link is as good as it was.
    private func goOn(_ reason: String) {
        guard state.goOn() else { return }
        receiver?.happened(.info, "\(reason): \(things(buffer.count, "publication")) sent that had waited")
        publishWaiting()
    }
}
