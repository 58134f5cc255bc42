import Backplane
import Codec
import Testing

@testable import Node

/// What a reload's channel rules mean for those who are subscribed.
@Suite struct RuleReviewTests {
    private static func rule(
        _ match: String = "*", _ change: (inout ChannelRule) -> Void = { _ in }
    ) -> ChannelRule {
        var rule = ChannelRule(match: ChannelPattern(match))
        change(&rule)
        return rule
    }

    private func subscribed(_ rig: ShardRig, _ channel: String) -> (client: Int32, slot: UInt32) {
        let (client, slot) = rig.logIn()
        rig.say(client, slot, #"{"id":2,"subscribe":{"channel":"\#(channel)"}}"#)
        rig.confirm(channel)
        _ = rig.read(client)
        return (client, slot)
    }

    // MARK: Access

    @Test func whoeverMayNotBeThereAnyMoreIsToldSo() throws {
        let rig = try ShardRig()
        let raw = rig.subscribe("a")
        let other = rig.subscribe("b")
        let client = subscribed(rig, "a")
        let outcome = try rig.reload { $0.channels = [Self.rule("a") { $0.subscribe = .nobody }, Self.rule()] }
        #expect(outcome?.subscriptionsEnded == 1 && outcome?.sessionsClosed == 1)
        // Close frame with 1008.
        let farewell = rig.read(raw.client)
        #expect(farewell.prefix(4).suffix(2) == [0x03, 0xF0])
        #expect(
            String(decoding: farewell, as: UTF8.self).contains("subscribing to channel 'a' is not permitted any more"))
        let told = rig.text(client.client)
        #expect(told.contains(#""unsubscribe":{"code":2000"#) && told.contains(#""channel":"a""#))
        // Nobody else notices, and who was unsubscribed is still connected.
        #expect(rig.read(other.client).isEmpty && rig.shard.session(other.slot).pointee.phase == .open)
        #expect(rig.shard.session(client.slot).pointee.phase == .open)
        rig.say(client.client, client.slot, #"{"id":3,"subscribe":{"channel":"a"}}"#)
        #expect(rig.text(client.client).contains(#"{"id":3,"error":{"code":103"#))
    }

    @Test func aRuleThatStillPermitsThemEndsNothing() throws {
        let rig = try ShardRig()
        let raw = rig.subscribe("a")
        let outcome = try rig.reload { configuration in
            configuration.channels = [Self.rule("a") { $0.publish = .client }, Self.rule { $0.subscribe = .nobody }]
        }
        #expect(outcome?.subscriptionsEnded == 0 && outcome?.sessionsClosed == 0)
        #expect(rig.read(raw.client).isEmpty)
        rig.deliver("hello", to: "a")
        rig.turn()
        #expect(rig.text(raw.client).contains("hello"))
        // And the new rule counts for what it sends.
        rig.say(raw.client, raw.slot, "mine")
        #expect(rig.backplane.published.map(\.publication.payload) == [Array("mine".utf8)])
    }

    /// A session that waits for its channel is opened first, because its client understands nothing else, and then closed.
    @Test func whoeverWaitsIsJudgedWhenItIsOpen() throws {
        let rig = try ShardRig()
        let (client, slot) = rig.open("/raw?channel=a")
        #expect(rig.shard.session(slot).pointee.phase == .opening)
        try rig.reload { $0.channels = [Self.rule { $0.subscribe = .nobody }] }
        #expect(rig.read(client).isEmpty)
        rig.confirm("a")
        #expect(rig.text(client).contains("not permitted any more"))
        #expect(rig.shard.session(slot).pointee.phase == .closing)
    }

    /// A subscription that an application made stays, unless nobody may be there at all.
    @Test func whatAnApplicationGaveStays() throws {
        let rig = try ShardRig()
        let (client, slot) = rig.logIn()
        let action = SessionAction.subscribe(
            channel: "a", data: nil, epoch: nil, offset: nil, expiresAt: nil)
        rig.shard.act(action, on: SessionSelection()) { _ in }
        rig.confirm("a")
        _ = rig.read(client)
        try rig.reload { $0.channels = [Self.rule { $0.subscribe = .user }] }
        #expect(rig.read(client).isEmpty)
        try rig.reload { $0.channels = [Self.rule { $0.subscribe = .nobody }] }
        #expect(rig.text(client).contains("unsubscribe"))
        #expect(rig.shard.session(slot).pointee.phase == .open)
    }

    /// More sessions than one portion has.
    @Test func everySessionIsLookedAt() throws {
        let rig = try ShardRig()
        let clients = (0..<90).map { _ in rig.subscribe("a").client }
        let outcome = try rig.reload { $0.channels = [Self.rule { $0.subscribe = .user }] }
        #expect(outcome?.sessionsClosed == 90)
        #expect(clients.allSatisfy { rig.text($0).contains("not permitted any more") })
    }

    // MARK: Presence

    private static let present = PresenceSettings(announces: true, grace: 0)

    @Test func subscribersBecomePresentAndGo() throws {
        let rig = try ShardRig()
        let first = rig.subscribe("a")
        _ = rig.subscribe("b")
        let waiting = rig.open("/raw?channel=c")
        try rig.reload { $0.channels = [Self.rule("b"), Self.rule { $0.presence = Self.present }] }
        #expect(rig.backplane.quiet.map(\.channel) == [ShardRig.name("a")])
        #expect(rig.backplane.quiet[0].member.session == rig.shard.id(of: first.slot))
        #expect(rig.backplane.present.isEmpty)
        // Who joins later enters as always.
        rig.confirm("c")
        #expect(rig.backplane.present.map(\.channel) == [ShardRig.name("c")])
        _ = waiting
        try rig.reload { $0.channels = [] }
        #expect(Set(rig.backplane.leftQuietly.map(\.channel)) == [ShardRig.name("a"), ShardRig.name("c")])
        #expect(rig.backplane.left.isEmpty)
        rig.shard.life.drop(first.slot)
        rig.turn()
        #expect(rig.backplane.left.isEmpty && rig.backplane.leftQuietly.count == 2)
    }

    @Test func otherSettingsReachTheChannel() throws {
        let rig = try ShardRig { $0.channels = [Self.rule { $0.presence = Self.present }] }
        _ = rig.subscribe("a")
        let silent = PresenceSettings(announces: false, grace: 7)
        try rig.reload { $0.channels = [Self.rule { $0.presence = silent }] }
        #expect(rig.backplane.quiet.map(\.settings) == [silent])
    }

    // MARK: Slow subscribers

    @Test func theNewPolicyCountsForTheNextPublication() throws {
        let rig = try ShardRig()
        _ = rig.subscribe("a")
        let channel = try #require(rig.shard.channels.byName[ShardRig.name("a")])
        #expect(channel.kind == .kept)
        try rig.reload { $0.channels = [Self.rule { $0.slow = .latest }] }
        #expect(channel.kind == .latest && channel.concerns.isEmpty)
        try rig.reload { $0.channels = [Self.rule { $0.slow = .dropOldest }] }
        #expect(channel.kind == .dropOldest)
    }

    @Test func concernsAreWhatChanged() {
        let plain = Self.rule()
        #expect(RuleReview.concerns(from: plain, to: Self.rule { $0.publish = .client }) == [])
        #expect(
            RuleReview.concerns(from: plain, to: Self.rule { $0.history = HistorySettings(size: 1, timeToLive: 1) })
                == [])
        #expect(RuleReview.concerns(from: plain, to: Self.rule { $0.subscribe = .user }) == .access)
        #expect(RuleReview.concerns(from: plain, to: Self.rule { $0.slow = .latest }) == .kernel)
        #expect(RuleReview.concerns(from: Self.rule { $0.slow = .latest }, to: plain) == [])
        #expect(RuleReview.concerns(from: plain, to: Self.rule { $0.presence = Self.present }) == .presence)
        #expect(RuleReview.concerns(from: Self.rule { $0.presence = Self.present }, to: plain) == .absence)
    }

