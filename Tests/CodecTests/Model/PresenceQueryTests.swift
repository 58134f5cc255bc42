import Codec
import Testing

@Suite struct PresenceQueryTests {
    @Test(arguments: [(-1, 0), (0, -1), (.min, .max), (Int64(UInt32.max) + 1, 0)] as [(Int64, Int64)])
    func numbersThatAreNoCountsAreNotTaken(_ clients: Int64, _ users: Int64) {
        #expect(PresenceCounts(foreign: clients, users: users) == nil)
    }

    @Test func countsAreWrittenAsTheyAre() throws {
        let counts = try #require(PresenceCounts(foreign: Int64(UInt32.max), users: 0))
        let writer = ByteWriter(capacity: 64)
        CentrifugeEncoder.writePresenceStats(7, counts, to: writer)
        #expect(String(decoding: writer.bytes, as: UTF8.self).contains(#""num_clients":4294967295,"num_users":0"#))
        #expect(PresenceCounts(ours: -5, users: .max) == PresenceCounts(foreign: 0, users: Int64(UInt32.max)))
    }

    @Test func aPageHasNoMoreThanItMayHave() {
        let room = ChannelName(trusted: Array("room".utf8))
        #expect(PresenceQuery(channel: room, view: .clients, limit: .max).limit == PresenceQuery.maximumLimit)
        #expect(PresenceQuery(channel: room, view: .clients, limit: .min).limit == 0)
        #expect(PresenceQuery.isPlace(Array(repeating: 1, count: 32), in: .clients))
        #expect(!PresenceQuery.isPlace(Array(repeating: 1, count: 31), in: .clients))
        #expect(!PresenceQuery.isPlace([], in: .users))
        #expect(SessionID(sortKey: Array(repeating: 1, count: 33)) == nil)
    }

    @Test func sessionsSortAsTheirBytesDo() {
        var generator = SystemRandomNumberGenerator()
        let sessions = (0..<200).map { _ in
            SessionID(
                node: NodeID(.random(in: 0...2, using: &generator)), locator: .random(in: 0...3, using: &generator),
                secret: .init(high: generator.next(), low: generator.next()))
        }
        let bytes = sessions.sorted().map { PresenceMember.start(of: $0) }
        #expect(zip(bytes, bytes.dropFirst()).allSatisfy { !$1.lexicographicallyPrecedes($0) })
    }
}
