import Testing

@testable import Sizing

/// Round figures, so that results can be reckoned by hand.
private let costs = Costs(
    base: 10_000_000, baseCharged: 10_000_000, session: 500, sessionOverTLS: 5_000, sessionCompressed: 0,
    connection: 4_500, connectionCharged: 1_500, subscription: 100,
    channel: 1_000,
    queued: 1_000, connect: 20, connectOverTLS: 400, ping: 10, send: 5, sendToMany: 5, sendOverTLS: 2, message: 0.01,
    byte: 0,
    byteOverTLS: 0.001,
    publish: 1, publishWithHistory: 2, receive: 2, compressedByte: 0.01, redisPublish: 1, redisPublishWithHistory: 10,
    redisHandOver: 1,
    redisKept: 100, batchBytes: 65_536, compressionRatio: 0.5)

private func machine(cores: Double = 1, memory: Double = 1_010_000_000, files: Int = 1_000_000) -> NodeShape {
    var shape = NodeShape()
    shape.cores = cores
    shape.memory = memory
    shape.system = 0
    shape.files = files
    shape.share = 1
    shape.network = 1e10
    return shape
}

private func idle(_ sessions: Int) -> Workload {
    var workload = Workload(sessions: sessions)
    workload.connects = 0
    workload.pingInterval = 3600
    return workload
}

struct SizingTests {
    @Test func idleSessionsFillTheMemory() throws {
        // 1,000,000,000 bytes beside the node itself, 5,000 for each session.
        let size = try Sizing(shape: machine(), costs: costs).largest(idle(1), nodes: 1)
        #expect(abs(size.workload.sessions - 200_000) <= 10)
        #expect(size.first.limit == .memory && size.redisServers == 1)
    }

    @Test func filesComeFirstWhereAProcessMayOpenFew() throws {
        let size = try Sizing(shape: machine(files: 20_000), costs: costs).largest(idle(1), nodes: 53)
        #expect(size.workload.sessions == 53 * 19_900 && size.first.limit == .files)
    }

    @Test func theSmallestClusterIsFound() throws {
        let sizing = Sizing(shape: machine(), costs: costs)
        let size = try sizing.cluster(for: idle(1_000_000))
        #expect(size.nodes == 6)
        #expect(sizing.size(idle(1_000_000), nodes: 5).first.share > 1)
        #expect(size.uses.allSatisfy { $0.share <= 1 })
    }

    @Test func aContainerIsChargedLess() throws {
        var shape = machine()
        shape.isContainer = true
        let size = try Sizing(shape: shape, costs: costs).largest(idle(1), nodes: 1)
        #expect(abs(size.workload.sessions - 500_000) <= 10)
    }

    @Test func tlsTakesItsMemory() throws {
        var workload = idle(1)
        workload.isEncrypted = true
        let size = try Sizing(shape: machine(), costs: costs).largest(workload, nodes: 1)
        #expect(abs(size.workload.sessions - 100_000) <= 10)
    }

    /// One message a second to each of 100,000: each is a send of its own, because half of the delay is shorter than the time between two.
    @Test func aRareMessageCostsASendForEachSession() throws {
        var workload = idle(100_000)
        (workload.rate, workload.payload) = (1, 100)
        let size = Sizing(shape: machine(), costs: costs).size(workload, nodes: 1)
        #expect(size.sendsPerSecond == 100_000 && size.deliveriesPerSecond == 100_000)
        let cpu = try #require(size.uses.first { $0.limit == .cpu })
        #expect(abs(cpu.used - 0.501) < 0.001)
    }

