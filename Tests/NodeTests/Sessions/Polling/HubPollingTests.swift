import Codec
import Glibc
import Reactor
import Testing

@testable import Node

/// Sessions of a hub whose clients ask for what waits.
@Suite struct HubPollingTests {
    private static let ping = #"{"type":6}"# + "\u{1E}"

    private static func said(_ text: String) -> String {
        #"{"type":1,"target":"message","arguments":["\#(text)"]}"# + "\u{1E}"
    }

    /// The body of an answer, or its status line where it has none.
    private static func body(_ answer: String) -> String {
        guard let end = answer.firstRange(of: "\r\n\r\n") else { return answer }
        let rest = answer[end.upperBound...]
        return rest.isEmpty ? String(answer.prefix(12)) : String(rest)
    }

    private static func ask(_ rig: ShardRig, _ token: String, _ method: String = "GET") -> (client: Int32, slot: UInt32)
    {
        let (client, slot) = rig.connect()
        rig.write(client, "\(method) /chat?id=\(token) HTTP/1.1\r\nHost: a\r\n\r\n")
        rig.turn(slot)
        return (client, slot)
    }

    private static func poll(_ rig: ShardRig, _ token: String, _ method: String = "GET") -> String {
        body(rig.text(ask(rig, token, method).client))
    }

