import Authentication
import Backplane
import Codec
import Testing

@testable import Node

/// Sessions of a hub, from the negotiation to the goodbye.
@Suite struct HubSessionTests {
    static let key = "0123456789abcdef0123456789abcdef"
    static let greeting = #"{"protocol":"json","version":1}"# + "\u{1E}"

    static func hubs(_ configuration: inout Configuration) {
        var hub = HubRule(path: "/chat")
        hub.prefix = Array("chat:".utf8)
        hub.everyone = ShardRig.name("chat:all")
        hub.keys = [Array(key.utf8)]
        hub.messageBytes = 256
        hub.methods = [
            .init("Join".utf8, .join), .init("Leave".utf8, .leave), .init("Send".utf8, .sendToGroup),
            .init("Tell".utf8, .sendToUser), .init("Shout".utf8, .sendToAll),
        ]
        configuration.hubs = [hub]
        configuration.channels = [
            ChannelRule(match: ChannelPattern("chat:private*"), subscribe: .nobody),
            ChannelRule(match: ChannelPattern("chat:*"), publish: .client),
        ]
    }

    static func rig(_ change: @escaping (inout Configuration) -> Void = { _ in }) throws -> ShardRig {
        try ShardRig {
            hubs(&$0)
            change(&$0)
        }
    }

    /// A session that has greeted, and whose channel for everyone is confirmed.
    static func greet(_ rig: ShardRig, _ target: String = "/chat") -> (client: Int32, slot: UInt32) {
        let (client, slot) = rig.open(target)
        rig.say(client, slot, greeting)
        rig.confirm("chat:all")
        #expect(rig.text(client).hasSuffix("{}\u{1E}"))
        return (client, slot)
    }

