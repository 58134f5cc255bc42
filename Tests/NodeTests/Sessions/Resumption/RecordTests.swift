import Backplane
import Codec
import Reactor
import Testing

@testable import Node

/// Records of sessions, with which another node goes on: when there is one, and what waits until there is none.
@Suite struct RecordTests {
    private typealias Hub = HubSessionTests
    private typealias Resume = HubResumeTests

    private static let id = SessionID.Secret(high: 1, low: .max)
    private static func position(_ offset: UInt64) -> Position { Position(epoch: 5, offset: Offset(clamping: offset)) }

    static let records: [RecordedSession] = [
        .init(taken: 0, acknowledged: 0, origin: SessionID(node: NodeID(1), locator: 2, secret: id), channels: []),
        .init(
            taken: .max, acknowledged: 7, origin: SessionID(node: NodeID(.max), locator: .max, secret: id),
            channels: [
                .init(name: .all, place: nil), .init(name: ShardRig.name("chat:a"), place: position(0)),
                .init(name: ShardRig.name("b"), place: Position(epoch: .max, offset: .max)),
            ]),
    ]

    @Test(arguments: records)
    func recordsAreRead(_ record: RecordedSession) {
        let bytes = record.bytes
        #expect(RecordedSession(bytes, of: Self.id) == record)
        for end in 0..<min(33, bytes.count) { #expect(RecordedSession(Array(bytes[..<end]), of: Self.id) == nil) }
        #expect(RecordedSession(bytes + [0], of: Self.id) == nil)
        #expect(RecordedSession([2] + bytes.dropFirst(), of: Self.id) == nil)
    }

    /// The same channel twice, and an offset that is none.
    @Test func whatIsNoRecord() {
        let name = RecordedSession.Channel(name: ShardRig.name("a"), place: nil)
        let twice = RecordedSession(taken: 0, acknowledged: 0, origin: Self.records[0].origin, channels: [name, name])
        #expect(RecordedSession(twice.bytes, of: Self.id) == nil)
        let bytes = Self.records[0].bytes + [0, 1, 0x61, 1] + Array(repeating: 0xFF, count: 16)
        #expect(RecordedSession(bytes, of: Self.id) == nil)
    }

    @Test func anOwnerIsOneUserInOneProtocol() {
        let json = Variant(.signalr, in: .standard, over: .webSocket, .none)
        let owners = [
            RecordedSession.owner(json, nil), RecordedSession.owner(json, ""), RecordedSession.owner(json, "ann"),
            RecordedSession.owner(Variant(.signalr, in: .messagePack, over: .webSocket, .none), "ann"),
        ]
        #expect(Set(owners).count == owners.count)
    }

    @Test func aPauseIsBetweenRecords() {
        var keeping = RecordKeeping()
        let start = MonotonicTime(nanoseconds: 1_000_000_000)
        #expect(keeping.wait(.seconds(5), now: start) == .zero && keeping.isNews([1]) && !keeping.mayExist)
        keeping.kept([1], now: start)
        #expect(keeping.wait(.seconds(5), now: start + .seconds(2)) == .seconds(3) && keeping.mayExist)
        #expect(!keeping.isNews([1]) && keeping.isNews([2]))
        keeping.withdrawing()
        #expect(keeping.isWithdrawing && keeping.mayExist && !keeping.isOver(now: start + .seconds(300)))
        #expect(keeping.isOver(now: start + .seconds(302)))
        keeping.withdrawn()
        #expect(!keeping.mayExist && !keeping.isWithdrawing && keeping.isNews([1]))
        #expect(keeping.wait(.seconds(5), now: start + .seconds(6)) == .zero)
    }

    @Test func movesAreRemembered() {
        var moved = MovedSessions()
        func id(_ number: Int) -> SessionID.Secret { SessionID.Secret(high: UInt64(number), low: 7) }
        for number in 0..<(MovedSessions.most + 10) { moved.insert(id(number), to: NodeID(1)) }
        moved.insert(id(50), to: NodeID(2))
        #expect(
            moved.node(of: id(9)) == nil && moved.node(of: id(10)) == NodeID(1) && moved.node(of: id(50)) == NodeID(2))
    }

