import Codec
import Reactor

/// Carrying a change on, where that is this node's business, and agreeing with the others on a plan.
extension ShardMover {
    func drive(_ standing: ShardStanding) {
        guard !isStoring, change != nil else { return }
        let own = ShardChange.Node(id: owner.node, name: owner.name, heard: owner.home.now, standing: standing)
        let others = owner.registry.nodes.filter { !$0.isSelf }.map {
            ShardChange.Node(id: $0.id, name: $0.name, heard: $0.lastSeen, standing: standings[$0.id])
        }
        let step = change?.step(own: own, others: others, now: owner.home.now) ?? .nothing
        owner.status.change = changeText
        owner.status.partitionsToMove = partitionsToMove
        switch step {
        case .nothing: break
        case .use(let plan): store(plan)
        case .copy: beginCopy()
        }
    }

    // MARK: Storing a plan

    /// Stores the next plan. It counts when all servers that it needs have it: all, as a rule; where partitions have moved, those that they
    /// leave or come to (`ShardPlan.completes`).
    private func store(_ plan: ShardPlan, then: @escaping () -> Void = {}) {
        guard !isStoring, let before = change?.plan else { return }
        // What is taken back must be so also when a server does not answer: it is told when it is back.
        let isTakenBack = plan.takesBack(before)
        let needed = isTakenBack || plan.completes(before) ? before.movingServers : Set(before.servers + plan.servers)
        let servers = topology.names.indices.filter { needed.contains(topology.names[$0]) }.map { topology.servers[$0] }
            .filter { $0.state.takesCommands && $0.has(.storePlan) }
        guard !servers.isEmpty, isTakenBack || servers.count == needed.count else { return }
        isStoring = true
        var (left, stored) = (servers.count, 0)
        for server in servers {
            store(plan, at: server) { [self] isStored in
                left -= 1
                if isStored { stored += 1 }
                guard left == 0 else { return }
                isStoring = false
                guard stored == needed.count || isTakenBack && stored > 0, let now = change?.plan,
                    plan.isNewer(than: now)
                else { return }
                use(plan)
                then()
            }
        }
    }

    /// Leaves a plan at one server, unless it has a newer one.
    private func store(_ plan: ShardPlan, at server: RedisServer, _ completion: @escaping (Bool) -> Void) {
        let text = plan.stored
        server.call(.storePlan, keys: [server.names.shards], [Array("\(plan.generation)".utf8), text]) { [self] value in
            if case .bulk(let known?)? = value, known != text { _ = consider(known, at: server) }
            completion(value == .bulk(text))
        }
    }

    // MARK: Joining

    /// What a server has stored: which plan the nodes follow, or nothing.
    ///
    /// - Returns: Whether the server can be used.
    func found(_ stored: [UInt8]?, at server: RedisServer) -> Bool {
        if let stored { return consider(stored, at: server) }
        if change == nil {
            guard isFirstPlan(server) else { return false }
            use(ShardPlan(servers: topology.target))
            forgetMoves()
        }
        if let plan = change?.plan { store(plan, at: server) { _ in } }
        return true
    }

    /// Whether no server has a plan: then this node makes the first one. Nodes with the same list make the same one.
    ///
    /// A server that does not answer may have one, so all of them have to.
    private func isFirstPlan(_ server: RedisServer) -> Bool {
        guard let number = topology.servers.firstIndex(where: { $0 === server }) else { return false }
        empty.insert(number)
        let missing = topology.servers.indices.filter { !empty.contains($0) }
        guard let first = missing.first else { return true }
        owner.failed(
            "no server says yet which Redis servers the nodes use, so all of them have to answer before the first node links: Redis at \(topology.servers[first].addressText) has not",
            at: server)
        return false
    }

    private func consider(_ stored: [UInt8], at server: RedisServer) -> Bool {
        guard let plan = ShardPlan(stored: stored) else {
            refuse(
                "Redis at \(server.addressText) has a list of servers in \(String(decoding: server.names.shards, as: UTF8.self)) that this version does not know: stop all nodes and delete the key there",
                at: server)
            return false
        }
        if let current = change?.plan, current.origin == plan.origin, !plan.isNewer(than: current) {
            // Of the same generation, a server keeps what it was told first.
            if plan.generation < current.generation { store(current, at: server) { _ in } }
            return true
        }
        let missing = plan.servers.filter { topology.server(named: $0) == nil }
        guard missing.isEmpty else {
            refuse(missingText(plan, missing, server), at: server)
            return false
        }
        if let current = change?.plan, current.origin != plan.origin {
            refuse(
                "Redis at \(server.addressText) has another division of channels in \(String(decoding: server.names.shards, as: UTF8.self)), among (\(Self.list(plan.servers))), than the one that this node follows, among (\(Self.list(current.servers))), and neither comes from the other: stop the nodes that use it, and delete the key on that server",
                at: server)
            return false
        }
        // One server may have it, and not all that it takes. Who follows it has seen that all have.
        if let current = change?.plan, plan.completes(current), !isFollowed(plan) {
            store(plan)
            return true
        }
        use(plan)
        return true
    }

