import Codec
import Testing

@testable import Node

@Suite struct ChannelFiltersTests {
    private static func filter(_ value: String) throws -> TagFilter {
        let json = Array(#"{"id":1,"subscribe":{"channel":"a","tf":{"key":"k","cmp":"eq","val":"\#(value)"}}}"#.utf8)
        var machine = DialectMachine(Variant(.centrifuge, over: .webSocket))
        func next(_ bytes: [UInt8]) -> Intent? {
            bytes.withUnsafeBytes {
                var message = IncomingMessage($0, isText: true, commandBytes: 10_000)
                return machine.next(in: &message, hint: nil)
            }
        }
        _ = next(Array(#"{"id":1,"connect":{}}"#.utf8))
        machine.loginAccepted()
        guard case .subscribe(let subscribe)? = next(json) else { throw CancellationError() }
        return try #require(subscribe.filter)
    }

    private static func publication(_ value: String?) throws -> Publication {
        let tags = try value.map { try PublicationTags(validating: [(Array("k".utf8), Array($0.utf8))]) }
        return Publication(
            channel: ShardRig.name("a"), kind: .text, payload: [], origin: NodeID(1),
            extras: tags.map { .init(tags: $0) })
    }

    @Test func equalFiltersAreOne() throws {
        let filters = ChannelFilters()
        let (a, b) = (try Self.filter("a"), try Self.filter("b"))
        #expect(filters.isEmpty && filters.cost(of: a) > 0)
        let first = filters.add(a)
        #expect(filters.cost(of: a) == 0 && filters.add(a) == first)
        let second = filters.add(b)
        #expect(second != first && filters.filter(second) == b)
        #expect(filters.remove(first) == 0)
        #expect(filters.remove(first) == filters.cost(of: a))
        #expect(filters.filter(first) == nil && filters.remove(first) == 0 && filters.remove(77) == 0)
        // A place that is free is used again.
        #expect(filters.add(a) == first)
    }

    @Test func judgesABatchOnce() throws {
        let filters = ChannelFilters()
        let number = filters.add(try Self.filter("a"))
        let batch = try ["a", nil, "b", "a"].map(Self.publication)
        filters.beginBatch()
        #expect(filters.wanted(number, of: batch) == 0b1001)
        // What is known of a batch is known until the next one.
        #expect(filters.wanted(number, of: []) == 0b1001)
        filters.beginBatch()
        #expect(filters.wanted(number, of: Array(batch.reversed())) == 0b1001)
        let whole = try (0..<ChannelFilters.batchPublications).map { _ in try Self.publication("a") }
        filters.beginBatch()
        #expect(filters.wanted(number, of: whole) == .max)
        // A filter that comes later, in a place that was known of, is judged anew.
        _ = filters.remove(number)
        #expect(filters.wanted(number, of: whole) == 0)
        #expect(filters.add(try Self.filter("b")) == number && filters.wanted(number, of: whole) == 0)
    }

    @Test func everybodyWantsChangesOfPresence() throws {
        let filters = ChannelFilters()
        let number = filters.add(try Self.filter("a"))
        let session = SessionID(node: NodeID(1), locator: 2, secret: .init(high: 3, low: 4))
        let member = PresenceMember(session: session, user: nil, info: nil)
        filters.beginBatch()
        let change = Publication(.join, of: member, in: ShardRig.name("a"), origin: NodeID(1))
        #expect(filters.wanted(number, of: [change, try Self.publication("b")]) == 0b01)
    }
}
