import Authentication
import Codec
import Glibc
import Reactor
import Testing

@testable import Node

/// Sessions of a hub whose connection is cut, and whose clients come back.
@Suite struct HubResumeTests {
    private typealias Hub = HubSessionTests

    static let greeting = #"{"protocol":"json","version":2}"# + "\u{1E}"

    static func sequence(_ next: Int) -> String { #"{"type":9,"sequenceId":\#(next)}"# + "\u{1E}" }
    static func acknowledgement(_ number: Int) -> String { #"{"type":8,"sequenceId":\#(number)}"# + "\u{1E}" }
    static func said(_ text: String) -> String { #"{"type":1,"target":"message","arguments":["\#(text)"]}"# + "\u{1E}" }

    static func token(_ rig: ShardRig, _ query: String = "negotiateVersion=1&useStatefulReconnect=true") throws
        -> String
    {
        try #require(Hub.member("connectionToken", of: Hub.post(rig, "/chat/negotiate?\(query)")))
    }

    /// A session whose messages are counted.
    static func begin(_ rig: ShardRig, _ token: String) -> (client: Int32, slot: UInt32) {
        let (client, slot) = rig.open("/chat?id=\(token)")
        rig.say(client, slot, greeting)
        rig.confirm("chat:all")
        #expect(rig.text(client).hasSuffix("{}\u{1E}"))
        #expect(rig.shard.session(slot).pointee.linkage == .counted)
        return (client, slot)
    }

    static func deliver(_ rig: ShardRig, _ texts: String...) {
        for text in texts { rig.deliver(text, to: "chat:all") }
        rig.turn()
    }

    /// The client's side is gone.
    static func cut(_ rig: ShardRig, _ client: Int32, _ slot: UInt32) {
        shutdown(client, Int32(SHUT_RDWR))
        rig.turn(slot)
    }

    /// A new connection with the same id, whose client counts from a number on.
    static func comeBack(_ rig: ShardRig, _ token: String, next: Int, _ more: String = "") -> (
        client: Int32, slot: UInt32
    ) {
        let (client, slot) = rig.open("/chat?id=\(token)")
        _ = rig.text(client)
        rig.say(client, slot, sequence(next) + more)
        return (client, slot)
    }

    @Test func onlyThoseAreOfferedItThatAskForIt() throws {
        let rig = try Hub.rig()
        #expect(
            Hub.post(rig, "/chat/negotiate?negotiateVersion=1&useStatefulReconnect=true").contains(
                #","useStatefulReconnect":true,"#))
        for query in [
            "negotiateVersion=1", "negotiateVersion=1&useStatefulReconnect=false", "useStatefulReconnect=true",
        ] {
            #expect(!Hub.post(rig, "/chat/negotiate?\(query)").contains("useStatefulReconnect"))
        }
        let off = try Hub.rig { $0.resume.time = .zero }
        #expect(
            !Hub.post(off, "/chat/negotiate?negotiateVersion=1&useStatefulReconnect=true").contains(
                "useStatefulReconnect"))
        // A client that negotiated it and then greets in an earlier version does without.
        let (client, slot) = rig.open("/chat?id=\(try Self.token(rig))")
        rig.say(client, slot, Hub.greeting)
        rig.confirm("chat:all")
        #expect(rig.shard.session(slot).pointee.linkage == .plain)
        Self.cut(rig, client, slot)
        #expect(!rig.shard.context.table.isTaken(slot))
    }

    @Test func aSessionGoesOnWhereItWasCut() throws {
        let rig = try Hub.rig()
        let token = try Self.token(rig)
        let (client, slot) = Self.begin(rig, token)
        let id = rig.shard.id(of: slot)
        Self.deliver(rig, "a", "b", "c")
        #expect(Hub.heard(rig, client) == Self.said("a") + Self.said("b") + Self.said("c"))
        rig.say(client, slot, Self.acknowledgement(1))
        rig.say(client, slot, Hub.call("Join", #"["x"]"#))
        rig.confirm("chat:x")
        #expect(Hub.heard(rig, client) == Hub.done())
        Self.deliver(rig, "d")
        Self.cut(rig, client, slot)
        #expect(rig.shard.session(slot).pointee.linkage == .cut && rig.shard.snapshot.cutSessions == 1)
        Self.deliver(rig, "e")
        rig.deliver("f", to: "chat:x")
        rig.turn()
        let (second, other) = Self.comeBack(rig, token, next: 2)
        #expect(!rig.shard.context.table.isTaken(other), "its connection belongs to the session that waited")
        let kept = [Self.said("b"), Self.said("c"), Hub.done(), Self.said("d"), Self.said("e"), Self.said("f")].joined()
        #expect(Hub.heard(rig, second) == Self.sequence(2) + kept + Self.acknowledgement(1))
        #expect(rig.shard.id(of: slot) == id && rig.shard.session(slot).pointee.linkage == .counted)
        Self.deliver(rig, "g")
        rig.say(second, slot, Hub.call("Join", #"["y"]"#, id: "2"))
        rig.confirm("chat:y")
        #expect(Hub.heard(rig, second) == Self.said("g") + Hub.done("2"))
        rig.say(second, slot, Self.acknowledgement(9))
        #expect(rig.shard.snapshot.resumeBytes == 0 && rig.shard.snapshot.cutSessions == 0)
        #expect(rig.shard.context.counters.sessionsResumed == 1 && rig.shard.context.counters.faults == 0)
        #expect(rig.shard.context.counters.opened - rig.shard.context.counters.closed == 1)
    }

    @Test func whatAClientSendsAgainIsCarriedOutOnce() throws {
        let rig = try Hub.rig()
        let token = try Self.token(rig)
        let (client, slot) = Self.begin(rig, token)
        let calls = (1...3).map { Hub.call("Send", #"["x","t",\#($0)]"#, id: nil) }
        rig.say(client, slot, calls[0] + calls[1])
        #expect(rig.backplane.published.count == 2)
        Self.cut(rig, client, slot)
        _ = Self.comeBack(rig, token, next: 1, calls.joined())
        #expect(rig.backplane.published.count == 3 && rig.shard.context.counters.resumeRepeats == 2)
    }

    /// The node need not have noticed that the first connection is gone.
    @Test func aLaterConnectionTakesOver() throws {
        let rig = try Hub.rig()
        let token = try Self.token(rig)
        let (client, slot) = Self.begin(rig, token)
        Self.deliver(rig, "a")
        let (second, _) = Self.comeBack(rig, token, next: 1)
        #expect(Hub.heard(rig, second) == Self.sequence(1) + Self.said("a"))
        _ = rig.read(client)
        var byte: UInt8 = 0
        #expect(read(client, &byte, 1) == 0, "the first connection is closed")
        Self.cut(rig, second, slot)
        let (third, _) = Self.comeBack(rig, token, next: 1)
        #expect(Hub.heard(rig, third) == Self.sequence(1) + Self.said("a"))
    }

    @Test func goodbyesAreFinal() throws {
        let rig = try Hub.rig()
        for goodbye in [ShardRig.frame(#"{"type":7}"# + "\u{1E}"), ShardRig.frame([0x03, 0xE8], opcode: 8)] {
            let (client, slot) = Self.begin(rig, try Self.token(rig))
            rig.write(client, goodbye)
            rig.turn(slot)
            #expect(rig.shard.session(slot).pointee.phase != .open)
            Self.cut(rig, client, slot)
            #expect(!rig.shard.context.table.isTaken(slot))
        }
        // Whatever is between says so when it goes.
        let (client, slot) = Self.begin(rig, try Self.token(rig))
        rig.write(client, ShardRig.frame([0x03, 0xE9], opcode: 8))
        rig.turn(slot)
        #expect(rig.shard.session(slot).pointee.linkage == .cut)
    }

    /// Whether its client is turned away with the request.
    static func isGone(_ rig: ShardRig, _ token: String) -> Bool {
        rig.text(rig.open("/chat?id=\(token)").client).hasPrefix("HTTP/1.1 404 ")
    }

    static let refusal = sequence(1) + #"{"type":7,"allowReconnect":true}"# + "\u{1E}"

    @Test func whatIsNotThereIsRefused() throws {
        let rig = try Hub.rig()
        let token = try Self.token(rig)
        let (client, _) = Self.comeBack(rig, token, next: 1)
        #expect(Hub.heard(rig, client) == Self.refusal)
        #expect(rig.shard.context.counters.resumesRefused == 1)
        #expect(Self.isGone(rig, token) && rig.shard.context.counters.resumesRefused == 2)
        // A client that negotiated no such thing, or nothing.
        for target in ["/chat?id=\(try Self.token(rig, "negotiateVersion=1"))", "/chat"] {
            let (client, slot) = rig.open(target)
            _ = rig.text(client)
            rig.say(client, slot, Self.sequence(1))
            #expect(Hub.heard(rig, client).hasPrefix(#"{"error":"#))
        }
        #expect(rig.shard.context.counters.resumesRefused == 2)
    }

    /// It says that it sends a message next that is not the next one.
    @Test func messagesThatAreMissing() throws {
        let rig = try Hub.rig()
        let token = try Self.token(rig)
        let (client, slot) = Self.begin(rig, token)
        Self.cut(rig, client, slot)
        let (second, _) = Self.comeBack(rig, token, next: 2)
        #expect(Hub.heard(rig, second) == Self.refusal)
        // Nor can a client have what was not sent.
        let (third, other) = Self.begin(rig, try Self.token(rig))
        rig.say(third, other, Self.acknowledgement(1))
        #expect(Hub.heard(rig, third).hasPrefix(#"{"type":7,"error":"#))
        #expect(rig.shard.context.table.isTaken(slot), "who comes back wrongly ends nobody's session")
    }

    @Test func aSessionWaitsForItsTime() throws {
        let rig = try Hub.rig { $0.resume.time = .milliseconds(1) }
        let token = try Self.token(rig)
        let (client, slot) = Self.begin(rig, token)
        Self.cut(rig, client, slot)
        let end = MonotonicTime.now() + .milliseconds(2)
        while MonotonicTime.now() < end {}
        rig.ring(.resume, slot)
        #expect(!rig.shard.context.table.isTaken(slot) && rig.shard.context.counters.resumeTimeouts == 1)
        #expect(Self.isGone(rig, token))
        // An alarm of an earlier cut changes nothing.
        let late = try Hub.rig()
        let other = try Self.token(late)
        let (third, place) = Self.begin(late, other)
        Self.cut(late, third, place)
        late.ring(.resume, place)
        late.ring(.ping, place)
        late.ring(.silence, place)
        late.ring(.silence, place)
        #expect(late.shard.session(place).pointee.linkage == .cut)
    }

    @Test(arguments: [false, true])
    func limitsOfWhatIsKept(_ isCut: Bool) throws {
        let changes: [@Sendable (inout Configuration) -> Void] = [
            { $0.resume.messages = 2 }, { $0.resume.bytes = 140 }, { $0.resume.bytesNode = 140 },
        ]
        for change in changes {
            let rig = try Hub.rig(change)
            let token = try Self.token(rig)
            let (client, slot) = Self.begin(rig, token)
            if isCut { Self.cut(rig, client, slot) }
            Self.deliver(rig, "a", "b")
            #expect(rig.shard.context.counters.resumeLimitHits == 0)
            Self.deliver(rig, "c")
            #expect(rig.shard.context.counters.resumeLimitHits == 1 && rig.shard.snapshot.resumeBytes == 0)
            #expect(rig.shard.context.table.isTaken(slot) == !isCut)
            if !isCut {
                // It goes on, and ends with its connection.
                #expect(Hub.heard(rig, client) == Self.said("a") + Self.said("b") + Self.said("c"))
                rig.say(client, slot, Hub.call("Nothing", "[]"))
                #expect(Hub.heard(rig, client) == Hub.failed("The hub has no such method."))
                Self.cut(rig, client, slot)
                #expect(!rig.shard.context.table.isTaken(slot))
            }
            #expect(Self.isGone(rig, token))
        }
    }

    /// It has the id, the token that opens it, and not the name.
    @Test func anotherUserGetsNothing() throws {
        let rig = try Hub.rig { $0.authKeys = [KeySource(.secret(Hub.key))] }
        let token = try Self.token(rig)
        let ann = try TokenMaker(key: SigningKey(secret: Array(Hub.key.utf8))).make(
            TokenContents(user: "ann", expiresAt: rig.shard.context.gatekeeper.now + 60))
        let (client, slot) = rig.open("/chat?id=\(token)&access_token=\(ann)")
        rig.say(client, slot, Self.greeting)
        rig.confirm("chat:all")
        rig.confirm("$user:ann")
        #expect(rig.shard.session(slot).pointee.linkage == .counted)
        Self.cut(rig, client, slot)
        let (second, _) = Self.comeBack(rig, token, next: 1)
        #expect(Hub.heard(rig, second) == Self.refusal)
        #expect(Self.isGone(rig, token), "it is gone for whoever has tried")
        // And there for whose it is.
        let (third, place) = rig.open("/chat?id=\(token)&access_token=\(ann)")
        _ = rig.text(third)
        rig.say(third, place, Self.sequence(1))
        #expect(Hub.heard(rig, third) == Self.sequence(1))
        #expect(rig.shard.session(slot).pointee.linkage == .counted)
    }

    /// Neither side counts them, so they do not come again.
    @Test func pingsAreNotCounted() throws {
        let rig = try Hub.rig()
        let token = try Self.token(rig)
        let (client, slot) = Self.begin(rig, token)
        rig.say(client, slot, #"{"type":6}"# + "\u{1E}")
        rig.ring(.ping, slot)
        Self.deliver(rig, "a")
        rig.ring(.ping, slot)
        let ping = #"{"type":6}"# + "\u{1E}"
        #expect(Hub.heard(rig, client) == ping + Self.said("a") + ping)
        Self.cut(rig, client, slot)
        let (second, _) = Self.comeBack(rig, token, next: 1)
        #expect(Hub.heard(rig, second) == Self.sequence(1) + Self.said("a"))
        rig.say(second, slot, Hub.call("Nothing", "[]"))
        _ = Hub.heard(rig, second)
        rig.ring(.acknowledge, slot)
        #expect(Hub.heard(rig, second) == Self.acknowledgement(1))
    }

    /// A channel's rule may lose publications of those who do not keep up; a client that counts would miscount.
    @Test func nothingIsDroppedThatIsCounted() throws {
        let rig = try Hub.rig {
            $0.channels = [ChannelRule(match: ChannelPattern("chat:*"), publish: .client, slow: .latest)]
        }
        let token = try Self.token(rig)
        let (client, slot) = Self.begin(rig, token)
        Self.cut(rig, client, slot)
        Self.deliver(rig, "a", "b")
        Self.deliver(rig, "c")
        let (second, _) = Self.comeBack(rig, token, next: 1)
        #expect(Hub.heard(rig, second) == Self.sequence(1) + Self.said("a") + Self.said("b") + Self.said("c"))
    }

    @Test func aSilentConnectionIsCut() throws {
        let rig = try Hub.rig()
        let (_, slot) = Self.begin(rig, try Self.token(rig))
        rig.ring(.silence, slot)
        #expect(rig.shard.session(slot).pointee.linkage == .counted, "it was heard before")
        rig.ring(.silence, slot)
        #expect(rig.shard.session(slot).pointee.linkage == .cut)
    }

    @Test func nobodyWaitsAtANodeThatLeaves() throws {
        let rig = try Hub.rig()
        let token = try Self.token(rig)
        let (client, slot) = Self.begin(rig, token)
        Self.cut(rig, client, slot)
        rig.shard.closeAll()
        #expect(!rig.shard.context.table.isTaken(slot))
        #expect(rig.shard.snapshot.cutSessions == 0)
    }
}