    private func isFollowed(_ plan: ShardPlan) -> Bool {
        let digest = plan.digest
        return standings.values.contains { $0.generation == plan.generation && $0.digest == digest }
    }

    /// Nobody has a plan: what servers remember of partitions that left them in an earlier life of the cluster is of no use, and they may
    /// have these partitions again.
    private func forgetMoves() {
        for server in topology.servers where server.commands.isOpen {
            server.call(.forgetMoves, keys: owner.names.partitions.map(\.beginnings), []) { _ in }
        }
    }

    private func missingText(_ plan: ShardPlan, _ missing: [[UInt8]], _ server: RedisServer) -> String {
        "the nodes that are linked through Redis at \(server.addressText) divide the channels among other servers (\(Self.list(plan.servers))) than backplane.redis.shards of this node (\(owner.shardNames.joined(separator: ", "))): list \(Self.list(missing)) as well. To remove a server, keep it in the list, name it in backplane.redis.leaving, restart the nodes one by one, and take it out of the list when none of its channels is left there. If the other list is no longer used at all, stop all nodes and delete \(String(decoding: server.names.shards, as: UTF8.self)) on each server"
    }

    private func refuse(_ reason: String, at server: RedisServer) {
        owner.failed(reason, at: server)
        if server.state.takesCommands { server.commands.fail(reason) }
    }

    static func list(_ names: [[UInt8]]) -> String {
        names.map { "\(ForeignText(String(decoding: $0, as: UTF8.self)))" }.joined(separator: ", ")
    }

    // MARK: Copying

    private func beginCopy() {
        guard let plan = change?.plan else { return }
        let copy = ShardCopy(plan, ways: ways, names: owner.names) { [self] result in
            guard change?.plan == plan else { return }
            switch result {
            case .success(let tooLarge):
                if let first = tooLarge.first {
                    owner.receiver?.happened(
                        .warning,
                        "histories that are too large to be copied to another Redis server begin anew, and clients that come back are told so: \(things(tooLarge.count, "key")), the first is \(ForeignText(String(decoding: first, as: UTF8.self)))"
                    )
                }
                change?.copied(true, now: owner.home.now)
                review()
            case .failure(let failure):
                owner.receiver?.happened(
                    .error,
                    "partitions cannot be moved to another Redis server: \(failure.reason). They stay where they are, and it is tried again in \(ShardChange.failurePause.components.seconds) s"
                )
                store(plan.interrupted(by: owner.node)) { [self] in change?.rest(now: owner.home.now) }
            }
        }
        self.copy = copy
        copy.begin()
    }

    // MARK: For people

    private var partitionsToMove: Int {
        guard let plan = change?.plan, !plan.isSettled else { return 0 }
        return plan.changing.subtracting(plan.moved).count
    }

    /// What an operator has to know of a change that is under way or wanted; nil without one.
    private var changeText: String? {
        guard let change else { return nil }
        let plan = change.plan
        let waiting = change.waiting.map { "; it waits: \($0)" } ?? ""
        guard !plan.isSettled else {
            guard !waiting.isEmpty else { return nil }
            return "the Redis servers stay (\(Self.list(plan.from)))\(waiting)"
        }
        return
            "the Redis servers change from (\(Self.list(plan.from))) to (\(Self.list(plan.to))): \(plan.moved.count) of \(things(plan.changing.count, "partition")) moved\(waiting)"
    }

    /// Says what has changed.
    func tell(_ before: ShardPlan?, _ plan: ShardPlan) {
        guard let before, let receiver = owner.receiver else { return }
        if before.isSettled, !plan.isSettled {
            receiver.happened(
                .info,
                "the Redis servers change from (\(Self.list(plan.from))) to (\(Self.list(plan.to))): \(plan.changing.count) of \(RedisPartition.count) partitions move"
            )
        } else if !before.isSettled, plan.isSettled {
            receiver.happened(.info, "the Redis servers are (\(Self.list(plan.from))) now: all partitions have moved")
        } else if !before.moving.isEmpty, plan.moving.isEmpty, !plan.isSettled {
            receiver.happened(
                .warning,
                "moving partitions to other Redis servers was interrupted, because a node or a server did not answer: it goes on when all do"
            )
        }
    }
}
