package import Backplane
package import Codec
import Reactor

/// Brings what is revoked to where it counts: what is revoked here to the backplane, and what is kept there to this node and its sessions.
/// On the home reactor.
///
/// Everything that is kept is read when the link comes up, and now and then after that, for a message between nodes may be lost. What
/// this node knows and the backplane does not, because Redis lost its data, it keeps there again.
package final class RevocationKeeper: @unchecked Sendable {
    private let backplane: any Backplane
    private let revocations: Revocations
    private let shards: [Shard]
    /// Seconds since 1970.
    private let clock: @Sendable () -> Int64
    private let report: (LinkEventLevel, String) -> Void
    /// Does something that takes long on another thread, and what follows on the home reactor.
    private let apart: Apart
    /// Which timer counts: each reading sets another one.
    private var round: UInt64 = 0
    private var isReading = false
    private var isReported = false

    typealias Apart = (
        _ work: @escaping @Sendable () -> Revocations.Taken, _ then: @escaping @Sendable (Revocations.Taken) -> Void
    ) -> Void

    /// How often everything is read again while the link is up, and how soon after a failure.
    private static var interval: Duration { .seconds(30) }
    private static var retry: Duration { .seconds(1) }
    /// How long Redis may take to keep a revocation.
    private static var patience: Duration { .seconds(2) }
    /// How long after its end an entry is removed from Redis, in seconds: the clocks of nodes differ.
    private static let slack: Int64 = 120
    /// Entries that are kept again in one reading.
    private static let portion = 1000

    init(
        backplane: any Backplane, revocations: Revocations, shards: [Shard], clock: @escaping @Sendable () -> Int64,
        report: @escaping (LinkEventLevel, String) -> Void, apart: Apart? = nil
    ) {
        self.backplane = backplane
        self.revocations = revocations
        self.shards = shards
        self.clock = clock
        self.report = report
        let home = backplane.home
        self.apart =
            apart ?? { work, then in
                Task {
                    let result = work()
                    home.post { then(result) }
                }
            }
    }

    package func linkChanged(isUp: Bool) {
        if isUp {
            isReading = false
            read()
        } else {
            round &+= 1
        }
    }

    // MARK: Reading

    private func read() {
        guard !isReading else { return }
        isReading = true
        round &+= 1
        let round = round
        backplane.readRevocations { [self] result in
            guard self.round == round else { return }
            isReading = false
            taken(result)
        }
    }

    private func readAgain(after delay: Duration) {
        round &+= 1
        let round = round
        backplane.home.schedule(after: delay) { [self] in
            guard self.round == round else { return }
            self.read()
        }
    }

    private func taken(_ result: Result<[Revocation], PublishRefusal>) {
        switch result {
        case .success(let kept):
            if isReported {
                isReported = false
                report(.info, "the revoked tokens are read")
            }
            let now = clock()
            let round = round
            let revocations = revocations
            apart({ revocations.take(kept, now: now) }) { [self] taken in settle(taken, kept, now, round) }
        case .failure(.medium(let text)):
            if !isReported {
                isReported = true
                report(
                    .error,
                    "the revoked tokens cannot be read: \(text). \(revocations.isRead ? "New revocations by other nodes may not be known here" : "Clients with tokens are told to try again")"
                )
            }
            readAgain(after: Self.retry)
        case .failure: readAgain(after: Self.retry)
        }
    }

    /// What was read is known.
    private func settle(_ taken: Revocations.Taken, _ kept: [Revocation], _ now: Int64, _ round: UInt64) {
        if taken.isNews { review() }
        // The link was lost meanwhile: everything is read again when it is back.
        guard self.round == round else { return }
        let expired = kept.filter { $0.expiresAt &+ Self.slack <= now }
        if !expired.isEmpty { backplane.forget(expired) }
        for revocation in taken.missing.prefix(Self.portion) {
            backplane.keep(revocation, limit: revocations.limit) { [self] in
                if case .success(false) = $0 { revocations.noteRefusal() }
            }
        }
        readAgain(after: Self.interval)
    }

    private func review() {
        for shard in shards { shard.reactor.post { shard.reviewRevocations(nil) { _ in } } }
    }

    // MARK: Revoking

    /// Keeps a revocation for the cluster; `completion` is called once, with whether there was room for it.
    package func keep(
        _ revocation: Revocation, completion: @escaping @Sendable (Result<Bool, PublishRefusal>) -> Void
    ) {
        guard revocations.hasRoom(for: revocation) else { return completion(.success(false)) }
        let once = Once(completion)
        backplane.home.schedule(after: Self.patience) { once(.failure(.unknown)) }
        backplane.keep(revocation, limit: revocations.limit) { [self] result in
            if case .success(false) = result { revocations.noteRefusal() }
            once(result)
        }
    }

    /// The first result counts; on the home reactor.
    private final class Once: @unchecked Sendable {
        private var completion: (@Sendable (Result<Bool, PublishRefusal>) -> Void)?

        init(_ completion: @escaping @Sendable (Result<Bool, PublishRefusal>) -> Void) { self.completion = completion }

        func callAsFunction(_ result: Result<Bool, PublishRefusal>) {
            let completion = completion
            self.completion = nil
            completion?(result)
        }
    }
}

extension Revocations {
    /// Whether there is room; if not, that is counted.
    func hasRoom(for revocation: Revocation) -> Bool {
        guard isKnown(revocation.subject) || count < limit else {
            noteRefusal()
            return false
        }
        return true
    }
}