    // MARK: Sessions

    private static func rig() throws -> ShardRig {
        let rig = try Hub.rig {
            $0.resume.records = .milliseconds(1)
            $0.channels = [
                ChannelRule(match: ChannelPattern("chat:plain*"), publish: .client),
                ChannelRule(
                    match: ChannelPattern("chat:*"), publish: .client,
                    history: HistorySettings(size: 10, timeToLive: 60_000)),
            ]
        }
        rig.backplane.keepsSessions = true
        return rig
    }

    /// A session in a hub whose channel for everyone is where its history says.
    private static func begin(_ rig: ShardRig, _ token: String) -> (client: Int32, slot: UInt32) {
        let (client, slot) = rig.open("/chat?id=\(token)")
        rig.say(client, slot, Resume.greeting)
        rig.confirm("chat:all")
        answerReads(rig)
        #expect(rig.text(client).hasSuffix("{}\u{1E}"))
        #expect(rig.shard.session(slot).pointee.linkage == .counted)
        return (client, slot)
    }

    private static func answerReads(_ rig: ShardRig) {
        let reads = rig.backplane.reads
        rig.backplane.reads = []
        for read in reads {
            read.completion(
                .success(HistoryPage(publications: [], lineage: EpochLineage(top: position(3)), isContinuous: true)))
        }
        rig.turn()
    }

    private static func deliver(_ rig: ShardRig, _ text: String, _ offset: UInt64?) {
        var publication = rig.publication(text, "chat:all")
        publication.position = offset.map { position($0) }
        rig.shard.received(.delivered(publication))
        rig.turn()
    }

    private static func pass(_ milliseconds: Int) {
        let end = MonotonicTime.now() + .milliseconds(milliseconds)
        while MonotonicTime.now() < end {}
    }

    /// What was asked about records since it was looked last; all of it is done.
    private static func asked(_ rig: ShardRig) -> [SessionRecordRequest] {
        let records = rig.backplane.records
        rig.backplane.records = []
        for record in records { record.completion(.success(.done)) }
        rig.turn()
        return records.map(\.request)
    }

    private static func kept(_ requests: [SessionRecordRequest], _ id: SessionID.Secret) -> [RecordedSession] {
        requests.compactMap { if case .keep(let record) = $0 { RecordedSession(record.body, of: id) } else { nil } }
    }

    @Test func aSessionIsRecordedWhereItsClientIs() throws {
        let rig = try Self.rig()
        let (client, slot) = Self.begin(rig, try Resume.token(rig))
        let id = rig.shard.id(of: slot)
        rig.ring(.record, slot)
        let first = Self.kept(Self.asked(rig), id.secret)
        #expect(first.count == 1 && first[0].acknowledged == 0 && first[0].taken == 0 && first[0].origin == id)
        #expect(Set(first[0].channels.map(\.name)) == [.all, ShardRig.name("chat:all")])
        #expect(first[0].channels.first { $0.name != .all }?.place == Self.position(3))
        Self.deliver(rig, "a", 4)
        Self.deliver(rig, "b", 5)
        #expect(Hub.heard(rig, client) == Resume.said("a") + Resume.said("b"), "history has it, so nothing waits")
        Self.pass(2)
        rig.say(client, slot, Resume.acknowledgement(1))
        rig.ring(.record, slot)
        let second = Self.kept(Self.asked(rig), id.secret)
        #expect(
            second.last?.acknowledged == 1 && second.last?.channels.first { $0.name != .all }?.place == Self.position(4)
        )
        rig.say(client, slot, #"{"type":7}"# + "\u{1E}")
        #expect(Self.asked(rig) == [.remove(generation: 0)])
        #expect(rig.shard.context.counters.faults == 0)
    }

