/// How many nodes and Redis servers a workload needs, and what runs out first. A function of its input and of `Costs`, nothing else.
package struct Sizing: Sendable {
    package let shape: NodeShape
    package let costs: Costs

    package static let maximumNodes = 100_000
    private static let microseconds = 1e6
    /// On the wire, beside the bytes of a segment: Ethernet, IPv4, TCP with timestamps.
    private static let segmentBytes = 90.0
    private static let segmentPayload = 1448.0
    /// Of a TLS record.
    private static let recordBytes = 22.0

    package init(shape: NodeShape = NodeShape(), costs: Costs = .measured) {
        self.shape = shape
        self.costs = costs
    }

    /// The smallest cluster that bears it.
    ///
    /// - Throws: What is wrong with the input, or why no cluster does.
    package func cluster(for workload: Workload) throws(SizingError) -> ClusterSize {
        try workload.check()
        try shape.check()
        guard bears(workload, nodes: Self.maximumNodes) else { throw tooMuch(workload) }
        var (least, most) = (0, Self.maximumNodes)
        while most - least > 1 {
            let middle = (least + most) / 2
            if bears(workload, nodes: middle) { most = middle } else { least = middle }
        }
        guard oneChannel(workload, nodes: most) <= shape.share else { throw tooMuchForRedis(workload, most) }
        return size(workload, nodes: most)
    }

    /// The most sessions that so many nodes bear, at the rate and in the channels of the workload.
    package func largest(_ workload: Workload, nodes: Int) throws(SizingError) -> ClusterSize {
        var workload = workload
        workload.sessions = 1
        try workload.check()
        try shape.check()
        try SizingError.check(nodes, in: 1...Self.maximumNodes, "--nodes")
        guard bears(workload, nodes: nodes) else { throw tooMuch(workload) }
        guard oneChannel(workload, nodes: nodes) <= shape.share else { throw tooMuchForRedis(workload, nodes) }
        var (least, most) = (1, 1_000_000_000)
        while most - least > 1 {
            workload.sessions = (least + most) / 2
            if bears(workload, nodes: nodes), oneChannel(workload, nodes: nodes) <= shape.share {
                least = workload.sessions
            } else {
                most = workload.sessions
            }
        }
        workload.sessions = least
        return size(workload, nodes: nodes)
    }

    /// What a cluster of so many nodes uses.
    package func size(_ workload: Workload, nodes: Int) -> ClusterSize {
        let redis = redisTime(workload, nodes: nodes)
        let servers = max(1, Int((redis / shape.share).rounded(.up)))
        let subscriptions = workload.allSubscriptions
        return ClusterSize(
            workload: workload, shape: shape, nodes: nodes, redisServers: servers,
            uses: [
                LimitUse(
                    limit: .memory, used: memory(workload, nodes),
                    available: (shape.memory - shape.system) * memoryShare),
                LimitUse(limit: .cpu, used: time(workload, nodes), available: shape.cores * shape.share),
                LimitUse(
                    limit: .files, used: Double(workload.sessions) / Double(nodes),
                    available: Double(shape.files - NodeShape.otherFiles)),
                LimitUse(limit: .network, used: bits(workload, nodes), available: shape.network * shape.share),
                LimitUse(limit: .redisCPU, used: redis / Double(servers), available: shape.share),
            ],
            redisMemory: Double(workload.channels) * Double(workload.history)
                * (Double(workload.payload) + costs.redisKept),
            deliveriesPerSecond: subscriptions * workload.ratePerChannel,
            sendsPerSecond: subscriptions * sends(workload))
    }

    /// Memory is not shared with what comes and goes: it may be used further than a core.
    private var memoryShare: Double { min(1, shape.share + (1 - shape.share) / 2) }

    /// Whether the nodes do; there may be as many Redis servers as it takes.
    private func bears(_ workload: Workload, nodes: Int) -> Bool {
        size(workload, nodes: nodes).uses.allSatisfy { $0.limit == .redisCPU || $0.share <= 1 }
    }

    private func tooMuch(_ workload: Workload) -> SizingError {
        SizingError(
            "no number of nodes bears it. Each node takes a part of every publication and needs memory for itself, which more nodes do not change: "
                + "give them more --cores and --memory, or publish less often")
    }

    private func tooMuchForRedis(_ workload: Workload, _ nodes: Int) -> SizingError {
        let most = shape.share / handing(workload, nodes)
        return SizingError(
            "all publications of a channel pass through one Redis server, which hands \(Int(most)) a second to \(nodes) nodes at most, and a channel has "
                + "\(Int(workload.ratePerChannel.rounded(.up))): use more channels, or publish less often"
        )
    }

    // MARK: What one node uses

    private func memory(_ workload: Workload, _ nodes: Int) -> Double {
        let session =
            costs.session + (shape.isContainer ? costs.connectionCharged : costs.connection)
            + (workload.isEncrypted ? costs.sessionOverTLS : 0)
            + (workload.isCompressed ? costs.sessionCompressed : 0)
            + Double(workload.subscriptions - 1) * costs.subscription
        // One send is under way to everybody: the bytes that gather until it.
        let gathered = workload.rate > 0 ? costs.queued + wireBytes(workload) * max(1, batch(workload)) : 0
        let channels = Double(workload.channels) * nodesOfChannel(workload, nodes) / Double(nodes)
        return (shape.isContainer ? costs.baseCharged : costs.base) + Double(workload.sessions) / Double(nodes)
            * (session + gathered) + channels * costs.channel
    }

    /// Cores.
    private func time(_ workload: Workload, _ nodes: Int) -> Double {
        let share = 1 / Double(nodes)
        let encrypted = workload.isEncrypted
        var time = Double(workload.sessions) * share / workload.pingInterval * costs.ping
        time += workload.connectsPerSecond * share * (encrypted ? costs.connectOverTLS : costs.connect)
        time += workload.rate * share * (workload.history > 0 ? costs.publishWithHistory : costs.publish)
        let received = workload.rate * nodesOfChannel(workload, nodes) * share
        time +=
            received * (costs.receive + (workload.isCompressed ? Double(workload.payload) * costs.compressedByte : 0))
        let subscriptions = workload.allSubscriptions * share
        let message = costs.message + wireBytes(workload) * (encrypted ? costs.byteOverTLS : costs.byte)
        time +=
            subscriptions * sends(workload)
            * (send(to: Double(workload.sessions) * share) + (encrypted ? costs.sendOverTLS : 0))
        time += subscriptions * workload.ratePerChannel * message
        return time / Self.microseconds / shape.speed
    }

    private func bits(_ workload: Workload, _ nodes: Int) -> Double {
        let bytes = wireBytes(workload) * max(1, batch(workload)) + (workload.isEncrypted ? Self.recordBytes : 0)
        let segments = max(1, (bytes / Self.segmentPayload).rounded(.up))
        let out = workload.allSubscriptions / Double(nodes) * sends(workload) * (bytes + segments * Self.segmentBytes)
        let pings = Double(workload.sessions) / Double(nodes) / workload.pingInterval * (2 + Self.segmentBytes) * 2
        return (out + pings) * 8
    }

    // MARK: Sends

    /// Up to how many sessions of a machine are in its caches, and from how many on none is: between them the cost grows evenly.
    private static let cachedSessions = 10_000.0
    private static let uncachedSessions = 100_000.0

    /// CPU of a send to one of so many sessions.
    private func send(to sessions: Double) -> Double {
        let share = (sessions - Self.cachedSessions) / (Self.uncachedSessions - Self.cachedSessions)
        return costs.send + (costs.sendToMany - costs.send) * max(0, min(1, share))
    }

    /// A publication in its frame.
    private func wireBytes(_ workload: Workload) -> Double {
        let payload = Double(workload.payload) * (workload.isCompressed ? costs.compressionRatio : 1)
        return payload + (payload < 126 ? 2 : payload < 65_536 ? 4 : 10)
    }

    /// Sends a second to one subscription. Publications of a channel gather while a pass over its subscribers is under way. A pass may take half of the
    /// delay: who has just been passed waits for its end, and for that of the next one.
    private func sends(_ workload: Workload) -> Double {
        let rate = workload.ratePerChannel
        let atLeast = max(2 / workload.delay, rate * wireBytes(workload) / costs.batchBytes)
        return min(rate, atLeast)
    }

    /// Publications in a send.
    private func batch(_ workload: Workload) -> Double {
        let sends = sends(workload)
        return sends > 0 ? workload.ratePerChannel / sends : 0
    }

    // MARK: Redis

    /// On how many nodes a channel has subscribers, if they are spread evenly by chance.
    private func nodesOfChannel(_ workload: Workload, _ nodes: Int) -> Double {
        let audience = workload.allSubscriptions / Double(workload.channels)
        return Double(nodes) * (1 - Self.power(1 - 1 / Double(nodes), audience))
    }

    /// Cores of all servers together.
    private func redisTime(_ workload: Workload, nodes: Int) -> Double { workload.rate * handing(workload, nodes) }

    /// What the publications of one channel take, all of which one server has.
    private func oneChannel(_ workload: Workload, nodes: Int) -> Double {
        workload.ratePerChannel * handing(workload, nodes)
    }

    private func handing(_ workload: Workload, _ nodes: Int) -> Double {
        let publish = workload.history > 0 ? costs.redisPublishWithHistory : costs.redisPublish
        return (publish + nodesOfChannel(workload, nodes) * costs.redisHandOver) / Self.microseconds / shape.speed
    }

    /// `base` to a power that is not whole, for a base of 0 to 1, without a mathematical library: squares, and a straight line between whole ones.
    static func power(_ base: Double, _ exponent: Double) -> Double {
        guard exponent < 1e9 else { return base < 1 ? 0 : 1 }
        let whole = Int(exponent)
        var (result, square, rest) = (1.0, base, whole)
        while rest > 0 {
            if rest & 1 == 1 { result *= square }
            square *= square
            rest >>= 1
        }
        return result * (1 - (exponent - Double(whole)) * (1 - base))
    }
}