    // MARK: History and occupancy

    private static let kept = HistorySettings(size: 10, timeToLive: 60_000)

    @Test func historyBeginsForAChannelThatIsOpen() throws {
        let rig = try ShardRig()
        let raw = rig.subscribe("a")
        try rig.reload { $0.channels = [Self.rule { $0.history = Self.kept }] }
        // Where it stands is read, and what comes meanwhile waits for that.
        #expect(rig.backplane.reads.count == 1)
        var publication = rig.publication("one", "a")
        publication.position = Position(epoch: 5, offset: 4)
        rig.exchange.delivered(publication)
        rig.turn()
        #expect(rig.read(raw.client).isEmpty)
        rig.backplane.reads[0].completion(
            .success(
                HistoryPage(
                    publications: [], lineage: EpochLineage(top: Position(epoch: 5, offset: 3)), isContinuous: true)))
        rig.turn()
        #expect(rig.text(raw.client).contains("one"))
        #expect(rig.exchange.historySettings(of: ShardRig.name("a")) == Self.kept)
    }

    @Test func historyEndsAndNothingIsHeldBackForIt() throws {
        let rig = try ShardRig { $0.channels = [Self.rule { $0.history = Self.kept }] }
        let raw = rig.subscribe("a")
        #expect(rig.backplane.reads.count == 1)
        var publication = rig.publication("one", "a")
        publication.position = Position(epoch: 5, offset: 4)
        rig.exchange.delivered(publication)
        rig.turn()
        #expect(rig.read(raw.client).isEmpty)
        try rig.reload { $0.channels = [] }
        rig.deliver("two", to: "a")
        rig.turn()
        let heard = rig.text(raw.client)
        #expect(heard.contains("one") && heard.contains("two"))
        // The answer to the read finds nobody.
        rig.backplane.reads[0].completion(
            .success(
                HistoryPage(
                    publications: [], lineage: EpochLineage(top: Position(epoch: 5, offset: 4)), isContinuous: true)))
        rig.turn()
        #expect(rig.read(raw.client).isEmpty)
        #expect(rig.exchange.historySettings(of: ShardRig.name("a")) == nil)
    }