    /// Before a call is carried out, and before something is sent that no history has.
    @Test func whatWouldMakeARecordWrongWaits() throws {
        let rig = try Self.rig()
        let (client, slot) = Self.begin(rig, try Resume.token(rig))
        rig.ring(.record, slot)
        #expect(Self.asked(rig).count == 1)
        rig.say(client, slot, Hub.call("Send", #"["plain","t",1]"#, id: nil) + Hub.call("Nothing", "[]"))
        #expect(rig.backplane.published.isEmpty && Hub.heard(rig, client) == "")
        Self.deliver(rig, "a", 4)
        #expect(Hub.heard(rig, client) == "", "nothing overtakes what waits")
        #expect(Self.asked(rig) == [.withdraw(generation: 0)])
        #expect(rig.backplane.published.count == 1)
        for published in rig.backplane.published { rig.exchange.published(published.ticket, .accepted(nil)) }
        rig.turn()
        #expect(Hub.heard(rig, client) == Resume.said("a") + Hub.failed("The hub has no such method."))
        // While there is no record, nothing waits.
        Self.deliver(rig, "b", nil)
        #expect(Hub.heard(rig, client) == Resume.said("b"))
        Self.pass(2)
        rig.say(client, slot, Resume.acknowledgement(2))
        #expect(Self.kept(Self.asked(rig), rig.shard.id(of: slot).secret).isEmpty, "there is more than history has")
        rig.say(client, slot, Resume.acknowledgement(3))
        rig.ring(.record, slot)
        let again = Self.kept(Self.asked(rig), rig.shard.id(of: slot).secret)
        #expect(again.last?.acknowledged == 3 && again.last?.taken == 2)
        Self.deliver(rig, "c", nil)
        #expect(Hub.heard(rig, client) == "", "it is in no history")
        #expect(rig.backplane.records.count == 1)
        // Redis is away: it is asked again, and what waits stays in its order.
        rig.backplane.records.removeFirst().completion(.failure(.isolated))
        rig.turn()
        Self.deliver(rig, "d", 6)
        #expect(Hub.heard(rig, client) == "")
        rig.shard.life.recordAnswered(rig.shard.locator(of: slot), .withdraw, .success(.done))
        rig.turn()
        #expect(Hub.heard(rig, client) == Resume.said("c") + Resume.said("d"))
        #expect(rig.shard.context.counters.faults == 0)
    }

    /// What waits comes once, though its connection is another one by then.
    @Test func whatWaitsIsSentOnTheNextConnection() throws {
        let rig = try Self.rig()
        let token = try Resume.token(rig)
        let (client, slot) = Self.begin(rig, token)
        rig.ring(.record, slot)
        #expect(Self.asked(rig).count == 1)
        Self.deliver(rig, "a", 4)
        Self.deliver(rig, "b", nil)
        #expect(Hub.heard(rig, client) == Resume.said("a"))
        Resume.cut(rig, client, slot)
        let (second, _) = Resume.comeBack(rig, token, next: 1)
        #expect(Hub.heard(rig, second) == Resume.sequence(1) + Resume.said("a"))
        #expect(Self.asked(rig) == [.withdraw(generation: 0)])
        #expect(Hub.heard(rig, second) == Resume.said("b"))
    }

    /// A node that was silent for so long that another one went on ends its part, and tells nobody.
    @Test func aSessionThatAnotherNodeHasEnds() throws {
        let rig = try Self.rig()
        let (_, slot) = Self.begin(rig, try Resume.token(rig))
        rig.ring(.record, slot)
        rig.backplane.records.removeFirst().completion(.success(.outdated))
        rig.turn()
        #expect(rig.shard.session(slot).pointee.phase != .open && rig.backplane.records.isEmpty)
        #expect(rig.shard.context.counters.faults == 0)
    }

    /// A group without history, and nodes that have nobody beside them.
    @Test func othersAreNotRecorded() throws {
        let rig = try Self.rig()
        let (client, slot) = Self.begin(rig, try Resume.token(rig))
        rig.say(client, slot, Hub.call("Join", #"["plain"]"#))
        rig.confirm("chat:plain")
        rig.say(client, slot, Resume.acknowledgement(1))
        rig.ring(.record, slot)
        #expect(Self.asked(rig).isEmpty)
        let alone = try Self.rig()
        alone.backplane.keepsSessions = false
        let (_, other) = Self.begin(alone, try Resume.token(alone))
        alone.ring(.record, other)
        #expect(alone.backplane.records.isEmpty)
    }
}
