import Backplane
import Codec
import Testing

@testable import Node

/// What nodes say to each other when a client comes back to another node.
@Suite struct HandoverTests {
    private static let id = SessionID.Secret(high: 0x0102_0304_0506_0708, low: .max)
    private static let variant = Variant(.signalr, in: .messagePack, over: .webSocket, .small)

    static let questions: [HandoverQuestion] = [
        .init(id: id, fence: 1, .claim(next: .max, variant: variant, user: nil)),
        .init(id: id, fence: .max, .claim(next: 7, variant: variant, user: Array("ann".utf8))),
        .init(id: id, fence: 2, .claim(next: 7, variant: variant, user: [])),
        .init(id: id, fence: 3, .fetch(from: 0x0102_0304_0506_0708)),
    ]

    @Test(arguments: questions)
    func questionsAreRead(_ question: HandoverQuestion) {
        let bytes = question.bytes
        #expect(HandoverQuestion(bytes) == question)
        #expect(HandoverQuestion.isOne(bytes) && !CommandRequest.isOne(bytes))
        // Nothing that is cut is taken for another question, but for a user's name, which ends with the question.
        for end in 0..<min(bytes.count, 34) { #expect(HandoverQuestion(Array(bytes[..<end])) == nil) }
    }

    private static let origin = SessionID(node: NodeID(7), locator: .max, secret: id)

    static let answers: [HandoverAnswer] = [
        .refused,
        .claimed(taken: 5, acknowledged: .max, generation: 0, origin: origin, channels: []),
        .claimed(
            taken: 0, acknowledged: 1, generation: .max, origin: origin,
            channels: [.all, ShardRig.name("chat:a"), ShardRig.name("b")]),
        .page(messages: 3, isLast: false, bytes: [1, 2, 3]), .page(messages: 0, isLast: true, bytes: []),
    ]

    @Test(arguments: answers)
    func answersAreRead(_ answer: HandoverAnswer) { #expect(HandoverAnswer(answer.bytes, about: Self.id) == answer) }

    @Test(
        arguments: [[], [3], [1], [2], [2, 0, 0, 0, 0, 0, 0, 0, 0, 2], [1] + Array(repeating: 0, count: 41), [9, 9]]
            as [[UInt8]])
    func whatIsNoAnswer(_ bytes: [UInt8]) { #expect(HandoverAnswer(bytes, about: Self.id) == nil) }

    /// An answer comes through Redis: a name that no client can be subscribed to makes it none.
    @Test(arguments: [
        ("chat:a", true), ("$all", true), ("$user:ann lee", true), ("$user:", false), ("$connection:1", false),
        ("$", false),
        ("a b", false), ("a\nb", false), ("\0", false), (String(repeating: "x", count: 255), true),
        (String(repeating: "x", count: 256), false), (String(repeating: "x", count: 60_000), false),
    ])
    func namesInAnswersAreNames(_ name: String, _ isOne: Bool) {
        let channel = ChannelName(trusted: Array(name.utf8))
        func answer(_ channels: [ChannelName]) -> HandoverAnswer {
            .claimed(taken: 0, acknowledged: 0, generation: 0, origin: Self.origin, channels: channels)
        }
        let both = answer([.all, channel])
        #expect((HandoverAnswer(both.bytes, about: Self.id) == both) == isOne)
        let notText = ChannelName(trusted: [0x61, 0xFF])
        #expect(HandoverAnswer(answer([notText]).bytes, about: Self.id) == nil)
    }

    @Test func theFirstNodeThatHasItDecides() {
        var asking = HandoverAsking()
        var random = SystemRandomNumberGenerator()
        let nodes = (1...3).map { NodeID($0) }
        let id = asking.begin(about: Self.id, to: Set(nodes), using: &random) { _, _ in } ?? 0
        #expect(asking.awaits(id, from: nodes[0]) == Self.id && asking.awaits(id, from: NodeID(9)) == nil)
        let first = asking.answered(id, from: nodes[0], .refused)
        #expect(first == nil && asking.awaits(id, from: nodes[0]) == nil && asking.count == 1)
        let second = asking.answered(id, from: nodes[1], Self.answers[1])
        #expect(second != nil && asking.count == 0)
        let late = asking.answered(id, from: nodes[2], .refused)
        #expect(late == nil)
        // Nobody has it: the last one says so, or leaves, or time is up.
        let other = asking.begin(about: Self.id, to: [nodes[0], nodes[1]], using: &random) { _, _ in } ?? 0
        _ = asking.answered(other, from: nodes[0], .refused)
        let left = asking.left(nodes[1])
        #expect(left.count == 1 && asking.count == 0)
        let third = asking.begin(about: Self.id, to: [nodes[0]], using: &random) { _, _ in } ?? 0
        let expired = asking.expired(third)
        #expect(expired != nil && asking.count == 0)
    }

    // MARK: Pages

    private static func block(_ messages: [String]) -> Block {
        let writer = ByteWriter()
        for message in messages { Array(message.utf8).withUnsafeBytes { FrameWriter.write(.text, $0, to: writer) } }
        return Block(copying: writer.bytes)
    }

    /// One node's messages in pages, and on the other node in front of what came there.
    @Test(arguments: [1, 3, 7, 10, 1000])
    func pagesAreWhatWasKept(_ most: Int) {
        var here = UnacknowledgedBlocks()
        for messages in [["a", "b"], ["c"], ["d", "e", "f"], ["g"]] {
            let block = Self.block(messages)
            here.append(block, 0..<block.count, messages: messages.count)
            block.release()
        }
        let isSent = here.acknowledge(1)
        #expect(isSent)
        var fetched: [(block: Block, messages: Int)] = []
        var next: UInt64 = 2
        while let page = here.page(from: next, bytes: most) {
            if page.messages > 0 { fetched.append((page.bytes.withUnsafeBytes { Block(copying: $0) }, page.messages)) }
            next += UInt64(page.messages)
            if page.isLast { break }
        }
        #expect(next == 8 && here.page(from: 8, bytes: most)?.isLast == true && here.page(from: 9, bytes: most) == nil)
        #expect(most > 10 ? fetched.count == 1 : fetched.count > 1)
        var there = UnacknowledgedBlocks()
        let later = Self.block(["h"])
        there.append(later, 0..<later.count, messages: 1)
        later.release()
        there.restore(after: 1, fetched)
        for part in fetched { part.block.release() }
        #expect(there.sent == 8 && there.acknowledged == 1 && there.messages == 7)
        var bytes: [UInt8] = []
        there.forEach { bytes += UnsafeRawBufferPointer(start: $0.start + $1.lowerBound, count: $1.count) }
        let expected = Self.block(["b", "c", "d", "e", "f", "g", "h"])
        #expect(bytes == Array(UnsafeRawBufferPointer(start: expected.start, count: expected.count)))
        #expect(there.bytes == bytes.count)
        expected.release()
        there.removeAll()
        here.removeAll()
    }

    // MARK: Fences

    /// What came before the fence is for the session, though no pass has sent it yet; what comes after it is not.
    @Test func aSessionLeavesAtItsFence() throws {
        let rig = try HubSessionTests.rig()
        let (client, slot) = HubResumeTests.begin(rig, try HubResumeTests.token(rig))
        let other = HubSessionTests.greet(rig)
        _ = rig.read(client)
        let place = rig.shard.locator(of: slot)
        let channel = try #require(rig.shard.channels.byName[ShardRig.name("chat:all")])
        rig.shard.life.fences[5] = .leaving(place)
        let resumption = try #require(rig.shard.extras(slot)?.resumption)
        resumption.handover = Handover(fence: 5, open: [channel.name])
        rig.deliver("a", to: "chat:all")
        rig.deliver("b", to: "chat:all")
        rig.shard.received(.delivered(Publication(fence: 4, in: channel.name, origin: rig.node)))
        rig.shard.received(.delivered(Publication(fence: 5, in: channel.name, origin: rig.node)))
        rig.deliver("c", to: "chat:all")
        rig.deliver("d", to: "chat:all")
        rig.turn()
        let said = ["a", "b", "c", "d"].map { HubResumeTests.said($0) }
        #expect(HubSessionTests.heard(rig, client) == said[0] + said[1])
        #expect(HubSessionTests.heard(rig, other.client) == said.joined())
        #expect(resumption.handover?.open.isEmpty == true && channel.fences.isEmpty)
        HubResumeTests.deliver(rig, "e")
        #expect(HubSessionTests.heard(rig, client) == "")
        // Where nothing waits to be sent, it leaves at once.
        let (third, late) = HubResumeTests.begin(rig, try HubResumeTests.token(rig))
        rig.shard.life.fences[6] = .leaving(rig.shard.locator(of: late))
        rig.shard.extras(late)?.resumption?.handover = Handover(fence: 6, open: [channel.name])
        rig.shard.received(.delivered(Publication(fence: 6, in: channel.name, origin: rig.node)))
        HubResumeTests.deliver(rig, "f")
        #expect(HubSessionTests.heard(rig, third) == "")
        #expect(rig.shard.context.counters.faults == 0)
    }
}