    static func call(_ method: String, _ arguments: String, id: String? = "1") -> String {
        #"{"type":1,"target":"\#(method)","arguments":\#(arguments)"#
            + (id.map { #","invocationId":"\#($0)""# } ?? "") + "}\u{1E}"
    }

    static func done(_ id: String = "1") -> String { #"{"type":3,"invocationId":"\#(id)","result":null}"# + "\u{1E}" }
    static func failed(_ error: String, _ id: String = "1") -> String {
        #"{"type":3,"invocationId":"\#(id)","error":"\#(error)"}"# + "\u{1E}"
    }

    /// The text of the messages that came, without the heads of their frames.
    static func heard(_ rig: ShardRig, _ client: Int32) -> String {
        var bytes = rig.read(client)[...]
        var text: [UInt8] = []
        while bytes.count >= 2 {
            let short = Int(bytes[bytes.startIndex + 1])
            let head = short == 126 ? 4 : 2
            let length = short == 126 ? Int(bytes[bytes.startIndex + 2]) << 8 | Int(bytes[bytes.startIndex + 3]) : short
            // Close frames are for other tests.
            if bytes.first == 0x81 { text += bytes.dropFirst(head).prefix(length) }
            bytes = bytes.dropFirst(head + length)
        }
        return String(decoding: text, as: UTF8.self)
    }

    static func post(_ rig: ShardRig, _ target: String, _ headers: String = "") -> String {
        let (client, slot) = rig.connect()
        rig.write(client, "POST \(target) HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\(headers)\r\n")
        rig.turn(slot)
        return rig.text(client)
    }

    static func member(_ name: String, of answer: String) -> String? {
        guard let start = answer.firstRange(of: "\"\(name)\":\"")?.upperBound else { return nil }
        return answer[start...].firstIndex(of: "\"").map { String(answer[start..<$0]) }
    }

    // MARK: Negotiation

    @Test func aNegotiatedConnectionHasItsID() throws {
        let rig = try Self.rig()
        let answer = Self.post(rig, "/chat/negotiate?negotiateVersion=1")
        #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\n") && answer.contains("Content-Type: application/json"))
        let id = try #require(Self.member("connectionId", of: answer))
        let token = try #require(Self.member("connectionToken", of: answer))
        #expect(id.utf8.count == 32 && !token.contains(id))
        let (_, slot) = rig.open("/chat?id=\(token)")
        #expect(rig.shard.id(of: slot).description.hasSuffix("-" + id))
        #expect(rig.shard.context.counters.negotiations == 1)
        // In the first version there is one name for both.
        let old = Self.post(rig, "/chat/negotiate")
        #expect(Self.member("connectionToken", of: old) == nil)
        let (_, other) = rig.open("/chat?id=\(try #require(Self.member("connectionId", of: old)))")
        #expect(rig.shard.session(other).pointee.phase == .open)
    }

    /// Clients negotiate again when they are told 404.
    @Test(arguments: ["x", "", "AAAA"])
    func anUnknownIDOpensNothing(_ id: String) throws {
        let rig = try Self.rig()
        let (client, _) = rig.open("/chat?id=\(id)")
        #expect(rig.text(client).hasPrefix("HTTP/1.1 404 "))
        #expect(rig.shard.context.counters.connectionTokensRefused == 1)
    }

    @Test func aTokenOfAnotherHubOpensNothing() throws {
        let rig = try Self.rig {
            var other = HubRule(path: "/other")
            other.keys = $0.hubs[0].keys
            $0.hubs.append(other)
        }
        let token = try #require(
            Self.member("connectionToken", of: Self.post(rig, "/other/negotiate?negotiateVersion=1")))
        let (client, _) = rig.open("/chat?id=\(token)")
        #expect(rig.text(client).contains("\"unknown_connection\""))
    }

    @Test func requestsThatAreNoNegotiation() throws {
        let rig = try Self.rig()
        #expect(Self.post(rig, "/chat/negotiate?negotiateVersion=x").hasPrefix("HTTP/1.1 400 "))
        let (client, slot) = rig.connect()
        rig.write(client, "GET /chat/negotiate HTTP/1.1\r\nHost: a\r\n\r\n")
        rig.turn(slot)
        let answer = rig.text(client)
        #expect(answer.hasPrefix("HTTP/1.1 405 ") && answer.contains("Allow: POST, OPTIONS"))
        #expect(Self.post(rig, "/chats/negotiate").contains("serves /raw, /publish"))
        #expect(Self.post(rig, "/x").contains("/chat"))
    }

    // MARK: Who a client is

    private static func requiringTokens(_ configuration: inout Configuration) {
        configuration.authKeys = [KeySource(.secret(key))]
        configuration.authRequired = true
    }

    @Test func theRequestSaysWhoItIs() throws {
        let rig = try Self.rig(Self.requiringTokens)
        let claims = TokenContents(user: "ann", expiresAt: rig.shard.context.gatekeeper.now + 60)
        let token = try TokenMaker(key: SigningKey(secret: Array(Self.key.utf8))).make(claims)
        #expect(Self.post(rig, "/chat/negotiate").hasPrefix("HTTP/1.1 401 "))
        #expect(Self.post(rig, "/chat/negotiate", "Authorization: Bearer x\r\n").hasPrefix("HTTP/1.1 401 "))
        #expect(Self.post(rig, "/chat/negotiate", "Authorization: Bearer \(token)\r\n").hasPrefix("HTTP/1.1 200 "))
        #expect(Self.post(rig, "/chat/negotiate?access_token=\(token)").hasPrefix("HTTP/1.1 200 "))
        let refused = rig.open("/chat")
        #expect(rig.text(refused.client).hasPrefix("HTTP/1.1 401 "))
        let (client, slot) = rig.open("/chat?access_token=\(token)")
        rig.say(client, slot, Self.greeting)
        for channel in ["chat:all", "$user:ann"] { rig.confirm(channel) }
        #expect(rig.text(client).hasSuffix("{}\u{1E}"))
        rig.deliver("{}", to: "$user:ann", extras: .init(event: Array("mail".utf8)))
        rig.turn()
        #expect(Self.heard(rig, client) == #"{"type":1,"target":"mail","arguments":[{}]}"# + "\u{1E}")
    }

    // MARK: Greetings

    @Test func nothingIsToldBeforeTheGreeting() throws {
        let rig = try Self.rig()
        let (client, slot) = rig.open("/chat")
        #expect(rig.text(client).hasPrefix("HTTP/1.1 101 "))
        rig.deliver("1", to: "$all")
        rig.turn()
        #expect(rig.read(client).isEmpty)
        rig.say(client, slot, Self.greeting)
        #expect(rig.read(client).isEmpty, "answered before its channel is confirmed")
        rig.confirm("chat:all")
        #expect(Self.heard(rig, client) == "{}\u{1E}")
        rig.deliver("1", to: "$all")
        rig.deliver("2", to: "chat:all")
        rig.turn()
        let heard = Self.heard(rig, client)
        #expect(heard.contains(#""arguments":[1]}"#) && heard.contains(#""arguments":[2]}"#))
    }

    @Test func aClientThatDoesNotGreetHasToGo() throws {
        let rig = try Self.rig()
        let (client, slot) = rig.open("/chat")
        _ = rig.read(client)
        rig.ring(.connect, slot)
        #expect(Self.heard(rig, client).hasPrefix(#"{"error":"the client did not log in in time"#))
        let other = rig.open("/chat")
        _ = rig.read(other.client)
        rig.say(other.client, other.slot, #"{"protocol":"xml","version":1}"# + "\u{1E}")
        #expect(Self.heard(rig, other.client) == #"{"error":"this encoding is not spoken here"}"# + "\u{1E}")
    }

    @Test func aClientMaySpeakMessagePack() throws {
        let rig = try Self.rig()
        let (client, slot) = rig.open("/chat")
        _ = rig.read(client)
        rig.write(
            client, ShardRig.frame(Array((#"{"protocol":"messagepack","version":1}"# + "\u{1E}").utf8), opcode: 2))
        rig.turn(slot)
        rig.confirm("chat:all")
        #expect(rig.read(client) == [0x82, 3, 0x7B, 0x7D, 0x1E])
        // Join, with the id 7; the channel is confirmed before the call is.
        let join: [UInt8] = [0x95, 1, 0x80, 0xA1, 55, 0xA4] + Array("Join".utf8) + [0x91, 0xA1, 97]
        rig.write(client, ShardRig.frame([UInt8(join.count)] + join, opcode: 2))
        rig.turn(slot)
        #expect(rig.read(client).isEmpty)
        rig.confirm("chat:a")
        #expect(rig.read(client) == [0x82, 7, 6, 0x94, 3, 0x80, 0xA1, 55, 2])
        rig.deliver("[true]", to: "chat:a", extras: .init(event: [120]))
        rig.turn()
        #expect(rig.read(client) == [0x82, 10, 9, 0x96, 1, 0x80, 0xC0, 0xA1, 120, 0x91, 0xC3, 0x90])
    }

    // MARK: Calls

    @Test func joiningAndLeaving() throws {
        let rig = try Self.rig()
        let (client, slot) = Self.greet(rig)
        rig.say(client, slot, Self.call("join", #"["a"]"#, id: "x-1"))
        #expect(rig.read(client).isEmpty)
        rig.confirm("chat:a")
        #expect(Self.heard(rig, client) == Self.done("x-1"))
        rig.say(client, slot, Self.call("Join", #"["a"]"#))
        #expect(Self.heard(rig, client) == Self.done())
        rig.deliver("1", to: "chat:a")
        rig.turn()
        #expect(Self.heard(rig, client) == #"{"type":1,"target":"message","arguments":[1]}"# + "\u{1E}")
        rig.say(client, slot, Self.call("Leave", #"["a"]"#))
        #expect(Self.heard(rig, client) == Self.done())
        rig.deliver("1", to: "chat:a")
        rig.turn()
        #expect(rig.read(client).isEmpty)
        // Without an id nobody is told, and it is done all the same.
        rig.say(client, slot, Self.call("Join", #"["b"]"#, id: nil))
        rig.confirm("chat:b")
        #expect(rig.read(client).isEmpty)
        rig.deliver("2", to: "chat:b")
        rig.turn()
        #expect(Self.heard(rig, client).contains("[2]"))
    }

    @Test func sending() throws {
        let rig = try Self.rig()
        let (client, slot) = Self.greet(rig)
        rig.say(client, slot, Self.call("Send", #"["a","said","ann",1]"#, id: "first"))
        rig.say(client, slot, Self.call("Shout", #"["said",{}]"#, id: "second"))
        rig.say(client, slot, Self.call("Tell", #"["bob","said",2]"#, id: nil))
        let published = rig.backplane.published
        #expect(published.map(\.publication.channel.description) == ["chat:a", "chat:all", "$user:bob"])
        #expect(
            published.map { String(decoding: $0.publication.payload, as: UTF8.self) } == [#"["ann",1]"#, "{}", "2"])
        #expect(published.allSatisfy { $0.publication.extras?.event == Array("said".utf8) })
        #expect(published.allSatisfy { $0.publication.extras?.publisher == nil })
        // Answers come when it is decided, in whatever order.
        rig.exchange.published(published[1].ticket, .accepted(nil))
        rig.exchange.published(published[2].ticket, .refused(.isolated))
        rig.exchange.published(published[0].ticket, .refused(.isolated))
        rig.turn()
        #expect(
            Self.heard(rig, client) == Self.done("second")
                + Self.failed("It could not be done now, try again.", "first"))
        #expect(rig.shard.session(slot).pointee.unanswered == 0)
        // The answer that nobody waits for any more reaches nobody.
        rig.exchange.published(published[0].ticket, .accepted(nil))
        rig.turn()
        #expect(rig.read(client).isEmpty)
    }

    @Test func refusals() throws {
        let rig = try Self.rig { $0.channelsPerSession = 2 }
        let (client, slot) = Self.greet(rig)
        for (call, error) in [
            (Self.call("Nothing", "[]"), "The hub has no such method."),
            (Self.call("Join", "[5]"), "The arguments do not fit the method."),
            (Self.call("Join", #"["private"]"#), "This is not permitted."),
            (Self.call("Leave", #"["all"]"#), "This is not permitted."),
            (Self.call("Send", #"["private","x"]"#), "This is not permitted."),
            (
                #"{"type":4,"target":"Join","arguments":["a"],"invocationId":"1"}"# + "\u{1E}",
                "This is not available here."
            ),
        ] {
            rig.say(client, slot, call)
            #expect(Self.heard(rig, client) == Self.failed(error))
        }
        rig.say(client, slot, Self.call("Join", #"["a"]"#))
        rig.confirm("chat:a")
        #expect(Self.heard(rig, client) == Self.done())
        rig.say(client, slot, Self.call("Join", #"["b"]"#))
        #expect(
            Self.heard(rig, client) == Self.failed("The caller is in too many groups (limits.channels_per_session)."))
        // Whoever wants no answer gets none, and stays.
        for call in [Self.call("Nothing", "[]", id: nil), Self.call("Send", #"["private","x"]"#, id: nil)] {
            rig.say(client, slot, call)
            #expect(rig.read(client).isEmpty)
        }
        #expect(rig.shard.session(slot).pointee.phase == .open && rig.backplane.published.isEmpty)
        let refusals = rig.shard.snapshot.refusals
        #expect(refusals["call_unknown_method"] == 2 && refusals["call_not_permitted"] == 4)
        #expect(refusals["call_over_limit"] == 1)
    }

    @Test func callsThatAreTooLargeEndTheSession() throws {
        let rig = try Self.rig()
        let (client, slot) = Self.greet(rig)
        rig.say(client, slot, Self.call("Shout", #"["a","\#(String(repeating: "x", count: 300))"]"#))
        #expect(Self.heard(rig, client) == #"{"type":7,"error":"the command is larger than the limit"}"# + "\u{1E}")
        #expect(rig.shard.context.counters.oversizedMessages == 1)
    }

    @Test func publishingTooFast() throws {
        let rig = try Self.rig {
            $0.publishRate = 1
            $0.publishBurst = 1
        }
        let (client, slot) = Self.greet(rig)
        rig.say(client, slot, Self.call("Shout", #"["a"]"#, id: nil) + Self.call("Shout", #"["b"]"#, id: "2"))
        #expect(Self.heard(rig, client) == Self.failed("Too many calls, try again later.", "2"))
        #expect(rig.backplane.published.count == 1)
        // What nobody is told about is not lost: the client is read from more slowly.
        rig.say(client, slot, Self.call("Shout", #"["c"]"#, id: nil))
        #expect(rig.backplane.published.count == 2)
        #expect(rig.shard.session(slot).pointee.flags.contains(.indebted))
    }

    // MARK: Liveness and goodbyes

    @Test func bothSidesPing() throws {
        let rig = try Self.rig()
        let (client, slot) = Self.greet(rig)
        rig.ring(.ping, slot)
        #expect(Self.heard(rig, client) == #"{"type":6}"# + "\u{1E}")
        // It has spoken since it came.
        rig.ring(.silence, slot)
        #expect(rig.read(client).isEmpty)
        rig.say(client, slot, #"{"type":6}"# + "\u{1E}")
        rig.ring(.silence, slot)
        #expect(rig.read(client).isEmpty)
        rig.ring(.silence, slot)
        #expect(Self.heard(rig, client) == #"{"type":7,"allowReconnect":true}"# + "\u{1E}")
        #expect(rig.shard.context.counters.missedPongs == 1)
    }

    @Test func aClientThatSaysGoodbyeDidNothingWrong() throws {
        let rig = try Self.rig()
        let (client, slot) = Self.greet(rig)
        rig.say(client, slot, #"{"type":7}"# + "\u{1E}")
        #expect(rig.read(client) == [0x88, 2, 3, 0xE8])
        #expect(rig.shard.context.counters.protocolErrors == 0)
    }

    @Test func aDrainedClientIsWelcomeElsewhere() throws {
        let rig = try Self.rig()
        let (client, _) = Self.greet(rig)
        rig.shard.closeAll()
        rig.turn()
        #expect(Self.heard(rig, client).contains(#""allowReconnect":true}"#))
    }

    // MARK: Event streams

    /// A session over an event stream that has not greeted, and the token it is found by.
    static func stream(_ rig: ShardRig) throws -> (client: Int32, slot: UInt32, token: String) {
        let token = try #require(member("connectionToken", of: post(rig, "/chat/negotiate?negotiateVersion=1")))
        let (client, slot) = rig.connect()
        rig.write(client, "GET /chat?id=\(token) HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n")
        rig.turn(slot)
        #expect(rig.text(client).hasPrefix("HTTP/1.1 200 "))
        return (client, slot, token)
    }

    static func send(_ rig: ShardRig, _ token: String, _ body: String) -> String {
        let (client, slot) = rig.connect()
        rig.write(
            client, "POST /chat?id=\(token) HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
        rig.turn(slot)
        return String(rig.text(client).prefix(12))
    }

    @Test func messagesComeInRequests() throws {
        let rig = try Self.rig()
        let (client, slot, token) = try Self.stream(rig)
        #expect(Self.send(rig, token, Self.greeting) == "HTTP/1.1 200")
        rig.confirm("chat:all")
        #expect(rig.text(client) == "data: {}\u{1E}\n\n")
        #expect(
            Self.send(rig, token, Self.call("Join", #"["a"]"#) + Self.call("Nothing", "[]", id: "2")) == "HTTP/1.1 200")
        rig.confirm("chat:a")
        let heard = rig.text(client)
        #expect(
            heard.contains("data: " + Self.done() + "\n\n")
                && heard.contains("data: " + Self.failed("The hub has no such method.", "2")))
        rig.deliver("{\n}", to: "chat:a")
        rig.turn()
        #expect(rig.text(client) == "data: " + #"{"type":1,"target":"message","arguments":[{}]}"# + "\u{1E}\n\n")
        // It is gone, and nothing finds it any more.
        rig.shard.life.drop(slot)
        rig.turn()
        #expect(Self.send(rig, token, #"{"type":6}"# + "\u{1E}") == "HTTP/1.1 404")
        #expect(rig.exchange.sessionsByID.isEmpty)
    }

    /// Whoever knows the id of a session, as others do, opens nothing with it.
    @Test func onlyTheTokenOpensASessionToMessages() throws {
        let rig = try Self.rig()
        let (_, slot, token) = try Self.stream(rig)
        let id = rig.shard.id(of: slot).description
        for wrong in [String(id.suffix(32)), id, "x", ""] {
            #expect(Self.send(rig, wrong, Self.greeting) == "HTTP/1.1 404")
        }
        let parts = id.split(separator: "-")
        let body = #"{"node":"\#(parts[0])","session":"\#(parts[1])-\#(parts[2])","data":"x"}"#
        let (client, other) = rig.connect()
        rig.write(client, "POST /emulation HTTP/1.1\r\nHost: a\r\nContent-Length: \(body.utf8.count)\r\n\r\n\(body)")
        rig.turn(other)
        #expect(rig.text(client).hasPrefix("HTTP/1.1 404 "))
        #expect(Self.send(rig, token, "") == "HTTP/1.1 400")
        // A WebSocket of the same id takes none.
        let webSocket = try #require(
            Self.member("connectionToken", of: Self.post(rig, "/chat/negotiate?negotiateVersion=1")))
        _ = rig.open("/chat?id=\(webSocket)")
        #expect(Self.send(rig, webSocket, Self.greeting) == "HTTP/1.1 404")
    }

    @Test func aStreamNeedsAToken() throws {
        let rig = try Self.rig()
        let (client, slot) = rig.connect()
        rig.write(client, "GET /chat HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n")
        rig.turn(slot)
        #expect(rig.text(client).hasPrefix("HTTP/1.1 400 "))
    }

    // MARK: Reloads

    @Test func aReloadChangesWhatMayBeCalled() throws {
        let rig = try Self.rig()
        let (client, slot) = Self.greet(rig)
        try rig.reload { $0.hubs[0].methods = [.init("Enter".utf8, .join)] }
        rig.say(client, slot, Self.call("Join", #"["a"]"#))
        #expect(Self.heard(rig, client) == Self.failed("The hub has no such method."))
        rig.say(client, slot, Self.call("Enter", #"["a"]"#))
        rig.confirm("chat:a")
        #expect(Self.heard(rig, client) == Self.done())
        try rig.reload { $0.hubs = [] }
        rig.say(client, slot, Self.call("Enter", #"["b"]"#))
        #expect(Self.heard(rig, client) == Self.failed("This is not available here."))
        rig.deliver("1", to: "chat:a")
        rig.turn()
        #expect(Self.heard(rig, client).contains("[1]"))
        #expect(rig.text(rig.open("/chat").client).hasPrefix("HTTP/1.1 404 "))
    }

    /// A key that was replaced is good as long as it is listed.
    @Test func keysAreReplacedInTwoSteps() throws {
        let rig = try Self.rig()
        let token = try #require(
            Self.member("connectionToken", of: Self.post(rig, "/chat/negotiate?negotiateVersion=1")))
        let next = Array("fedcba9876543210fedcba9876543210".utf8)
        try rig.reload { $0.hubs[0].keys.insert(next, at: 0) }
        #expect(rig.text(rig.open("/chat?id=\(token)").client).hasPrefix("HTTP/1.1 101 "))
        try rig.reload { $0.hubs[0].keys.removeLast() }
        #expect(rig.text(rig.open("/chat?id=\(token)").client).hasPrefix("HTTP/1.1 404 "))
    }
}
