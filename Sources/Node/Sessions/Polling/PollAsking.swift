package import Codec
package import Reactor

/// Requests of clients whose session may be on another node, on the node that got them. Pure: it is told what happened.
package struct PollAsking {
    /// A request, until it is answered.
    package struct Open: Sendable {
        package let request: PollRequest
        /// When its connection was negotiated, in seconds since 1970.
        package let issuedAt: Int64
        package let connection: Locator
        /// Those that have not said anything.
        package fileprivate(set) var silent: Set<NodeID>
        /// Those that could not be asked, or are not heard any more.
        package fileprivate(set) var missing: Set<NodeID>
        /// The one that has the session.
        package fileprivate(set) var home: NodeID?
        fileprivate var isBusy = false
        fileprivate var isGone = false
        /// Its connection is gone.
        fileprivate var isWithdrawn = false
        /// When it has to be answered in any case.
        fileprivate let until: MonotonicTime
    }

    package enum Event {
        /// The connection is told this, and by whom.
        case tell(Open, PollAnswer, PollSource)
        /// No node that was asked has the session; the silent ones have not said so.
        case nobody(Open)
        /// A node has the request, or has answered it, and nobody waits any more.
        case giveBack(Open, NodeID, question: UInt64)
    }

    private var open: [UInt64: Open] = [:]
    private var questions: [Locator: UInt64] = [:]
    /// Ids whose sessions may begin here.
    private var beginning: [SessionID.Secret: Int] = [:]
    /// Ids whose sessions may begin on another node, and until when they do not begin here; and the same in their order.
    private var promises: [SessionID.Secret: MonotonicTime] = [:]
    private var promised: [(id: SessionID.Secret, until: MonotonicTime)] = []
    /// Requests that were put to other nodes.
    package private(set) var begun: UInt64 = 0
    /// Requests for which there was no room.
    package private(set) var refused: UInt64 = 0

    /// So many may be open.
    private static let most = 65_536

    package init() {}

    package var count: Int { open.count }

    /// - Parameters:
    ///   - nodes: Those that are asked.
    ///   - missing: Those that are not, because nothing was heard of them for some time.
    /// - Returns: The number of the question, which has to be unguessable; nil when there are too many.
    package mutating func begin(
        _ request: PollRequest, issuedAt: Int64, for connection: Locator, to nodes: Set<NodeID>,
        missing: Set<NodeID> = [], until: MonotonicTime, using random: inout some RandomNumberGenerator
    ) -> UInt64? {
        guard open.count < Self.most else {
            refused &+= 1
            return nil
        }
        begun &+= 1
        var id: UInt64
        repeat { id = random.next() } while id == 0 || open[id] != nil
        open[id] = Open(
            request: request, issuedAt: issuedAt, connection: connection, silent: nodes, missing: missing,
            until: until)
        questions[connection] = id
        if request.what == .claim { beginning[request.id, default: 0] += 1 }
        return id
    }

    /// Whether it is being found out whether the session of an id may begin here.
    package func isBeginning(_ id: SessionID.Secret) -> Bool { beginning[id] != nil }

    /// How long a node that was told that it may begin a session takes for that, at the most.
    private static let promiseTime: Duration = .seconds(1)

    /// Another node begins a session, if nobody has it.
    ///
    /// Of two nodes that find it out at the same moment, one has to let the other one. A node that asks later does not begin anything for
    /// as long as the first one may.
    ///
    /// - Parameter isOlder: Which of the two may.
    /// - Returns: Whether this node lets it.
    package mutating func claimed(_ id: SessionID.Secret, byOlder isOlder: Bool, now: MonotonicTime) -> Bool {
        if isBeginning(id), !isOlder { return false }
        if let kept = promised.firstIndex(where: { $0.until > now }) {
            if kept > 0 { forget(kept) }
        } else {
            forget(promised.count)
        }
        if promised.count == Self.most { forget(1) }
        promises[id] = now + Self.promiseTime
        promised.append((id, now + Self.promiseTime))
        return true
    }

    private mutating func forget(_ count: Int) {
        for promise in promised[..<count] where promises[promise.id] == promise.until { promises[promise.id] = nil }
        promised.removeFirst(count)
    }

    /// Promises that are remembered; for tests.
    package var promisesKept: Int { promised.count }

    /// Whether a session begins on another node, if it does at all.
    package func hasPromised(_ id: SessionID.Secret, now: MonotonicTime) -> Bool {
        promises[id].map { $0 > now } ?? false
    }

    package func awaits(_ id: UInt64) -> Bool { open[id] != nil }

    /// - Returns: Nil for what decides nothing.
    package mutating func answered(_ id: UInt64, from node: NodeID, _ answer: PollAnswer) -> Event? {
        guard var asked = open[id], asked.home == node || asked.silent.contains(node) else { return nil }
        asked.silent.remove(node)
        switch answer {
        case .unknown, .gone, .busy:
            // The one that had it has it no more.
            if asked.home == node { return end(id, asked, .gone, from: node) }
            asked.isGone = asked.isGone || answer == .gone
            asked.isBusy = asked.isBusy || answer == .busy
            open[id] = asked
            guard asked.silent.isEmpty, asked.home == nil else { return nil }
            return conclude(id, asked)
        case .held where asked.isWithdrawn:
            _ = remove(id)
            return .giveBack(asked, node, question: id)
        case .held:
            asked.home = node
            asked.silent = []
            open[id] = asked
            forgetBeginning(asked)
            return .tell(asked, .held, .node(node, question: id))
        case .messages where asked.isWithdrawn:
            _ = remove(id)
            return .giveBack(asked, node, question: id)
        case .otherUser, .messages, .nothing, .over, .ended, .unreachable:
            return end(id, asked, answer, from: node)
        }
    }

    /// Time is up for those that have not said anything.
    package mutating func expired(_ id: UInt64) -> Event? {
        guard let asked = open[id], asked.home == nil else { return nil }
        return conclude(id, asked)
    }

    /// The connection is gone.
    ///
    /// - Returns: What was asked, if a node has it, which is to hear of it. Otherwise it is known when one says so.
    package mutating func withdrawn(_ connection: Locator) -> (question: UInt64, asked: Open)? {
        guard let id = questions[connection], let asked = open[id] else { return nil }
        guard asked.home == nil else { return remove(id).map { (id, $0) } }
        open[id]?.isWithdrawn = true
        questions[connection] = nil
        forgetBeginning(asked)
        return nil
    }

    /// Nodes have left, or are not heard any more: nobody waits for them.
    package mutating func left(_ nodes: Set<NodeID>) -> [Event] {
        guard !nodes.isEmpty else { return [] }
        let concerned = open.filter { entry in
            entry.value.home.map { nodes.contains($0) } ?? !entry.value.silent.isDisjoint(with: nodes)
        }
        return concerned.compactMap { (id, asked) -> Event? in
            if asked.home != nil {
                _ = remove(id)
                return .tell(asked, .gone, .here)
            }
            var asked = asked
            asked.missing.formUnion(asked.silent.intersection(nodes))
            asked.silent.subtract(nodes)
            open[id] = asked
            return asked.silent.isEmpty ? conclude(id, asked) : nil
        }
    }

    /// Answers that have to be given now, whatever became of the others.
    package mutating func overdue(now: MonotonicTime) -> [Event] {
        open.filter { $0.value.until <= now }.map { (id, asked) -> Event in
            _ = remove(id)
            return .tell(asked, .unreachable, .here)
        }
    }

    /// Those that a node has taken and has not answered.
    package var held: [(question: UInt64, asked: Open)] {
        open.filter { $0.value.home != nil }.map { ($0.key, $0.value) }
    }

    private mutating func conclude(_ id: UInt64, _ asked: Open) -> Event? {
        _ = remove(id)
        if asked.isWithdrawn { return nil }
        if asked.isBusy { return .tell(asked, .busy, .here) }
        if asked.isGone { return .tell(asked, .gone, .here) }
        return .nobody(asked)
    }

    private mutating func end(_ id: UInt64, _ asked: Open, _ answer: PollAnswer, from node: NodeID) -> Event {
        _ = remove(id)
        return .tell(asked, answer, .node(node, question: id))
    }

    private mutating func remove(_ id: UInt64) -> Open? {
        guard let asked = open.removeValue(forKey: id) else { return nil }
        if questions[asked.connection] == id { questions[asked.connection] = nil }
        if asked.home == nil, !asked.isWithdrawn { forgetBeginning(asked) }
        return asked
    }

    private mutating func forgetBeginning(_ asked: Open) {
        guard asked.request.what == .claim, let count = beginning[asked.request.id] else { return }
        beginning[asked.request.id] = count > 1 ? count - 1 : nil
    }
}
