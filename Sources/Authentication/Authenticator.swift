package import Logging

/// The keys of a node and the decisions by them: what is configured and in files at once, what is behind URLs as it is
/// fetched.
package final class Authenticator: Sendable {
    private let ring: KeyRing
    private let refreshers: [JWKSRefresher]
    private let sources: [KeySource]

    /// Loads the keys that are not behind URLs.
    ///
    /// - Parameter replaced: Told about each new verifier, on any thread, for reactors that keep their own. Two may come
    ///   in the wrong order: the one with the greater generation counts.
    /// - Parameter previous: Of the same node, before its configuration was read again. Keys that it fetched from URLs that are still
    ///   configured count until they are fetched again, for the issuer may be down just now.
    /// - Throws: The first key that an operator has to mend.
    package init(
        sources: [KeySource], rules: TokenRules = .standard, replacing previous: Authenticator? = nil, logger: Logger,
        replaced: @escaping @Sendable (TokenVerifier) -> Void = { _ in }
    ) throws(KeyError) {
        var keys: [[VerificationKey]] = []
        var urls: [(index: Int, source: KeySource, url: String)] = []
        for source in sources {
            let loaded = try source.load()
            for problem in loaded.problems { logger.warning("key left out", metadata: ["error": "\(problem)"]) }
            if case .jwksURL(let url) = source.location { urls.append((keys.count, source, url)) }
            keys.append(loaded.keys)
        }
        self.sources = sources
        let set = KeySet(keys.flatMap { $0 })
        if let problem = set.problems.first { throw problem }
        // Which keys a URL will bring is not known yet, but they will not be secrets.
        let algorithms = urls.isEmpty ? set.algorithms : set.algorithms.union(SignatureAlgorithm.asymmetric)
        for (index, source, _) in urls { keys[index] = previous?.fetchedKeys(of: source) ?? [] }
        let ring = KeyRing(keys, rules: rules, algorithms: algorithms, logger: logger, replaced: replaced)
        self.ring = ring
        refreshers = urls.map { entry in
            let fetch = JWKSFetch(url: entry.url, origin: entry.source.origin)
            return JWKSRefresher(entry.source, logger: logger, fetch: fetch.callAsFunction) { keys in
                ring.replace(entry.index, with: keys)
            }
        }
    }

    /// What a URL brought last, if it is configured in the same way.
    private func fetchedKeys(of source: KeySource) -> [VerificationKey]? {
        sources.firstIndex(of: source).map { ring.keys(of: $0) }
    }

    /// Decides by the keys of this moment, without waiting.
    package var verifier: TokenVerifier { ring.verifier }

    /// Whether a token may have to wait for keys of a URL.
    package var usesURLs: Bool { !refreshers.isEmpty }

    /// Keeps the keys of URLs fresh until the task is cancelled; returns at once if there are none.
    package func run() async {
        await withDiscardingTaskGroup { group in
            for refresher in refreshers { group.addTask { await refresher.run() } }
        }
    }

    /// Of each URL, in the order of the configuration.
    package func counters() async -> [JWKSCounters] {
        var all: [JWKSCounters] = []
        for refresher in refreshers { all.append(await refresher.counters) }
        return all
    }

    /// A token that opens a connection. An unknown key may be one the issuer has just made: then it is looked for once,
    /// for at most 5 s, and no more often than every 30 s whoever asks.
    ///
    /// - Parameter now: Seconds since 1970.
    package func verifyConnection(_ token: String, now: Int64) async throws(TokenError) -> ConnectionClaims {
        do {
            return try verifier.verifyConnection(token, now: now)
        } catch {
            guard error == .unknownKey, await refreshForUnknownKey() else { throw error }
        }
        return try verifier.verifyConnection(token, now: now)
    }

    /// A token that opens one subscription; see `verifyConnection`.
    package func verifySubscription(_ token: String, now: Int64) async throws(TokenError) -> SubscriptionClaims {
        do {
            return try verifier.verifySubscription(token, now: now)
        } catch {
            guard error == .unknownKey, await refreshForUnknownKey() else { throw error }
        }
        return try verifier.verifySubscription(token, now: now)
    }

    /// Whether the keys of some URL could not be fetched lately. Nobody knows then whether an unknown key is one of them.
    package func isKeySetAway() async -> Bool {
        for refresher in refreshers where await refresher.isAway { return true }
        return false
    }

    /// Asks all URLs at once, each no more often than every 30 s.
    ///
    /// - Returns: Whether keys came, so that it is worth deciding again.
    package func refreshForUnknownKey() async -> Bool {
        await withTaskGroup(of: Bool.self) { group in
            for refresher in refreshers { group.addTask { await refresher.refreshForUnknownKey() } }
            return await group.reduce(false) { $0 || $1 }
        }
    }
}
