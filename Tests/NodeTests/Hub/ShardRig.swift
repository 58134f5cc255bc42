import Backplane
import Codec
import Glibc
import Logging
import Reactor

@testable import Node

/// A shard without its thread: connections are socket pairs, the test makes the turns, and it is the other nodes too.
final class ShardRig {
    let shard: Shard
    let reactor: Reactor
    let node = NodeID(7)
    let backplane: ScriptedBackplane
    let exchange: Exchange
    let events = EventCollector()
    private var sockets: [Int32] = []
    private var configuration = Configuration()

    init(_ change: (inout Configuration) -> Void = { _ in }) throws {
        var configuration = Configuration()
        change(&configuration)
        self.configuration = configuration
        reactor = try Reactor(index: 0, name: "test")
        backplane = ScriptedBackplane(home: reactor)
        exchange = Exchange(
            home: reactor, backplane: backplane, rules: ChannelRules(configuration.channels),
            messageBytes: configuration.messageBytes, events: events)
        shard = Shard(
            reactor: reactor, index: 0, node: node,
            settings: ShardSettings(configuration, reactors: 1, version: "test"), exchange: exchange,
            admission: Admission(limits: .init(sessions: 100)),
            gatekeeper: try Gatekeeper(configuration, log: Logger(label: "test")), tls: nil, events: events)
        exchange.attach([shard])
        shard.start()
        exchange.linkChanged(.all, isReady: true)
        turn()
    }

    deinit { for socket in sockets { close(socket) } }

    static func name(_ text: String) -> ChannelName { ChannelName(trusted: Array(text.utf8)) }

    // MARK: Clients

    /// A connection that has said nothing.
    ///
    /// - Returns: The client's end of the connection, and the session's slot.
    func connect() -> (client: Int32, slot: UInt32) {
        var pair: [Int32] = [0, 0]
        precondition(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0, &pair) == 0)
        sockets.append(pair[1])
        shard.accepted(pair[0], from: .unix(""), isSecure: false)
        let slot = (0..<UInt32(shard.context.table.used)).first { slot in
            shard.context.table.isTaken(slot) && shard.session(slot).pointee.stream.descriptor == pair[0]
        }!
        return (pair[1], slot)
    }

    static func handshake(_ target: String) -> String {
        "GET \(target) HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            + "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    }

    /// A WebSocket whose request was sent; what it waits for is up to the test.
    func open(_ target: String) -> (client: Int32, slot: UInt32) {
        let (client, slot) = connect()
        write(client, Self.handshake(target))
        turn(slot)
        return (client, slot)
    }

    /// A session of the raw dialect that is subscribed to a channel.
    func subscribe(_ channel: String) -> (client: Int32, slot: UInt32) {
        let (client, slot) = open("/raw?channel=\(channel)")
        confirm(channel)
        _ = read(client)
        return (client, slot)
    }

    /// A session of the centrifuge dialect that has logged in.
    func logIn() -> (client: Int32, slot: UInt32) {
        let (client, slot) = open("/connection/websocket")
        say(client, slot, #"{"id":1,"connect":{}}"#)
        _ = read(client)
        return (client, slot)
    }

    func write(_ client: Int32, _ text: String) { write(client, Array(text.utf8)) }

    func write(_ client: Int32, _ bytes: [UInt8]) { precondition(send(client, bytes, bytes.count, 0) == bytes.count) }

    /// A text frame, or a binary one, masked with zeros.
    static func frame(_ text: String) -> [UInt8] { frame(Array(text.utf8), opcode: 1) }

    static func frame(_ bytes: [UInt8], opcode: UInt8) -> [UInt8] {
        let length =
            bytes.count < 126 ? [UInt8(bytes.count)] : [126, UInt8(bytes.count >> 8), UInt8(bytes.count & 0xFF)]
        return [0x80 | opcode, 0x80 | length[0]] + length.dropFirst() + [0, 0, 0, 0] + bytes
    }

    /// Sends a text and makes the turns that it takes.
    func say(_ client: Int32, _ slot: UInt32, _ text: String) {
        write(client, Self.frame(text))
        turn(slot)
    }

    /// Everything that came, frames and all.
    func read(_ client: Int32) -> [UInt8] {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = Glibc.read(client, &buffer, buffer.count)
            if count <= 0 { return all }
            all += buffer[..<count]
        }
    }

    /// The same as text, for what is no frame or where frames do not matter.
    func text(_ client: Int32) -> String { String(decoding: read(client), as: UTF8.self) }

    // MARK: Reloads

    /// The shard and the exchange get other settings, and everything that is open is reviewed.
    @discardableResult
    func reload(_ change: (inout Configuration) -> Void) throws -> RuleReview.Outcome? {
        change(&configuration)
        let taken = Flag()
        exchange.use(ExchangeSettings(configuration)) { taken.isSet = true }
        while exchange.turn() {}
        precondition(taken.isSet)
        var outcome: RuleReview.Outcome?
        shard.use(
            ShardSettings(configuration, reactors: 1, version: "test"),
            try Gatekeeper(configuration, log: Logger(label: "test"))
        ) { outcome = $0 }
        turn()
        return outcome
    }

    private final class Flag: @unchecked Sendable { var isSet = false }

    // MARK: Turns

    func turn() { while shard.turn() {} }

    /// The session's socket is ready, and the turns that follow.
    func turn(_ slot: UInt32) {
        ready(slot)
        turn()
    }

    func ready(_ slot: UInt32) {
        shard.ready(slot: slot, generation: shard.session(slot).pointee.generation, readiness: .readable)
    }

    func ring(_ alarm: SessionAlarm, _ slot: UInt32) {
        shard.timerFired(slot: slot, generation: shard.session(slot).pointee.generation, tag: alarm.rawValue)
        turn()
    }

    // MARK: The other nodes

    /// The backplane holds a channel.
    func confirm(_ channel: String) {
        exchange.interestConfirmed(Self.name(channel))
        turn()
    }

    func publication(_ text: String, _ channel: String, extras: Publication.Extras? = nil) -> Publication {
        Publication(
            channel: Self.name(channel), kind: .text, payload: Array(text.utf8), origin: node, extras: extras)
    }

    /// A publication comes, and no turn is made.
    func deliver(_ text: String, to channel: String, extras: Publication.Extras? = nil) {
        shard.received(.delivered(publication(text, channel, extras: extras)))
    }
}
