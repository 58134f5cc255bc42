package import Codec

/// The revocations that a node knows, one of each subject. Pure: it is told what comes and what time it is.
package struct RevocationTable: Sendable {
    private var known: [Revocation.Subject: Revocation] = [:]

    package init() {}

    package var count: Int { known.count }
    package var isEmpty: Bool { known.isEmpty }
    /// In no order.
    package var all: [Revocation] { Array(known.values) }

    package func contains(_ subject: Revocation.Subject) -> Bool { known[subject] != nil }

    /// Whether what is known of its subject says at least as much.
    package func covers(_ revocation: Revocation) -> Bool {
        guard let before = known[revocation.subject] else { return false }
        return before.issuedUntil >= revocation.issuedUntil && before.expiresAt >= revocation.expiresAt
    }

    /// Adds a revocation to what is known of its subject.
    package mutating func add(_ revocation: Revocation) {
        let sum = known[revocation.subject]?.adding(
            issuedUntil: revocation.issuedUntil, expiresAt: revocation.expiresAt)
        known[revocation.subject] = sum ?? revocation
    }

    /// Whether a token is revoked: three lookups, however many revocations there are.
    package func revokes(_ token: TokenMark) -> Bool {
        if let everybody = known[.everybody], everybody.revokes(token) { return true }
        if let user = token.user, let revocation = known[.user(user)], revocation.revokes(token) { return true }
        if let id = token.id, known[.token(id)] != nil { return true }
        return false
    }

    /// Forgets what has expired.
    ///
    /// - Parameter now: Seconds since 1970.
    package mutating func expire(now: Int64) {
        guard known.contains(where: { $0.value.expiresAt <= now }) else { return }
        known = known.filter { $0.value.expiresAt > now }
    }
}
