internal import Codec
internal import Logging

/// What became of the fetches of one URL.
package struct JWKSCounters: Equatable, Sendable {
    package var fetches = 0
    package var failures = 0
    /// Of the fetches, those that a token with an unknown key asked for.
    package var forUnknownKeys = 0
    /// How many keys there are now.
    package var keys = 0
}

/// Keeps the keys of one URL fresh: at start, at intervals, and when a token names a key nobody knows.
package actor JWKSRefresher {
    /// The least time between two fetches for unknown keys: a stranger must not have the issuer flooded.
    package static let unknownKeyGap: Duration = .seconds(30)
    /// How long a failed fetch waits for the next, if the interval is not shorter.
    static let retryDelay: Duration = .seconds(30)

    private let source: KeySource
    private let fetch: @Sendable () async throws(KeyError) -> [UInt8]
    private let now: @Sendable () -> ContinuousClock.Instant
    private let logger: Logger
    /// Told about every change.
    private let replaced: @Sendable ([VerificationKey]) -> Void

    package private(set) var counters = JWKSCounters()
    /// Whether the last fetch failed, or none has succeeded yet: a key that is not known may be one of its.
    package private(set) var isAway = true
    private var flight: Task<Bool, Never>?
    private var lastForUnknownKey: ContinuousClock.Instant?
    private var lastProblems: [KeyError] = []
    private var lastKeys: [ForeignText] = []
    /// When the keys were last fetched, for "how old are they?"; nil for never.
    package private(set) var lastSuccess: ContinuousClock.Instant?

    init(
        _ source: KeySource, logger: Logger, now: @escaping @Sendable () -> ContinuousClock.Instant = { .now },
        fetch: @escaping @Sendable () async throws(KeyError) -> [UInt8],
        replaced: @escaping @Sendable ([VerificationKey]) -> Void
    ) {
        self.source = source
        self.logger = logger
        self.now = now
        self.fetch = fetch
        self.replaced = replaced
    }

    /// Fetches now and at intervals until the task is cancelled; a fetch under way is cancelled with it.
    package func run() async {
        while !Task.isCancelled {
            let succeeded = await withTaskCancellationHandler {
                await refresh()
            } onCancel: {
                Task { await self.cancelFlight() }
            }
            let delay = succeeded ? source.interval : min(source.interval, Self.retryDelay)
            try? await Task.sleep(for: delay)
        }
        // Nothing is left running behind.
        flight?.cancel()
        _ = await flight?.value
    }

    private func cancelFlight() { flight?.cancel() }

    /// Fetches, or waits for the fetch that is under way.
    ///
    /// - Returns: Whether it brought keys.
    @discardableResult
    package func refresh() async -> Bool {
        if let flight { return await flight.value }
        let task = Task { await self.fetchOnce() }
        flight = task
        return await task.value
    }

    /// A token named a key nobody knows.
    ///
    /// - Returns: Whether the keys were fetched, so that it is worth looking again.
    package func refreshForUnknownKey() async -> Bool {
        if let flight { return await flight.value }
        let time = now()
        if let last = lastForUnknownKey, last.duration(to: time) < Self.unknownKeyGap { return false }
        lastForUnknownKey = time
        counters.forUnknownKeys += 1
        return await refresh()
    }

    private func fetchOnce() async -> Bool {
        defer { flight = nil }
        counters.fetches += 1
        do {
            let bytes = try await fetch()
            let set = try JWKSet(
                parsing: bytes, origin: source.origin, algorithm: source.algorithm, acceptsSecrets: false)
            report(set.problems)
            guard !set.keys.isEmpty else { throw KeyError(source.origin, .noUsableKey) }
            let names = set.keys.map { ForeignText("\($0.algorithm) \($0.id ?? "")") }
            if names != lastKeys {
                logger.info("JWKS changed", metadata: ["source": "\(source.origin)", "keys": "\(set.keys.count)"])
            }
            lastKeys = names
            lastSuccess = now()
            isAway = false
            counters.keys = set.keys.count
            replaced(set.keys)
            return true
        } catch {
            // The old keys stay: an issuer that is down must not lock out those it let in before.
            counters.failures += 1
            isAway = true
            logger.warning(
                "JWKS not fetched, the old keys stay", metadata: ["error": "\(error)", "keys": "\(counters.keys)"])
            return false
        }
    }

    /// Once, not at every fetch.
    private func report(_ problems: [KeyError]) {
        guard problems != lastProblems else { return }
        lastProblems = problems
        for problem in problems { logger.warning("key left out", metadata: ["error": "\(problem)"]) }
    }
}
