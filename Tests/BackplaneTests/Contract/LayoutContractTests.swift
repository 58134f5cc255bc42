import Codec
import Reactor
import Testing

@testable import Backplane

/// Which names a cluster has in Redis, with real servers.
@Suite(.enabled(if: RedisProcess.program != nil, "\(RedisProcess.isMissing)")) struct LayoutContractTests {
    private let news = ContractRig.channel("news")
    private let quiet = ContractRig.channel("quiet")
    private let settings = HistorySettings(size: 100, timeToLive: 600_000)

    /// All that a node does, on a server that refuses scripts which touch keys of two slots.
    @Test func aClusterOfOneServerServesAll() async throws {
        let settings = settings
        let redis = try RedisProcess(isCluster: true)
        defer { redis.stop() }
        let channels = ["a", "b{c}", "{", "}x", "room:7"].map(ContractRig.channel)
        try await ContractRig.redis(redis, NodeID(1)).run { one in
            // Nobody reads its answers to the last: it ends as a node does that is killed.
            let other = try ContractRig.redis(redis, NodeID(2))
            other.reactor.start()
            await other.reactor.perform { other.backplane.start(receiver: other.recorder) }
            await other.until("it is linked") { $0.recorder.phases.last == .linked }
            var waiter: UInt64 = 0
            for channel in channels {
                await one.addInterest(channel)
                let told = try await one.read(channel, settings, limit: 0).top
                waiter += 2
                let outcome = await one.publishAndWait("1", to: channel, history: settings, key: "k", waiter: waiter)
                let position = try #require(outcome?.position)
                #expect(position.offset == 1 && position.epoch == told.epoch)
                #expect(await one.publishAndWait("x", to: channel, key: "l", waiter: waiter + 1) == .accepted(nil))
                #expect(try await one.read(channel, settings).publications.map(\.position) == [position])
                await other.enter(other.member(1, user: "bob"), channel)
                await one.enter(one.member(2, user: "ada"), channel)
                try await one.untilPresent(channel, clients: 2, users: 2)
                await one.leave(one.member(2, user: "ada"), channel)
                try await one.untilPresent(channel, clients: 1, users: 1)
                let lost = Position(epoch: position.epoch, offset: 9)
                if case .failure(let refusal) = await one.markLost(lost, in: channel) { Issue.record("\(refusal)") }
                await one.until("the loss is noted") { $0.recorder.losses.contains(channel) }
            }
            #expect(await one.reactor.perform { one.recorder.said.filter { $0.contains("not available") } } == [])
            // It dies, and what it left is cleared away.
            await other.die()
            for channel in channels { try await one.untilPresent(channel, clients: 0, users: 0) }
            for channel in channels {
                await one.until("the leave is said") {
                    $0.recorder.count(.change(.leave, other.member(1).session), of: channel) == 1
                }
            }
            #expect(await one.reactor.perform { one.backplane.link.badMessages } == 0)
        }
    }

    @Test func theFirstNodeBeginsThePresentLayout() async throws {
        let news = news
        let redis = try RedisProcess()
        defer { redis.stop() }
        try await ContractRig.redis(redis).run { rig in
            _ = await rig.publishAndWait("a", to: news, history: settings, waiter: 1)
            let keys = try redis.keys()
            let tag = RedisPartition.tags[RedisPartition.of(news)]
            #expect(keys.isSuperset(of: ["test:layout", "test:{\(tag)}:m:news", "test:{\(tag)}:h:news"]))
            #expect(!keys.contains("test:m:news"))
            #expect(try redis.command("GET", "test:layout") == "2")
        }
    }

    /// A node of the version before says no layout in its beats. As long as one is there, its names are used.
    @Test func besideTheVersionBeforeItsNamesAreUsed() async throws {
        let (news, settings) = (news, settings)
        let redis = try RedisProcess()
        defer { redis.stop() }
        try await OlderNode(redis).run { older in
            try await ContractRig.redis(redis).run { rig in
                await rig.addInterest(news)
                older.publish("old", to: news)
                await rig.until("it hears the version before") { $0.recorder.payloads(of: news) == ["old"] }
                #expect(await rig.publishAndWait("new", to: news, history: settings, waiter: 1)?.position != nil)
                await older.until("the version before hears it") { $0.heard.contains("test:c:news") }
                await rig.enter(rig.member(1), news)
                try await rig.untilPresent(news, clients: 1, users: 1)
                let keys = try redis.keys()
                #expect(keys.isSuperset(of: ["test:m:news", "test:h:news", "test:pu:news", "test:pn"]))
                #expect(try redis.command("GET", "test:layout") == "1")
                #expect(keys.allSatisfy { !$0.contains("{") })
            }
        }
    }

    /// A whole cluster of the version before was stopped, and this version goes on with its histories.
    @Test func historiesOfTheLayoutOfBeforeAreTakenOver() async throws {
        let (news, quiet, settings) = (news, quiet, settings)
        let redis = try RedisProcess()
        defer { redis.stop() }
        _ = try redis.command("SET", "test:layout", "1")
        var given: [Position] = []
        var told = Position(epoch: 0, offset: .zero)
        try await ContractRig.redis(redis).run { rig in
            for number in 1...3 as ClosedRange<UInt64> {
                let outcome = await rig.publishAndWait("\(number)", to: news, history: settings, waiter: number)
                given.append(try #require(outcome?.position))
            }
            told = try await rig.read(quiet, settings, limit: 0).top
        }
        _ = try redis.command("DEL", "test:layout")
        let before = given
        let beginning = told
        try await ContractRig.redis(redis, NodeID(3)).run { rig in
            let page = try await rig.read(news, settings, since: before[0])
            #expect(page.isContinuous && page.publications.compactMap(\.position) == [before[1], before[2]])
            let next = await rig.publishAndWait("4", to: news, history: settings, waiter: 1)
            #expect(next?.position == Position(epoch: before[0].epoch, offset: 4))
            // Who was told that nothing was published there yet misses nothing.
            let first = await rig.publishAndWait("1", to: quiet, history: settings, waiter: 2)
            #expect(first?.position?.offset == 1)
            #expect(
                try await rig.read(quiet, settings, since: beginning).publications.map(\.position) == [first?.position])
            let keys = try redis.keys()
            #expect(!keys.contains("test:m:news") && !keys.contains("test:h:news"))
            #expect(try redis.command("GET", "test:layout") == "2")
        }
    }

    @Test func aNodeThatCannotHearIsSaid() async throws {
        let redis = try RedisProcess()
        defer { redis.stop() }
        _ = try redis.command("SET", "test:layout", "2")
        try await OlderNode(redis).run { _ in
            try await ContractRig.redis(redis).run { rig in
                await rig.until("it says so") {
                    $0.recorder.said.contains { $0.contains("does not know the layout of this cluster's keys") }
                }
            }
        }
    }

    @Test func anInvalidLayoutKeepsTheLinkDown() async throws {
        let redis = try RedisProcess()
        defer { redis.stop() }
        _ = try redis.command("SET", "test:layout", "7")
        try await ContractRig.redis(redis).run(isLinked: false) { rig in
            await rig.until("it says why") { $0.recorder.said.contains { $0.contains("invalid test:layout") } }
            #expect(await rig.reactor.perform { rig.recorder.phases.contains(.linked) } == false)
            _ = try redis.command("SET", "test:layout", "2")
            await rig.until("it is linked") { $0.recorder.phases.last == .linked }
        }
    }

    @Test func redisThatLosesAllKeepsTheLayout() async throws {
        let news = news
        let redis = try RedisProcess()
        defer { redis.stop() }
        _ = try redis.command("SET", "test:layout", "1")
        try await ContractRig.redis(redis).run { rig in
            await rig.addInterest(news)
            redis.kill()
            await rig.until("it is noticed") { $0.recorder.phases.last == .isolated }
            try redis.start()
            await rig.until("it is linked again") { $0.recorder.phases.last == .linked }
            #expect(try redis.command("GET", "test:layout") == "1")
            _ = await rig.publishAndWait("a", to: news, waiter: 1)
            await rig.until("it is delivered") { $0.recorder.payloads(of: news) == ["a"] }
        }
    }
}

