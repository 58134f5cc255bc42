@testable import Codec
@testable import Node

/// Sessions that go from one node to another: questions and answers between nodes, fences, and what is kept of a session. It comes through
/// Redis, so it may have come from anybody.
enum HandoverTarget {
    @Sendable static func run(_ input: UnsafeRawBufferPointer) {
        let bytes = Array(input)
        if let question = HandoverQuestion(bytes) {
            expect(HandoverQuestion.isOne(bytes) && !CommandRequest.isOne(bytes), "it is a question of another kind")
            expect(question.bytes == bytes, "a question is another one when it is written again")
        }
        if let answer = HandoverAnswer(bytes, about: id) { check(answer, bytes) }
        fence(input)
        change(input)
        received(input)
        walk(input)
    }

    /// The session that was asked for.
    private static let id = SessionID.Secret(high: 1, low: 2)

    private static func check(_ answer: HandoverAnswer, _ bytes: [UInt8]) {
        expect(answer == .refused || answer.bytes == bytes, "an answer is another one when it is written again")
        switch answer {
        case .refused: break
        case .claimed(let taken, let acknowledged, _, _, let channels):
            for channel in channels {
                expect(
                    channel == .all || channel.user != nil || ChannelName.objection(to: channel.bytes) == nil,
                    "'\(channel)' is not a channel of a client")
                expect((1...ChannelName.maximumBytes).contains(channel.bytes.count), "a name out of bounds")
            }
            var received = ReceivedMessages(taken: taken)
            _ = received.renumber(next: acknowledged)
            _ = received.receive(bytes: 1)
        case .page(let messages, _, let frames): keep(frames, after: messages)
        }
    }

    /// What another node kept, in front of what came here, and what the client acknowledges of it.
    private static func keep(_ frames: [UInt8], after number: UInt64) {
        let count = frames.withUnsafeBytes { FrameWalk.messages(in: $0) }
        let block = frames.withUnsafeBytes { Block(copying: $0) }
        defer { block.release() }
        var kept = UnacknowledgedBlocks()
        kept.append(block, 0..<block.count, messages: count)
        kept.restore(after: number, count > 0 ? [(block, count)] : [])
        // Numbers begin anew after 2^64 messages, which no session has.
        guard number < UInt64.max / 2 else { return kept.removeAll() }
        expect(kept.messages == 2 * count && kept.sent == number + UInt64(2 * count), "messages are missing")
        expect(kept.acknowledge(number + UInt64(count / 2)), "a message that was sent cannot be acknowledged")
        expect(!kept.acknowledge(kept.sent + 1), "a message that was never sent is acknowledged")
        var left = 0
        kept.forEach { block, range in
            let part = UnsafeRawBufferPointer(start: block.start + range.lowerBound, count: range.count)
            left += FrameWalk.messages(in: part)
        }
        expect(left == 2 * count - count / 2, "\(left) of \(count) messages are left")
        var next = kept.next
        var paged = 0
        while let page = kept.page(from: next, bytes: 64) {
            paged += page.messages
            next += UInt64(page.messages)
            if page.isLast || page.messages == 0 { break }
        }
        expect(paged == left, "pages have \(paged) messages of \(left)")
        expect(kept.acknowledge(kept.sent) && kept.messages == 0, "something is left")
        kept.removeAll()
    }

    private static func fence(_ input: UnsafeRawBufferPointer) {
        let channel = ChannelName(trusted: Array("chat:1".utf8))
        guard let fence = try? EnvelopeCodec.decodeFence(input, of: channel) else { return }
        let writer = ByteWriter()
        EnvelopeCodec.write(fence, to: writer)
        expect(writer.count == EnvelopeCodec.bytes(of: fence), "a fence has another length")
        expect((try? EnvelopeCodec.decode(input)) == nil, "it is a publication as well")
        let again = try? EnvelopeCodec.decodeFence(writer.bytes, of: channel)
        expect(again?.extras?.fence == fence.extras?.fence, "a fence comes back as another one")
    }

    private static func change(_ input: UnsafeRawBufferPointer) {
        let channel = ChannelName(trusted: Array("chat:1".utf8))
        guard let change = try? EnvelopeCodec.decodeChange(input, of: channel) else { return }
        expect(change.extras?.change != nil, "a change without a member")
        for variant in [Variant(.sse, over: .eventStream), Variant(.centrifuge, in: .protobuf, over: .webSocket)] {
            let writer = ByteWriter()
            PublicationEncoder.write(change, as: variant, packing: packing, to: writer)
            expect(writer.count <= PublicationEncoder.maximumBytes(change, as: variant), "more bytes than there may be")
        }
    }

    nonisolated(unsafe) private static let packing = Packing(Packing.Settings())

    /// A client counts its messages, comes back, and sends some of them again: each is taken once.
    private static func received(_ input: UnsafeRawBufferPointer) {
        var counted = ReceivedMessages()
        var highest: UInt64 = 0
        for byte in input {
            let before = counted.taken
            if byte < 0xC0 {
                let isNew = counted.receive(bytes: Int(byte) << 8)
                expect(counted.taken == before + (isNew ? 1 : 0), "a message is counted twice")
            } else if counted.renumber(next: UInt64(byte & 0x3F)) {
                expect(counted.taken == before, "a number is taken back")
            }
            if counted.isDue, let told = counted.acknowledge() {
                expect(told == counted.taken && told >= highest, "the client is told \(told) after \(highest)")
                highest = told
            }
        }
    }

    /// Frames are walked over as a reader reads them.
    private static func walk(_ input: UnsafeRawBufferPointer) {
        let count = FrameWalk.messages(in: input)
        var last = 0
        for messages in 0...min(count, 8) {
            let end = FrameWalk.end(of: messages, in: input)
            expect(end >= last && end <= input.count, "frames end outside")
            let front = UnsafeRawBufferPointer(rebasing: input[..<end])
            expect(FrameWalk.messages(in: front) == messages, "\(messages) messages are others")
            last = end
        }
    }
}
