import Codec
import Reactor
import Testing

@testable import Node

/// Walks over the channels and sessions of a reactor.
@Suite struct WalkTests {
    private func channels(
        _ rig: ShardRig, _ sort: ChannelSort, after: String? = nil, limit: Int = 1000, prefix: String = ""
    ) -> [ChannelSummary] {
        let prefix = Array(prefix.utf8)
        let walk = ChannelWalk(sort, after: after.map { Array($0.utf8) }, limit: limit) { $0.starts(with: prefix) }
        while true { if let found = walk.step(on: rig.shard) { return found } }
    }

    private func connections(_ rig: ShardRig, _ change: (inout ConnectionQuery) -> Void = { _ in })
        -> [ConnectionSummary]
    {
        var query = ConnectionQuery(sort: .id, limit: 1000)
        change(&query)
        let walk = ConnectionWalk(query)
        while true { if let found = walk.step(on: rig.shard) { return found } }
    }

    @Test func channelsByName() throws {
        let rig = try ShardRig()
        for name in ["b", "a", "chat:2", "chat:1", "chat:1"] { _ = rig.subscribe(name) }
        #expect(channels(rig, .name).map(\.name).sorted() == ["a", "b", "chat:1", "chat:2"])
        #expect(channels(rig, .name, prefix: "chat:").map(\.subscribers).sorted() == [1, 2])
        #expect(Set(channels(rig, .name, limit: 2).map(\.name)) == ["a", "b"])
        #expect(Set(channels(rig, .name, after: "b").map(\.name)) == ["chat:1", "chat:2"])
    }

    @Test func channelsByTheirSubscribers() throws {
        let rig = try ShardRig()
        for name in ["a", "b", "b", "c", "c", "c"] { _ = rig.subscribe(name) }
        #expect(channels(rig, .subscribers, limit: 1).map(\.name) == ["c"])
        #expect(rig.shard.summaries(of: ["b", "nobody", "$all"].map(ShardRig.name)).map(\.subscribers) == [2])
        let share = rig.shard.share(of: ShardRig.name("c"))
        #expect(share.subscribers == 3 && share.more.dialects == [DialectShare(name: "raw", subscribers: 3)])
    }

    @Test func connectionsOfAChannelAUserAnAddressOrADialect() throws {
        let rig = try ShardRig()
        let (_, first) = rig.subscribe("a")
        _ = rig.subscribe("b")
        _ = rig.logIn()
        #expect(connections(rig).count == 3)
        #expect(connections(rig) { $0.channel = "a" }.map(\.id) == [rig.shard.id(of: first).description])
        #expect(connections(rig) { $0.channel = "nobody" }.isEmpty)
        #expect(connections(rig) { $0.dialect = "centrifuge" }.map(\.dialect) == ["centrifuge"])
        #expect(connections(rig) { $0.dialect = "raw" }.count == 2)
        // They come from no address, and this is none.
        #expect(connections(rig) { $0.address = "10.0.0.0/8" }.isEmpty)
        #expect(connections(rig) { $0.address = "no address" }.isEmpty && connections(rig) { $0.dialect = "x" }.isEmpty)
        #expect(connections(rig) { $0.minimumBacklog = 1 }.isEmpty)
        rig.shard.session(first).pointee.dropped = 5
        #expect(connections(rig) { ($0.sort, $0.limit) = (.dropped, 1) }.map(\.droppedPublications) == [5])
    }

    @Test func everythingOfOneConnection() throws {
        let rig = try ShardRig()
        let (client, slot) = rig.logIn()
        for (number, name) in ["c", "a", "b"].enumerated() {
            rig.say(client, slot, #"{"id":\#(number + 2),"subscribe":{"channel":"\#(name)"}}"#)
            if name != "b" { rig.confirm(name) }
        }
        let id = rig.shard.id(of: slot)
        let detail = try #require(rig.shard.detail(of: id, after: nil, limit: 2))
        #expect(detail.summary.id == id.description && detail.more.transport == "websocket" && detail.more.loggedIn)
        #expect(detail.more.subscriptions.map(\.name) == ["a", "b"] && detail.more.cursor == "b")
        #expect(detail.more.subscriptions.map(\.confirmed) == [true, false] && detail.more.subscriptionCount == 3)
        let rest = try #require(rig.shard.detail(of: id, after: Array("b".utf8), limit: 2))
        #expect(rest.more.subscriptions.map(\.name) == ["c"] && rest.more.cursor == nil)
        rig.shard.life.drop(slot)
        #expect(rig.shard.detail(of: id, after: nil, limit: 2) == nil)
    }
}