/// As much of a node of the version before as others see: its beats, and what it hears.
final class OlderNode: ConnectionDelegate, @unchecked Sendable {
    private let reactor: Reactor
    private let speaking: Connection
    private let listening: Connection
    private let socket: String
    private var reader: RESPReader?
    private var isOver = false
    private(set) var heard: [String] = []
    private var waiting: [(condition: (OlderNode) -> Bool, resume: (Bool) -> Void)] = []

    init(_ redis: RedisProcess) throws {
        reactor = try Reactor(index: 0, name: "older")
        socket = redis.socket
        speaking = Connection(reactor: reactor, outboundLimit: 1 << 20)
        listening = Connection(reactor: reactor, outboundLimit: 1 << 20)
    }

    func run(_ test: (OlderNode) async throws -> Void) async throws {
        reactor.start()
        reactor.post {
            for connection in [self.speaking, self.listening] {
                connection.delegate = self
                connection.connect(to: [.unix(self.socket)], deadline: .seconds(5))
            }
            self.beat()
        }
        await until("its own beat") { $0.heard.contains("test:beat") }
        do { try await test(self) } catch {
            await end()
            throw error
        }
        await end()
    }

    private func end() async {
        await reactor.perform {
            self.isOver = true
            self.speaking.close()
            self.listening.close()
        }
        reactor.stop()
    }