    @Test func sendsToManyCostMore() throws {
        var costs = costs
        costs.sendToMany = 10
        var workload = idle(10_000)
        (workload.rate, workload.payload) = (1, 100)
        func cpu(_ sessions: Int) throws -> Double {
            workload.sessions = sessions
            return try #require(
                Sizing(shape: machine(), costs: costs).size(workload, nodes: 1).uses.first { $0.limit == .cpu }
            ).used
        }
        #expect(abs(try cpu(10_000) - 0.050) < 0.001)
        #expect(abs(try cpu(55_000) - 0.413) < 0.001)
        #expect(abs(try cpu(200_000) - 2.002) < 0.001)
    }

    @Test func whatGathersIsSentTogether() {
        var workload = idle(10_000)
        (workload.rate, workload.payload) = (100, 100)
        let size = Sizing(shape: machine(), costs: costs).size(workload, nodes: 1)
        // Two sends a second to each, for a delay of a second.
        #expect(size.deliveriesPerSecond == 1_000_000 && size.sendsPerSecond == 20_000)
        workload.delay = 0.02
        #expect(Sizing(shape: machine(), costs: costs).size(workload, nodes: 1).sendsPerSecond == 1_000_000)
        workload.delay = 1
        workload.payload = 65_000
        // No more than one of them is in a send.
        #expect(Sizing(shape: machine(), costs: costs).size(workload, nodes: 1).sendsPerSecond > 900_000)
    }

    @Test func moreNodesCostRedisMore() throws {
        var workload = idle(1_000_000)
        (workload.rate, workload.payload) = (1000, 100)
        let sizing = Sizing(shape: machine(), costs: costs)
        let few = try #require(sizing.size(workload, nodes: 10).uses.last)
        let many = try #require(sizing.size(workload, nodes: 50).uses.last)
        #expect(few.limit == .redisCPU && abs(few.used - 0.011) < 1e-6 && abs(many.used - 0.051) < 1e-6)
    }

    @Test func historyNeedsMoreRedisServers() throws {
        var workload = idle(100_000)
        (workload.rate, workload.payload, workload.channels, workload.history) = (200_000, 100, 100_000, 10)
        let size = try Sizing(shape: machine(cores: 16, memory: 1e11), costs: costs).cluster(for: workload)
        #expect(size.redisServers >= 3)
        #expect(size.redisMemory == 100_000 * 10 * 200)
    }

    /// A channel of one subscriber is on one node, and one of many is on all.
    @Test func channelsAreOnNodesWithSubscribers() throws {
        let sizing = Sizing(shape: machine(), costs: costs)
        var workload = idle(100_000)
        (workload.rate, workload.payload, workload.channels) = (1000, 100, 100_000)
        let small = try #require(sizing.size(workload, nodes: 10).uses.last)
        #expect(abs(small.used - 0.002) < 1e-6)
        workload.channels = 10
        let large = try #require(sizing.size(workload, nodes: 10).uses.last)
        #expect(abs(large.used - 0.011) < 1e-6)
    }

    @Test func whatNoClusterBearsIsSaid() {
        var workload = idle(1000)
        (workload.rate, workload.payload) = (10_000_000, 100)
        #expect(throws: SizingError.self) { try Sizing(shape: machine(), costs: costs).cluster(for: workload) }
        // Its nodes do, and the one Redis server that has the channel does not.
        (workload.rate, workload.history) = (150_000, 1)
        let error = #expect(throws: SizingError.self) {
            try Sizing(shape: machine(cores: 64), costs: costs).cluster(for: workload)
        }
        #expect(error?.description.contains("pass through one Redis server") == true)
    }

    @Test(arguments: [(0.5, 3.0, 0.125), (0.5, 0, 1), (0.9, 1, 0.9), (0.0, 5, 0), (0.5, 1.5, 0.375)])
    func powers(base: Double, exponent: Double, result: Double) {
        #expect(abs(Sizing.power(base, exponent) - result) < 1e-12)
    }
}

struct WorkloadTests {
    struct Mistake: Sendable, CustomTestStringConvertible {
        let said: String
        let make: @Sendable (inout Workload) -> Void
        var testDescription: String { said }

        init(_ said: String, _ make: @escaping @Sendable (inout Workload) -> Void) {
            self.said = said
            self.make = make
        }
    }

    @Test(arguments: [
        Mistake("--sessions 0") { $0.sessions = 0 },
        Mistake("--sessions -5") { $0.sessions = -5 },
        Mistake("--channels 0") { $0.channels = 0 },
        Mistake("--rate needs --payload") { $0.rate = 10 },
        Mistake("--payload needs --rate") { $0.payload = 10 },
        Mistake("--rate has to be") { $0.rate = -1 },
        Mistake("--rate has to be") { $0.rate = .nan },
        Mistake("--payload -1") { $0.payload = -1 },
        Mistake("--history needs --payload") { $0.history = 5 },
        Mistake("--subscriptions 2: a session cannot") { $0.subscriptions = 2 },
        Mistake("--ping-interval") { $0.pingInterval = 0 },
        Mistake("--delay") { $0.delay = 0 },
        Mistake("--connects") { $0.connects = -1 },
    ])
    func whatIsWrongIsSaid(mistake: Mistake) {
        var workload = Workload(sessions: 10)
        mistake.make(&workload)
        let error = #expect(throws: SizingError.self) { try Sizing(costs: costs).cluster(for: workload) }
        #expect(error?.description.contains(mistake.said) == true)
    }

    @Test func aMachineIsChecked() {
        for change: (inout NodeShape) -> Void in [
            { $0.cores = 0 }, { $0.memory = 0 }, { $0.system = 1e12 }, { $0.files = 100 }, { $0.network = 0 },
            { $0.speed = 0 }, { $0.share = 2 },
        ] {
            var shape = machine()
            change(&shape)
            #expect(throws: SizingError.self) { try Sizing(shape: shape, costs: costs).cluster(for: idle(10)) }
        }
    }

    @Test func quantities() throws {
        #expect(try Quantity.bytes("1.5GiB", "--memory") == 1.5 * 1_073_741_824)
        #expect(try Quantity.bytes("512MiB", "--memory") == 512 * 1_048_576)
        #expect(try Quantity.bits("500Mbit", "--network") == 5e8)
        #expect(try Quantity.seconds("100ms", "--delay") == 0.1)
        #expect(try Quantity.seconds("25s", "--delay") == 25)
        for text in ["", "GiB", "4", "4 apples", "-1GiB", "nanGiB", "infGiB"] {
            #expect(throws: SizingError.self) { try Quantity.bytes(text, "--memory") }
        }
    }
}

struct MeasuredCostsTests {
    /// They are measured anew now and then; these are bounds that no machine of today leaves.
    @Test func theConstantsAreOfTheRightSize() {
        let measured = Costs.measured
        #expect((100...600).contains(measured.session) && (1_000...20_000).contains(measured.connection))
        #expect(measured.sessionOverTLS > measured.session && measured.connectOverTLS > measured.connect)
        #expect(
            (0.5...50).contains(measured.send) && measured.message < measured.send
                && measured.byte < measured.byteOverTLS)
        #expect(measured.redisPublishWithHistory > measured.redisPublish)
    }
}
