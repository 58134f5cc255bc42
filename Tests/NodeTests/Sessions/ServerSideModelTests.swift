import Codec
import Foundation
import Reactor
import Testing

@testable import Node

/// A centrifuge client on a socket pair: what it was told, and whether that can be.
private final class ScriptedClient {
    let socket: Int32
    let slot: UInt32
    let generation: UInt32
    private(set) var nextID = 1
    /// Commands that were sent, and how often each was answered.
    private(set) var answers: [Int: Int] = [:]
    /// Channels as the client knows them from replies and pushes.
    private(set) var subscribed: Set<String> = []
    private var asked: [Int: (method: String, channel: String)] = [:]
    private(set) var isClosed = false
    private(set) var isConnected = false
    /// What must not be: a sentence for each.
    private(set) var complaints: [String] = []
    private var received: [UInt8] = []

    init(_ rig: ShardRig, user: String, channels: [String]) {
        (socket, slot) = rig.open("/connection/websocket")
        _ = rig.read(socket)
        generation = rig.shard.session(slot).pointee.generation
        _ = rig.shard.admittance.assume(
            Credentials(user: ForeignText(user), channels: channels.map { ChannelName(trusted: Array($0.utf8)) }), slot)
    }

    func isAlive(_ rig: ShardRig) -> Bool {
        rig.shard.context.table.find(slot, generation: generation)?.pointee.phase == .open
    }