    @Test func otherSizesCountForTheNextPublication() throws {
        let rig = try ShardRig { $0.channels = [Self.rule { $0.history = Self.kept }] }
        _ = rig.subscribe("a")
        let other = HistorySettings(size: 3, timeToLive: 1000)
        try rig.reload { $0.channels = [Self.rule { $0.history = other }] }
        #expect(rig.exchange.historySettings(of: ShardRig.name("a")) == other)
    }

    /// Who listens is not to believe a channel empty before it is.
    @Test func occupancyBeginsAtOnceAndEndsWithTheLastSubscriber() throws {
        let rig = try ShardRig()
        let raw = rig.subscribe("a")
        try rig.reload { $0.channels = [Self.rule { $0.isOccupancyKnown = true }] }
        #expect(rig.backplane.occupied == [ShardRig.name("a")] && rig.exchange.tracksOccupancy)
        try rig.reload { $0.channels = [] }
        #expect(rig.backplane.vacated.isEmpty && rig.exchange.tracksOccupancy)
        rig.shard.life.drop(raw.slot)
        rig.turn()
        #expect(rig.backplane.vacated == [ShardRig.name("a")])
    }

    /// Those of the control plane who read along are no subscribers, before a reload and after it.
    @Test func whoReadsAlongDoesNotOccupyAChannel() throws {
        let rig = try ShardRig()
        let queue = BoundedQueue<ChannelTap.Item>(maximumBytes: 1 << 20, weight: { $0.weight })
        let tap = ChannelTap(
            ShardRig.name("a"), home: rig.reactor, queue: queue, perSecond: 100, leftOut: { _ in })
        rig.exchange.addTap(tap)
        rig.confirm("a")
        try rig.reload { $0.channels = [Self.rule { $0.isOccupancyKnown = true }] }
        #expect(rig.backplane.occupied.isEmpty)
        let raw = rig.subscribe("a")
        #expect(rig.backplane.occupied == [ShardRig.name("a")])
        try rig.reload { $0.channels = [] }
        rig.shard.life.drop(raw.slot)
        rig.turn()
        #expect(rig.backplane.vacated == [ShardRig.name("a")])
        // The channel is still read, and who comes now comes under the rule of now.
        _ = rig.subscribe("a")
        #expect(rig.backplane.occupied.count == 1)
    }

    // MARK: Publications

    /// The channel that is published in time after time is not looked up anew each time, but for a reload.
    @Test func theNextPublicationGoesByTheNewRule() throws {
        let rig = try ShardRig { $0.channels = [Self.rule { $0.publish = .client }] }
        let (client, slot) = rig.logIn()
        rig.say(client, slot, #"{"id":2,"publish":{"channel":"a","data":1}}"#)
        try rig.reload { configuration in
            configuration.channels = [
                Self.rule {
                    $0.publish = .client
                    $0.history = Self.kept
                }
            ]
        }
        rig.say(client, slot, #"{"id":3,"publish":{"channel":"a","data":2}}"#)
        #expect(rig.backplane.kept == [nil, Self.kept])
        try rig.reload { $0.channels = [] }
        rig.say(client, slot, #"{"id":4,"publish":{"channel":"a","data":3}}"#)
        #expect(rig.backplane.published.count == 2 && rig.text(client).contains(#"{"id":4,"error":{"code":103"#))
    }

    // MARK: Limits

    @Test func limitsCountForSessionsThatAreOpen() throws {
        let rig = try ShardRig()
        let (client, slot) = subscribed(rig, "a")
        try rig.reload { $0.channelsPerSession = 1 }
        rig.say(client, slot, #"{"id":5,"subscribe":{"channel":"b"}}"#)
        #expect(rig.text(client).contains(#"{"id":5,"error":{"code":106"#))
        try rig.reload {
            $0.messageBytes = 200; $0.batchBytes = 200
        }
        rig.say(client, slot, #"{"id":6,"publish":{"channel":"a","data":"\#(String(repeating: "x", count: 300))"}}"#)
        #expect(rig.shard.session(slot).pointee.phase == .closing)
    }

    @Test func ratesCountForSessionsThatAreOpen() throws {
        let rig = try ShardRig { $0.channels = [Self.rule { $0.publish = .client }] }
        let (client, slot) = subscribed(rig, "a")
        try rig.reload {
            $0.publishRate = 1; $0.publishBurst = 1
        }
        for id in 5...7 { rig.say(client, slot, #"{"id":\#(id),"publish":{"channel":"a","data":1}}"#) }
        #expect(rig.backplane.published.count < 3)
    }
}
