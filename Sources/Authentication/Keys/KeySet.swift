internal import Codec

/// The keys that tokens may be signed with: a snapshot that never changes.
package struct KeySet: Sendable {
    private let named: [ForeignText: VerificationKey]
    /// The only key of an algorithm; absent where there are several.
    private let only: [SignatureAlgorithm: VerificationKey]
    /// The algorithms that keys here have.
    package let algorithms: Set<SignatureAlgorithm>
    package let count: Int
    /// What was left out, and why.
    package let problems: [KeyError]

    /// Leaves out what could not be told apart: a second key of one id, and keys without an id beside others of the same
    /// algorithm, which no token could mean.
    package init(_ keys: [VerificationKey]) {
        var named: [ForeignText: VerificationKey] = [:]
        var problems: [KeyError] = []
        var distinct: [VerificationKey] = []
        for key in keys {
            if let id = key.id.map({ ForeignText($0) }) {
                guard named[id] == nil else {
                    problems.append(KeyError(key.origin, .duplicateKeyID))
                    continue
                }
                named[id] = key
            }
            distinct.append(key)
        }
        let byAlgorithm = Dictionary(grouping: distinct, by: \.algorithm)
        var only: [SignatureAlgorithm: VerificationKey] = [:]
        var count = 0
        for (algorithm, keys) in byAlgorithm {
            if keys.count == 1 { only[algorithm] = keys.first }
            let unnamed = keys.filter { $0.id == nil }
            guard keys.count > 1 else {
                count += 1
                continue
            }
            problems += unnamed.map { KeyError($0.origin, .unreachable(algorithm)) }
            count += keys.count - unnamed.count
        }
        self.named = named
        self.only = only
        self.count = count
        self.problems = problems
        algorithms = Set(byAlgorithm.keys)
    }

    package static let empty = KeySet([])

    /// The key a token means. The id is only ever compared: it leads to no file, query or address.
    func key(id: String?, algorithm: SignatureAlgorithm) throws(TokenError) -> VerificationKey {
        guard let id else {
            if let key = only[algorithm] { return key }
            if algorithms.contains(algorithm) { throw .keyNotNamed }
            throw .unknownKey
        }
        guard let key = named[ForeignText(id)] else { throw .unknownKey }
        guard key.algorithm == algorithm else { throw .algorithmRefused }
        return key
    }
}