    /// Sends a command in a masked frame.
    func send(_ rig: ShardRig, _ method: String, _ channel: String? = nil) {
        let id = nextID
        nextID += 1
        answers[id] = 0
        asked[id] = (method, channel ?? "")
        let request = channel.map { #"{"channel":"\#($0)"}"# } ?? "{}"
        let text = Array(#"{"id":\#(id),"\#(method)":\#(request)}"#.utf8)
        rig.write(socket, [0x81, 0x80 | UInt8(text.count), 0, 0, 0, 0] + text)
        rig.turn(slot)
    }

    /// Reads what came and follows it.
    func follow(_ rig: ShardRig) {
        received += rig.read(socket)
        while received.count >= 2 {
            var length = Int(received[1] & 0x7F)
            var head = 2
            if length == 126 {
                guard received.count >= 4 else { return }
                length = Int(received[2]) << 8 | Int(received[3])
                head = 4
            }
            guard received.count >= head + length else { return }
            let payload = Data(received[head..<(head + length)])
            let opcode = received[0] & 0x0F
            received.removeFirst(head + length)
            if opcode == 8 {
                isClosed = true
            } else if let message = try? JSONSerialization.jsonObject(with: payload) as? [String: Any] {
                take(message)
            }
        }
    }

    private func take(_ message: [String: Any]) {
        if let id = message["id"] as? Int {
            answers[id, default: 0] += 1
            guard let (method, channel) = asked[id] else { return complaints.append("a reply to nothing: \(message)") }
            if !isConnected, method != "connect" { complaints.append("a reply before that to connect") }
            guard message["error"] == nil else { return }
            switch method {
            case "connect":
                isConnected = true
                let subs = (message["connect"] as? [String: Any])?["subs"] as? [String: Any] ?? [:]
                subscribed.formUnion(subs.keys)
            case "subscribe": note(channel, true, "the reply to subscribe")
            case "unsubscribe": subscribed.remove(channel)
            default: break
            }
            return
        }
        guard let push = message["push"] as? [String: Any] else { return }
        if !isConnected { complaints.append("a push before the reply to connect: \(push)") }
        let channel = push["channel"] as? String ?? ""
        if push["subscribe"] != nil { note(channel, true, "a push") }
        if push["unsubscribe"] != nil { subscribed.remove(channel) }
        if push["pub"] != nil, !subscribed.contains(channel) {
            complaints.append("a publication of \(channel), which the client is not subscribed to")
        }
    }

    private func note(_ channel: String, _ isNow: Bool, _ how: String) {
        if !subscribed.insert(channel).inserted { complaints.append("subscribed to \(channel) twice, by \(how)") }
    }
}

/// What applications do to sessions while those do what they like: one membership, one answer for each command, and nobody is
/// told of a channel before it is told that it is subscribed.
@Suite struct ServerSideModelTests {
    @Test(arguments: 1...32 as ClosedRange<UInt64>)
    func everyInterleavingKeepsOneMembershipAndAnswersOnce(seed: UInt64) throws {
        var random = SplitMix(state: seed)
        let rig = try ShardRig {
            $0.subscribeRate = 0
            $0.commandRate = 0
            $0.loginRate = 0
            $0.channelsPerSession = 2
        }
        var clients: [ScriptedClient] = []
        var questions = 0
        nonisolated(unsafe) var answered: [Int: Int] = [:]
        let names = ["a", "b", "c"]
        func act(_ action: SessionAction, _ selection: SessionSelection) {
            questions += 1
            let question = questions
            answered[question] = 0
            rig.shard.act(action, on: selection) { _ in answered[question, default: 0] += 1 }
        }
        for _ in 0..<120 {
            let alive = clients.filter { $0.isAlive(rig) }
            let name = names.randomElement(using: &random)!
            switch Int.random(in: 0..<16, using: &random) {
            case 0, 1:
                guard alive.count < 3 else { continue }
                clients.append(
                    ScriptedClient(
                        rig, user: ["ann", "bob"].randomElement(using: &random)!,
                        channels: Bool.random(using: &random) ? [name] : []))
            case 2, 3:
                if let client = alive.first(where: { $0.nextID == 1 }) { client.send(rig, "connect") }
            case 4, 5:
                if let client = alive.filter({ $0.nextID > 1 }).randomElement(using: &random) {
                    client.send(rig, "subscribe", name)
                }
            case 6:
                if let client = alive.filter({ $0.nextID > 1 }).randomElement(using: &random) {
                    client.send(rig, "unsubscribe", name)
                }
            case 7, 8, 9:
                act(
                    .subscribe(channel: name, data: "{\"n\":1}", epoch: nil, offset: nil, expiresAt: nil),
                    SessionSelection(user: "ann"))
            case 10:
                act(.unsubscribe(channel: Bool.random(using: &random) ? name : nil), SessionSelection(user: "ann"))
            case 11:
                act(.refresh(expiresAt: nil), SessionSelection(user: "ann"))
            case 12:
                if Int.random(in: 0..<4, using: &random) == 0 {
                    act(.disconnect(code: 3503, reason: "force disconnect"), SessionSelection(user: "ann"))
                } else if let client = alive.randomElement(using: &random), Bool.random(using: &random) {
                    rig.shard.life.drop(client.slot)
                }
            case 13: rig.confirm(name)
            case 14: rig.confirm(["$user:ann", "$user:bob"].randomElement(using: &random)!)
            default: rig.deliver("1", to: name)
            }
            while rig.shard.turn() {}
            for client in clients { client.follow(rig) }
            check(rig)
        }
        // Everything that was asked for is confirmed, and nobody waits any longer: what waits for a reply to `connect` comes
        // after that, and may ask for more.
        for name in Array(repeating: names + ["$user:ann", "$user:bob"], count: 20).joined() {
            rig.confirm(name)
        }
        for client in clients {
            client.follow(rig)
            #expect(client.complaints.isEmpty, "\(client.complaints)")
            for (id, count) in client.answers {
                #expect(client.isAlive(rig) ? count == 1 : count <= 1, "command \(id) was answered \(count) times")
            }
            guard client.isAlive(rig), client.isConnected else { continue }
            #expect(client.subscribed == Set(names.filter { isMember(client, of: $0, rig) }))
        }
        #expect(answered.count == questions)
        for (question, count) in answered { #expect(count == 1, "question \(question) was answered \(count) times") }
        #expect(rig.shard.context.counters.faults == 0)
    }

    private func isMember(_ client: ScriptedClient, of name: String, _ rig: ShardRig) -> Bool {
        guard let channel = rig.shard.channels.byName[ChannelName(trusted: Array(name.utf8))] else { return false }
        let subscriptions = rig.shard.session(client.slot).pointee.subscriptions
        return subscriptions.index(of: channel.index).map { subscriptions[$0].rosterIndex != Channels.notInRoster }
            ?? false
    }

    /// Each session is in a roster once at the most, where it says it is.
    private func check(_ rig: ShardRig) {
        for channel in rig.shard.channels.byIndex.compactMap({ $0 }) {
            var seen: Set<UInt32> = []
            for index in 0..<channel.rosters.count {
                guard let entry = channel.rosters.entries.map({ $0 + index }) else { continue }
                for place in 0..<entry.pointee.roster.count {
                    let slot = entry.pointee.roster.entries[place].slot
                    #expect(seen.insert(slot).inserted, "\(slot) is in \(channel.name) twice")
                    let subscriptions = rig.shard.session(slot).pointee.subscriptions
                    let known = subscriptions.index(of: channel.index).map { Int(subscriptions[$0].rosterIndex) }
                    #expect(known == place, "\(slot) is somewhere else in \(channel.name)")
                }
            }
        }
    }

    private func connected(_ rig: ShardRig, _ user: String) -> ScriptedClient {
        let client = ScriptedClient(rig, user: user, channels: [])
        client.send(rig, "connect")
        rig.confirm("$user:\(user)")
        while rig.shard.turn() {}
        client.follow(rig)
        return client
    }

    @Test func theLimitOfChannelsHolds() throws {
        let rig = try ShardRig { $0.channelsPerSession = 1 }
        _ = connected(rig, "ann")
        nonisolated(unsafe) var results: [SessionsActedOn] = []
        for name in ["a", "b"] {
            rig.shard.act(
                .subscribe(channel: name, data: nil, epoch: nil, offset: nil, expiresAt: nil),
                on: SessionSelection(user: "ann")
            ) { results.append($0) }
            rig.confirm(name)
        }
        #expect(results.map(\.done) == [1, 0] && results.map(\.limit) == [0, 1])
    }

    /// Moments that another node says may be any.
    @Test(arguments: [.min, -1, 0, 1, .max] as [Int64])
    func noMomentOverflows(seconds: Int64) throws {
        let rig = try ShardRig()
        let client = connected(rig, "ann")
        nonisolated(unsafe) var results: [SessionsActedOn] = []
        for action in [
            .subscribe(channel: "a", data: nil, epoch: nil, offset: nil, expiresAt: seconds),
            .refresh(expiresAt: seconds),
        ] as [SessionAction] {
            rig.shard.act(action, on: SessionSelection(user: "ann")) { results.append($0) }
            rig.confirm("a")
            while rig.shard.turn() {}
        }
        #expect(results.map(\.done) == [1, 1])
        rig.shard.admittance.checkExpiry(client.slot)
        rig.shard.channels.checkSubscriptionExpiry(client.slot)
        client.follow(rig)
        #expect(client.complaints.isEmpty && rig.shard.context.counters.faults == 0)
    }

    /// What a raw session asked for cannot be taken from it without a word; what an application gave it can.
    @Test func aRawSessionKeepsWhatItAskedFor() throws {
        let rig = try ShardRig()
        let (socket, slot) = rig.subscribe("mine")
        nonisolated(unsafe) var results: [SessionsActedOn] = []
        func act(_ action: SessionAction) {
            rig.shard.act(action, on: SessionSelection(user: "")) { results.append($0) }
        }
        act(.subscribe(channel: "given", data: nil, epoch: nil, offset: nil, expiresAt: nil))
        rig.confirm("given")
        rig.deliver("1", to: "given")
        while rig.shard.turn() {}
        #expect(rig.read(socket) == [0x81, 1] + Array("1".utf8))
        act(.unsubscribe(channel: "given"))
        rig.deliver("2", to: "given")
        while rig.shard.turn() {}
        #expect(rig.read(socket).isEmpty)
        act(.unsubscribe(channel: "mine"))
        #expect(results.map(\.done) == [1, 1, 0] && results.map(\.wordless) == [0, 0, 1])
        rig.deliver("3", to: "mine")
        while rig.shard.turn() {}
        #expect(rig.read(socket) == [0x81, 1] + Array("3".utf8))
        act(.disconnect(code: 3503, reason: "x"))
        while rig.shard.turn() {}
        #expect(rig.read(socket) == [0x88, 3, 0x0F, 0xA0] + Array("x".utf8))
        #expect(rig.shard.session(slot).pointee.phase == .closing)
    }
}
