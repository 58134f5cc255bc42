import Backplane
import Codec
import Testing

@testable import Node

@Suite struct AdmittanceTests {
    /// A request that comes byte by byte is the same request; what was kept of it is gone when the session is open.
    @Test func aRequestMayComeInPieces() throws {
        let rig = try ShardRig()
        let (client, slot) = rig.connect()
        for byte in ShardRig.handshake("/raw?channel=a").utf8.dropLast() {
            rig.write(client, [byte])
            rig.turn(slot)
        }
        #expect(rig.shard.extras(slot)?.early.isEmpty == false)
        #expect(rig.shard.session(slot).pointee.phase == .head)
        rig.write(client, "\n")
        rig.turn(slot)
        rig.confirm("a")
        #expect(rig.text(client).hasPrefix("HTTP/1.1 101 "))
        #expect(rig.shard.session(slot).pointee.phase == .open && rig.shard.extras(slot) == nil)
    }

    /// Frames that come with the request are carried out once the session is open.
    @Test func framesMayComeEarly() throws {
        let rig = try ShardRig { $0.channels = [ChannelRule(match: ChannelPattern("*"), publish: .client)] }
        let (client, slot) = rig.connect()
        rig.write(client, Array(ShardRig.handshake("/raw?channel=a").utf8) + ShardRig.frame("early"))
        rig.turn(slot)
        #expect(rig.backplane.published.isEmpty)
        rig.confirm("a")
        #expect(rig.backplane.published.map(\.publication.payload) == [Array("early".utf8)])
        #expect(rig.shard.extras(slot) == nil)
    }

    @Test(arguments: [
        (ShardRig.handshake("/nowhere"), "404", "/raw, /publish, /sse, /connection/websocket, "),
        ("POST /sse?channel=a HTTP/1.1\r\nHost: a\r\n\r\n", "405", "/sse is requested with GET"),
        (ShardRig.handshake("/raw"), "400", "no channel is named"),
        (ShardRig.handshake("/raw?channel=a%20b"), "400", "in the query parameter 'channel'"),
        (ShardRig.handshake("/raw?channel=a").replacing("13", with: "12"), "426", ""),
        ("nonsense\r\n\r\n", "400", ""),
    ])
    func refusalsSayWhy(_ request: String, _ status: String, _ reason: String) throws {
        let rig = try ShardRig()
        let (client, slot) = rig.connect()
        rig.write(client, request)
        rig.turn(slot)
        let answer = rig.text(client)
        #expect(answer.hasPrefix("HTTP/1.1 \(status) ") && (reason.isEmpty || answer.contains(reason)))
        #expect(rig.shard.session(slot).pointee.phase == .closing)
        #expect(rig.shard.context.counters.refusedHandshakes == 1)
    }

    @Test func healthSaysWhetherClientsAreWelcome() throws {
        let rig = try ShardRig()
        func health() -> String {
            let (client, slot) = rig.connect()
            rig.write(client, "GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
            rig.turn(slot)
            return rig.text(client)
        }
        #expect(health().hasSuffix("ready\n"))
        rig.shard.beginDraining()
        #expect(health().contains(" 503 ") && health().hasSuffix("draining\n"))
        rig.shard.stay()
        rig.exchange.linkChanged(.none, isReady: false)
        rig.turn()
        #expect(health().hasSuffix("isolated\n"))
    }

    /// While the node is isolated sessions open unconfirmed; the confirmation that comes later adds nothing.
    @Test func anIsolatedNodeStillOpensSessions() throws {
        let rig = try ShardRig()
        rig.exchange.linkChanged(.none, isReady: false)
        rig.turn()
        let (client, slot) = rig.open("/raw?channel=a")
        #expect(rig.shard.session(slot).pointee.phase == .open && rig.text(client).hasPrefix("HTTP/1.1 101 "))
        rig.confirm("a")
        rig.deliver("x", to: "a")
        rig.turn()
        #expect(rig.read(client) == [0x81, 1, 120])
    }

    /// Where a token is required, a client without one is told so in its reply, and may log in once.
    @Test func aLoginIsJudgedOnce() throws {
        let rig = try ShardRig()
        let (client, slot) = rig.open("/connection/websocket")
        _ = rig.read(client)
        #expect(!rig.shard.session(slot).pointee.machine.isLoggedIn)
        rig.say(client, slot, #"{"id":1,"connect":{}}"#)
        #expect(rig.text(client).contains(#"{"id":1,"connect":{"client":""#))
        #expect(rig.shard.session(slot).pointee.machine.isLoggedIn)
        rig.say(client, slot, #"{"id":2,"connect":{}}"#)
        #expect(Array(rig.read(client).prefix(4).dropFirst(2)) == [0x0D, 0xAD])
    }

    /// A connect with a token where there are no keys to check it with.
    @Test func aTokenThatCannotBeCheckedIsRefused() throws {
        let rig = try ShardRig()
        let (client, slot) = rig.open("/connection/websocket")
        _ = rig.read(client)
        rig.say(client, slot, #"{"id":1,"connect":{"token":"x"}}"#)
        #expect(Array(rig.read(client).prefix(4).dropFirst(2)) == [0x0D, 0xAC])
        #expect(rig.shard.context.counters.unauthorized == 1)
    }
}
