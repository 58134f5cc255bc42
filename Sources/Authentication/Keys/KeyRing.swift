internal import Logging
internal import Synchronization

/// The keys of all sources, one replaced at a time, and the verifier that goes with them.
final class KeyRing: Sendable {
    private struct State {
        /// The keys of each source, in the order of the configuration: of two with one id the first counts.
        var keys: [[VerificationKey]]
        var verifier: TokenVerifier
        var problems: [KeyError] = []
    }

    private let rules: TokenRules
    private let algorithms: Set<SignatureAlgorithm>
    private let logger: Logger
    private let state: Mutex<State>
    private let replaced: @Sendable (TokenVerifier) -> Void

    init(
        _ keys: [[VerificationKey]], rules: TokenRules, algorithms: Set<SignatureAlgorithm>, logger: Logger,
        replaced: @escaping @Sendable (TokenVerifier) -> Void
    ) {
        self.rules = rules
        self.algorithms = algorithms
        self.logger = logger
        self.replaced = replaced
        let verifier = TokenVerifier(keys: KeySet(keys.flatMap { $0 }), rules: rules, algorithms: algorithms)
        state = Mutex(State(keys: keys, verifier: verifier))
    }

    var verifier: TokenVerifier { state.withLock { $0.verifier } }

    /// The keys of one source.
    func keys(of source: Int) -> [VerificationKey] { state.withLock { $0.keys[source] } }

    func replace(_ source: Int, with keys: [VerificationKey]) {
        let (verifier, problems) = state.withLock { state in
            state.keys[source] = keys
            let set = KeySet(state.keys.flatMap { $0 })
            state.verifier = TokenVerifier(
                keys: set, rules: rules, algorithms: algorithms, generation: state.verifier.generation + 1)
            // Said once, not at every fetch.
            let fresh = set.problems == state.problems ? [] : set.problems
            state.problems = set.problems
            return (state.verifier, fresh)
        }
        for problem in problems { logger.warning("key left out", metadata: ["error": "\(problem)"]) }
        // Outside of the lock, because who is told may ask; hence the generation.
        replaced(verifier)
    }
}