    private func beat() {
        guard !isOver else { return }
        let writer = ByteWriter()
        NodeMessage.beat(Beat(node: NodeID(99), sequence: 1, name: "older", summary: [])).write(to: writer)
        say("test:beat", Array(writer.bytes))
        reactor.schedule(after: .milliseconds(100)) { [weak self] in self?.beat() }
    }

    func publish(_ text: String, to channel: ChannelName) {
        let payload = Array(text.utf8)
        reactor.post {
            let writer = ByteWriter()
            EnvelopeCodec.write(
                Publication(channel: channel, kind: .text, payload: payload, origin: NodeID(99)), to: writer)
            self.say("test:c:\(channel)", Array(writer.bytes))
        }
    }

    private func say(_ channel: String, _ bytes: [UInt8]) {
        let writer = ByteWriter()
        RESPWriter.command([Array("PUBLISH".utf8), Array(channel.utf8), bytes], to: writer)
        speaking.write(writer.bytes)
    }

    func until(_ what: Comment, _ condition: @escaping @Sendable (OlderNode) -> Bool) async {
        let came = await withCheckedContinuation { (continuation: CheckedContinuation<Bool, Never>) in
            reactor.post {
                if condition(self) { return continuation.resume(returning: true) }
                var isAnswered = false
                let resume = { (isTrue: Bool) in
                    guard !isAnswered else { return }
                    isAnswered = true
                    continuation.resume(returning: isTrue)
                }
                self.waiting.append((condition, resume))
                self.reactor.schedule(after: .seconds(20)) { resume(false) }
            }
        }
        #expect(came, what)
    }

    func connected(_ connection: Connection) {
        guard connection === listening else { return }
        reader = RESPReader { [unowned self] reply in
            guard case .message(let channel, _) = reply else { return }
            heard.append(String(decoding: channel, as: UTF8.self))
            for waiter in waiting where waiter.condition(self) { waiter.resume(true) }
        }
        let writer = ByteWriter()
        RESPWriter.command("SUBSCRIBE", "test:beat", "test:c:news", to: writer)
        listening.write(writer.bytes)
    }

    func received(_ connection: Connection, bytes: UnsafeMutableRawBufferPointer) {
        if connection === listening { try? reader?.feed(UnsafeRawBufferPointer(bytes)) }
    }

    func closed(_ connection: Connection, reason: ConnectionClosed) {}
}
