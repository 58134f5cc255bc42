import Backplane
import Codec
import Reactor

/// Sessions of a hub by the ids that applications know: such as its clients are given at the negotiation, or such as the API lists, which
/// end with them.
extension ClusterInspector {
    /// - Parameters:
    ///   - ids: At most `HubAPIQuery.maximumExcluded`.
    ///   - hub: Its number. Sessions of other hubs are not found.
    /// - Returns: Those that are there, in no order; ids that nobody has are left out.
    func sessions(_ ids: [String], of hub: UInt16) async -> (found: [SessionID], nodes: NodeCount) {
        let secrets = ids.compactMap { SessionID.Secret(negotiated: $0) }.map {
            String(decoding: $0.text, as: UTF8.self)
        }
        guard !secrets.isEmpty else { return ([], NodeCount(asked: 0, answered: 0)) }
        let (count, answers) = await ask(.sessions(secrets: secrets, hub: hub))
        var found: [SessionID] = []
        for entry in answers {
            guard case .sessions(let ids) = entry.answer else { continue }
            // A node speaks for its own sessions only.
            found += ids.prefix(secrets.count).compactMap { SessionID($0) }.filter { $0.node == entry.node }
        }
        return (found, count)
    }

    /// The session of an id that its node does not have, or that names no node: where it is now.
    func moved(_ id: SessionID) async -> SessionID? {
        let (_, answers) = await ask(.sessions(secrets: [String(decoding: id.secret.text, as: UTF8.self)], hub: nil))
        for entry in answers {
            guard case .sessions(let ids) = entry.answer, let found = ids.first.flatMap({ SessionID($0) }),
                found.node == entry.node, found.secret == id.secret, found != id
            else { continue }
            return found
        }
        return nil
    }

    /// Where a publication for one connection has to go, if its id does not say it: the node in it is none, or is gone.
    func located(_ target: PublishRequest.Target) async -> PublishRequest.Target {
        guard case .connection(let id) = target else { return target }
        let node = node
        let isThere = await node.home.perform { node.backplane.nodes.contains { $0.id == id.node } }
        return isThere ? target : .connection(await moved(id) ?? id)
    }

    // MARK: This node's answers

    func ownSessions(_ secrets: [String], of hub: UInt16?) async -> ClusterAnswer {
        let wanted = secrets.prefix(HubAPIQuery.maximumExcluded).compactMap { SessionID.Secret(negotiated: $0) }
        let node = node
        let places = await node.home.perform {
            wanted.compactMap { secret in node.exchange.sessionsByID[secret].map { (secret, $0) } }
        }
        var found: [SessionID] = []
        for shard in node.shards {
            let here = places.filter { shard.index == $0.1.reactor }
            guard !here.isEmpty else { continue }
            found += await shard.reactor.perform {
                here.compactMap { secret, place -> SessionID? in
                    guard let session = shard.find(place), hub == nil || session.pointee.machine.hub == hub else {
                        return nil
                    }
                    return SessionID(node: node.id, locator: place.value, secret: secret)
                }
            }
        }
        return .sessions(ids: found.map(\.description))
    }
}

extension SessionID {
    /// An id as the API lists it, or the one that a client of a hub was given at the negotiation, which says no place.
    init?(named text: String) {
        if text.utf8.count == 32, let secret = Secret(negotiated: text) {
            self.init(node: NodeID(0), locator: MovedSessions.anywhere, secret: secret)
        } else {
            self.init(text)
        }
    }
}

extension SessionID.Secret {
    /// As `text` has it, or at the end of a whole id.
    init?(negotiated id: String) {
        if let whole = SessionID(id) {
            self = whole.secret
        } else {
            guard id.utf8.count == 32, let padded = SessionID("0000000000000000-0000000000000000-" + id) else {
                return nil
            }
            self = padded.secret
        }
    }
}
