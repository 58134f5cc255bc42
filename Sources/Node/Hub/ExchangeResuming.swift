import Backplane
import Codec

/// Clients that come back to a session whose connection was cut: the session may be on any reactor of any node.
extension Exchange {
    /// Asks the reactor that has the session, or the other nodes.
    func resume(_ wanted: ResumeRequest) {
        if let place = sessionsByID[wanted.id] { return tell(Int(place.reactor), .resume(wanted, place)) }
        let claim = HandoverQuestion.What.claim(
            next: wanted.next, variant: wanted.variant, user: wanted.user.map { Array($0.utf8) })
        ask(
            HandoverQuestion(id: wanted.id, fence: .random(in: 1...UInt64.max), claim), nil, for: wanted.connection)
    }

    /// It is known where the session is, or that it cannot be gone on with.
    func resumable(_ place: Locator?, for connection: Locator) {
        tell(Int(connection.reactor), .resumable(place, connection))
    }

    /// Brings a connection to the reactor of its session.
    func moved(_ connection: MovedConnection, to place: Locator) { tell(Int(place.reactor), .moved(connection, place)) }

    // MARK: From node to node

    /// - Parameter node: Nil for all others.
    func ask(_ question: HandoverQuestion, _ node: NodeID?, for connection: Locator) {
        guard let askNodes else { return resumable(nil, for: connection) }
        askNodes(question, node) { [self] node, answer in
            self.tell(Int(connection.reactor), .handoverAnswered(question, connection, node, answer))
        }
    }

    /// Another node wants a session.
    package func handOver(_ question: HandoverQuestion, to asker: NodeAsker) {
        guard let place = sessionsByID[question.id] else {
            return backplane.answer(HandoverAnswer.refused.bytes, id: asker.question, to: asker.node)
        }
        tell(Int(place.reactor), .handOver(question, place, asker))
    }

    /// Where a session is that is not where its id says: it has another id here, or another node has it.
    func whereabouts(of id: SessionID) -> SessionID? {
        if let place = sessionsByID[id.secret] {
            return place.value == id.locator && id.node == node
                ? nil : SessionID(node: node, locator: place.value, secret: id.secret)
        }
        // What came back from there once must not go around for ever.
        guard id.node == node, id.locator != MovedSessions.anywhere, let other = movedSessions.node(of: id.secret)
        else {
            return nil
        }
        return SessionID(node: other, locator: MovedSessions.anywhere, secret: id.secret)
    }

    func putFence(_ fence: UInt64, in name: ChannelName, for connection: Locator) {
        publish(Publication(fence: fence, in: name, origin: node), isKept: false) { [self] outcome in
            if case .refused = outcome { self.tell(Int(connection.reactor), .handoverFailed(connection)) }
        }
    }

    /// A fence is told to all who have subscribers; it is no publication.
    func passFence(_ fence: Publication, _ interest: Interest) {
        // What is in front of it waits to be read: its place is not known here, and the handover fails.
        guard interest.history?.tail.isReading != true else { return }
        var left = interest.reactors
        while left != 0 {
            let reactor = left.trailingZeroBitCount
            left &= left - 1
            tell(reactor, .delivered(fence))
        }
    }
}
