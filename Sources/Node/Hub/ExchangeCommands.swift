import Backplane
import Codec

/// Commands that came in requests of their own, on their way to their session and back.
extension Exchange {
    /// This node.
    var node: NodeID { shards.first?.context.node ?? NodeID(0) }

    /// Brings a request to the reactor of its session, or to its node.
    func carry(_ request: CommandRequest, from asker: CommandAsker) {
        var request = request
        if request.isByID, let locator = sessionsByID[request.key.secret] {
            request = request.found(on: node, at: locator.value)
        }
        guard request.key.node == node else {
            // What another node sent here is for nobody else.
            guard case .connection = asker, let forward else { return carried(.unknown, asker) }
            let found = request
            return forward(found) { [self] verdict in self.carried(verdict, asker) }
        }
        let reactor = Int(Locator(request.key.locator).reactor)
        guard reactor < shards.count else { return carried(.unknown, asker) }
        tell(reactor, .carry(request, asker))
    }

    /// A later session may have the same id: that one stays.
    func sessionClosed(_ id: SessionID.Secret, _ locator: Locator) {
        guard sessionsByID[id] == locator else { return }
        sessionsByID[id] = nil
        sessionsByID.giveBack()
    }

    /// Tells whoever waits what became of a request.
    func carried(_ verdict: CommandRequest.Verdict, _ asker: CommandAsker) {
        switch asker {
        case .connection(let locator):
            guard Int(locator.reactor) < shards.count else { return }
            tell(Int(locator.reactor), .carried(locator, verdict))
        case .node(let node, let question): backplane.answer([verdict.rawValue], id: question, to: node)
        }
    }
}
