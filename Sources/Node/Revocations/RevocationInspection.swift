package import Backplane
package import Codec
import Reactor

/// A revocation as nodes tell it to each other, and as the API shows it: exactly one of `user`, `token` and `all`.
package struct RevokedTokens: Codable, Equatable, Sendable {
    package var user: ForeignText?
    package var token: ForeignText?
    package var all: Bool?
    /// Seconds since 1970, both.
    package var issuedUntil: Int64
    package var expiresAt: Int64

    package init(_ revocation: Revocation) {
        issuedUntil = revocation.issuedUntil
        expiresAt = revocation.expiresAt
        switch revocation.subject {
        case .user(let user): self.user = user
        case .token(let token): self.token = token
        case .everybody: all = true
        }
    }

    /// Nil where another node says what cannot be.
    package var revocation: Revocation? {
        switch (user, token, all) {
        case (let user?, nil, nil): Revocation(.user(user), issuedUntil: issuedUntil, expiresAt: expiresAt)
        case (nil, let token?, nil): Revocation(.token(token), issuedUntil: issuedUntil, expiresAt: expiresAt)
        case (nil, nil, true?): Revocation(.everybody, issuedUntil: issuedUntil, expiresAt: expiresAt)
        default: nil
        }
    }
}

/// A page of revocations, ordered by their bytes in Redis.
package struct RevocationPage: Encodable, Sendable {
    /// All there are.
    package var count: Count
    package var revocations: [RevokedTokens]
    /// Where the next page begins; nil on the last one.
    package var cursor: String?
}

/// Why tokens were not revoked.
package enum RevocationRefusal: Error, Sendable {
    /// `limits.revocations`.
    case limit
    /// It was not kept, or nobody knows.
    case backplane(PublishRefusal)
}

extension ClusterInspector {
    /// Revokes tokens: keeps that for the whole cluster, and then has every node close what they opened.
    ///
    /// - Returns: How many sessions and subscriptions were closed on the nodes that answered. Nodes that did not answer learn of it within
    ///   `RevocationKeeper.interval`.
    package func revoke(
        _ revocation: Revocation
    ) async -> Result<(sessions: Count, nodes: NodeCount), RevocationRefusal> {
        let node = node
        let kept = await withCheckedContinuation { continuation in
            node.home.post { node.revocationKeeper.keep(revocation) { continuation.resume(returning: $0) } }
        }
        switch kept {
        case .failure(let refusal): return .failure(.backplane(refusal))
        case .success(false): return .failure(.limit)
        case .success(true): break
        }
        let (count, answers) = await ask(.revoke(RevokedTokens(revocation)))
        let sessions = answers.lazy.compactMap { entry in
            if case .revoked(let sessions) = entry.answer { sessions } else { nil }
        }
        return .success((sessions.sum, count))
    }

    /// What this node knows of what is revoked in the cluster.
    package func revocations(after: [UInt8]?, limit: Int) -> RevocationPage {
        let all = node.revocations.all.map { (head: $0.head, revocation: $0) }
            .sorted { $0.head.lexicographicallyPrecedes($1.head) }
        let rest = all.drop { entry in after.map { !$0.lexicographicallyPrecedes(entry.head) } ?? false }
        let page = rest.prefix(limit)
        let cursor = page.count < rest.count ? page.last.map { PageCursor.encode($0.head) } : nil
        return RevocationPage(
            count: Count(all.count), revocations: page.map { RevokedTokens($0.revocation) }, cursor: cursor)
    }

    // MARK: This node's answers

    func revoke(_ tokens: RevokedTokens) async -> ClusterAnswer? {
        guard let revocation = tokens.revocation, node.revocations.add(revocation) else { return nil }
        let ended = await withTaskGroup(of: UInt64.self) { group in
            for shard in node.shards {
                group.addTask {
                    await withCheckedContinuation { continuation in
                        shard.reactor.post {
                            shard.reviewRevocations(revocation) { continuation.resume(returning: $0) }
                        }
                    }
                }
            }
            return await group.reduce(0) { $0 &+ $1 }
        }
        return .revoked(sessions: Count(Int(clamping: ended)))
    }
}
