import Codec
import Reactor
import Testing

@testable import Backplane

/// What Redis says about presence comes from whoever writes to it: what cannot be is no answer.
@Suite struct PresenceAnswersTests {
    private let query = PresenceQuery(
        channel: ChannelName(trusted: Array("room".utf8)), view: .clients, limit: 3, isWhole: true)

    private func backplane() throws -> RedisBackplane {
        try RedisBackplane(
            home: try Reactor(index: 0, name: "test"), node: NodeID(1), name: "test",
            configuration: RedisConfiguration(endpoint: .tcp(host: "127.0.0.1", port: 1)), wallClock: { 0 })
    }

    private func member(_ number: UInt64, info: Int = 0) -> RESPValue {
        let id = SessionID(node: NodeID(7), locator: number, secret: .init(high: number, low: 1))
        return .bulk(PresenceMember(session: id, user: nil, info: Array(repeating: 0x31, count: info)).packed)
    }

    private func answer(_ clients: Int64, _ users: Int64, _ more: Int64 = 0, _ entries: [RESPValue] = []) -> RESPValue {
        .array([.integer(clients), .integer(users), .integer(more), .array(entries)])
    }

    @Test func takesWhatCanBe() throws {
        let redis = try backplane()
        let page = try redis.page(query, answer(2, 2, 0, [member(1), member(2)])).get()
        #expect(page.counts == PresenceCounts(ours: 2, users: 2) && page.members.count == 2 && !page.hasMore)
        #expect(try redis.page(query, answer(8000, 70, 1)).get().hasMore)
    }

    @Test func refusesWhatCannotBe() throws {
        let redis = try backplane()
        let many = (0..<4).map { member($0) }
        let large = (0..<3).map { member($0, info: PresenceQuery.maximumBytes / 2) }
        let wrong: [RESPValue] = [
            answer(-1, 1), answer(1, -1), answer(.min, .min), answer(.max, .max), answer(1 << 32, 1),
            answer(4, 4, 0, many), answer(3, 3, 0, large), answer(1, 1, 0, [.integer(1)]),
            answer(1, 1, 0, [.bulk(nil)]),
            .array([]), .array([.integer(1), .integer(1), .array([])]), .integer(-1), .bulk(nil), .status("OK"),
            .array([.bulk(Array("1".utf8)), .integer(1), .integer(0), .array([])]),
        ]
        for value in wrong {
            if case .success(let page) = redis.page(query, value) { Issue.record("\(value) was taken: \(page)") }
        }
        #expect(redis.link.badMessages == UInt64(wrong.count))
    }

    @Test func passesOverMembersThatAreNone() throws {
        let redis = try backplane()
        let entries: [RESPValue] = [.bulk([]), .bulk([1, 2, 3]), member(1)]
        let page = try redis.page(query, answer(3, 3, 1, entries)).get()
        #expect(page.members.count == 1 && redis.link.badMessages == 2)
    }
}