    private static func negotiate(_ rig: ShardRig) throws -> String {
        try #require(
            HubSessionTests.member(
                "connectionToken", of: HubSessionTests.post(rig, "/chat/negotiate?negotiateVersion=1")))
    }

    /// A session that has greeted and asked for the answer to that.
    private static func begin(_ rig: ShardRig) throws -> (token: String, slot: UInt32) {
        let token = try negotiate(rig)
        #expect(poll(rig, token) == "HTTP/1.1 200")
        let slot = try #require(rig.exchange.sessionsByID.values.first?.slot)
        #expect(rig.shard.session(slot).pointee.stream.descriptor == -1)
        #expect(HubSessionTests.send(rig, token, HubSessionTests.greeting) == "HTTP/1.1 200")
        rig.confirm("chat:all")
        #expect(poll(rig, token) == "{}\u{1E}")
        return (token, slot)
    }

    private static func counters(_ rig: ShardRig) -> ShardCounters { rig.shard.context.counters }

    @Test func whatComesIsGivenToTheRequestThatWaits() throws {
        let rig = try HubSessionTests.rig()
        let (token, slot) = try Self.begin(rig)
        let (waiting, _) = Self.ask(rig, token)
        #expect(rig.text(waiting).isEmpty)
        rig.deliver("a", to: "chat:all")
        rig.deliver("b", to: "chat:all")
        rig.turn()
        #expect(Self.body(rig.text(waiting)) == Self.said("a") + Self.said("b"))
        // Between two requests it waits.
        rig.deliver("c", to: "chat:all")
        rig.turn()
        #expect(rig.shard.io.outboundBytes == Self.said("c").utf8.count)
        #expect(Self.poll(rig, token) == Self.said("c"))
        #expect(rig.shard.io.outboundBytes == 0 && rig.shard.session(slot).pointee.outbound.isEmpty)
        #expect(Self.counters(rig).polls == 3 && Self.counters(rig).faults == 0)
    }

    @Test func callsAreAnsweredInTheNextRequest() throws {
        let rig = try HubSessionTests.rig()
        let (token, _) = try Self.begin(rig)
        #expect(HubSessionTests.send(rig, token, HubSessionTests.call("Join", #"["a"]"#)) == "HTTP/1.1 200")
        rig.confirm("chat:a")
        #expect(Self.poll(rig, token) == HubSessionTests.done())
    }

    @Test func aConnectionThatBreaksLosesNothing() throws {
        let rig = try HubSessionTests.rig()
        let (token, _) = try Self.begin(rig)
        let (_, waiting) = Self.ask(rig, token)
        // Gone before there was anything.
        rig.shard.life.drop(waiting)
        rig.turn()
        rig.deliver("a", to: "chat:all")
        rig.turn()
        // Gone with an answer that it did not take.
        let (_, second) = Self.ask(rig, token)
        _ = second
        #expect(Self.counters(rig).pollAnswersReturned == 0)
        let other = Self.ask(rig, token)
        rig.deliver("b", to: "chat:all")
        // The messages are on their way to the connection when it goes.
        while rig.exchange.turn() {}
        rig.turn()
        #expect(Self.body(rig.text(other.client)) == Self.said("b"))
    }

    @Test func messagesForAConnectionThatIsGoneComeAgain() throws {
        let rig = try HubSessionTests.rig()
        let (token, slot) = try Self.begin(rig)
        let (_, waiting) = Self.ask(rig, token)
        let place = rig.shard.locator(of: waiting)
        rig.shard.life.drop(waiting)
        rig.turn()
        // As if it had gone a moment later.
        var polled = try #require(rig.shard.extras(slot)?.polled)
        _ = polled.asked(by: .connection(place), limits: PollLimits(), now: rig.reactor.now)
        rig.shard.extras(slot)?.polled = polled
        rig.deliver("a", to: "chat:all")
        rig.turn()
        #expect(Self.counters(rig).pollAnswersReturned == 1)
        #expect(rig.shard.io.outboundBytes == Self.said("a").utf8.count)
        rig.deliver("b", to: "chat:all")
        rig.turn()
        #expect(Self.poll(rig, token) == Self.said("a") && Self.poll(rig, token) == Self.said("b"))
        #expect(rig.shard.io.outboundBytes == 0)
    }

    @Test func aNewerRequestEndsTheOlderOne() throws {
        let rig = try HubSessionTests.rig()
        let (token, _) = try Self.begin(rig)
        let (older, _) = Self.ask(rig, token)
        let (newer, _) = Self.ask(rig, token)
        #expect(rig.text(older).hasPrefix("HTTP/1.1 204 "))
        rig.deliver("a", to: "chat:all")
        rig.turn()
        #expect(Self.body(rig.text(newer)) == Self.said("a") && Self.counters(rig).pollsReplaced == 1)
    }

    @Test func theClientEndsIt() throws {
        let rig = try HubSessionTests.rig()
        let (token, _) = try Self.begin(rig)
        let (waiting, _) = Self.ask(rig, token)
        #expect(Self.poll(rig, token, "DELETE") == "HTTP/1.1 202")
        #expect(rig.text(waiting).hasPrefix("HTTP/1.1 204 "))
        #expect(rig.text(Self.ask(rig, token).client).hasPrefix("HTTP/1.1 404 "))
        #expect(HubSessionTests.send(rig, token, Self.ping) == "HTTP/1.1 404")
        #expect(rig.exchange.sessionsByID.isEmpty && rig.exchange.polled.ending.isEmpty)
        #expect(Self.counters(rig).opened == 1 && Self.counters(rig).closed == 1)
        // Of everything but the connections that linger.
        #expect(rig.shard.context.admission.counted.addresses == 0 && rig.shard.io.outboundBytes == 0)
    }

    /// Its last words can be fetched, and nothing after them.
    @Test func theNodeEndsIt() throws {
        let rig = try HubSessionTests.rig()
        let (token, slot) = try Self.begin(rig)
        rig.deliver("a", to: "chat:all")
        rig.turn()
        rig.shard.life.end(slot, .shutdown(comeBackAfter: nil))
        rig.turn()
        #expect(rig.exchange.sessionsByID.isEmpty && rig.exchange.polled.ending.count == 1)
        #expect(HubSessionTests.send(rig, token, Self.ping) == "HTTP/1.1 404")
        #expect(Self.poll(rig, token) == Self.said("a") + #"{"type":7,"allowReconnect":true}"# + "\u{1E}")
        #expect(rig.text(Self.ask(rig, token).client).hasPrefix("HTTP/1.1 204 "))
        #expect(rig.text(Self.ask(rig, token).client).hasPrefix("HTTP/1.1 404 "))
        #expect(rig.exchange.polled.ending.isEmpty && Self.counters(rig).closed == 1)
        // A later connection may have its slot.
        #expect(Self.counters(rig).faults == 0)
    }

    @Test func whatWaitsIsBounded() throws {
        let rig = try HubSessionTests.rig { $0.outboundBytes = 200 }
        let (token, _) = try Self.begin(rig)
        for number in 0..<10 { rig.deliver("\(number)", to: "chat:all"); rig.turn() }
        #expect(Self.counters(rig).slowDisconnects == 1 && rig.shard.io.outboundBytes < 200)
        #expect(Self.poll(rig, token) == #"{"type":7,"allowReconnect":true}"# + "\u{1E}")
        #expect(rig.text(Self.ask(rig, token).client).hasPrefix("HTTP/1.1 204 "))
    }

    @Test func alarmsThatRingTooEarlyDoNothing() throws {
        let rig = try HubSessionTests.rig()
        let (token, slot) = try Self.begin(rig)
        let (waiting, _) = Self.ask(rig, token)
        for _ in 0..<3 { rig.ring(.poll, slot) }
        #expect(rig.text(waiting).isEmpty && rig.shard.extras(slot)?.pollAlarm != nil)
    }

    @Test func aRequestOfNobodyIsAnswered() throws {
        let rig = try HubSessionTests.rig()
        for (target, method, status) in [
            ("/chat", "GET", 400), ("/chat?id=x", "GET", 404), ("/chat", "DELETE", 400), ("/chat?id=x", "DELETE", 404),
            ("/chat?id=\(try Self.negotiate(rig))", "DELETE", 404),
        ] {
            let (client, slot) = rig.connect()
            rig.write(client, "\(method) \(target) HTTP/1.1\r\nHost: a\r\n\r\n")
            rig.turn(slot)
            #expect(rig.text(client).hasPrefix("HTTP/1.1 \(status) "), "\(method) \(target)")
        }
        #expect(Self.counters(rig).opened == 0)
    }

    /// A session with a connection is not asked.
    @Test func otherTransportsAreInUse() throws {
        let rig = try HubSessionTests.rig()
        let (_, _, token) = try HubSessionTests.stream(rig)
        #expect(rig.text(Self.ask(rig, token).client).hasPrefix("HTTP/1.1 409 "))
        #expect(rig.text(Self.ask(rig, token, "DELETE").client).hasPrefix("HTTP/1.1 409 "))
    }

    @Test func theNodeLeavesAndEverybodyIsAnswered() throws {
        let rig = try HubSessionTests.rig()
        let (token, _) = try Self.begin(rig)
        let (waiting, _) = Self.ask(rig, token)
        rig.shard.closeAll()
        rig.turn()
        #expect(rig.text(waiting).hasPrefix("HTTP/1.1 200 "))
        #expect(Self.counters(rig).faults == 0)
    }
}
