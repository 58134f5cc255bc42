import Backplane
import Codec
import Reactor

/// Sessions by the ids that applications know.
extension ClusterInspector {
    /// The sessions with these ids: such as clients of hubs are given at the negotiation, whose nodes are asked for, or such as the API
    /// lists, which say where they are.
    ///
    /// - Returns: Those that are there, in no order; ids that nobody has are left out.
    func sessions(_ ids: [String]) async -> (found: [SessionID], nodes: NodeCount) {
        var found = ids.compactMap { SessionID($0) }
        let secrets = ids.filter { SessionID.Secret(text: Array($0.utf8)) != nil }
        guard !secrets.isEmpty else { return (found, NodeCount(asked: 0, answered: 0)) }
        let (count, answers) = await ask(.sessions(secrets: secrets))
        for entry in answers {
            guard case .sessions(let ids) = entry.answer else { continue }
            // A node speaks for its own sessions only.
            found += ids.prefix(secrets.count).compactMap { SessionID($0) }.filter { $0.node == entry.node }
        }
        return (found, count)
    }

    // MARK: This node's answers

    func ownSessions(_ secrets: [String]) async -> ClusterAnswer {
        let wanted = secrets.prefix(HubAPIQuery.maximumExcluded).compactMap { SessionID.Secret(text: Array($0.utf8)) }
        let node = node
        let found = await node.home.perform {
            wanted.compactMap { secret in
                node.exchange.sessionsByID[secret].map { SessionID(node: node.id, locator: $0.value, secret: secret) }
            }
        }
        return .sessions(ids: found.map(\.description))
    }
}

extension SessionID.Secret {
    /// As `text` has it.
    init?(text: [UInt8]) {
        guard text.count == 32,
            let id = SessionID("0000000000000000-0000000000000000-" + String(decoding: text, as: UTF8.self))
        else { return nil }
        self = id.secret
    }
}
