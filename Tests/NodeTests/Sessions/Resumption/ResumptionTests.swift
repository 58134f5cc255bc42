import Codec
import Testing

@testable import Node

/// What is kept for clients that may come back, and what they send again.
@Suite struct ResumptionTests {
    /// The macro takes no calls that change what they are called on.
    private static func expect(
        _ condition: Bool, _ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation
    ) { #expect(condition, comment, sourceLocation: sourceLocation) }

    private static func block(_ messages: [String]) -> Block {
        let writer = ByteWriter()
        for message in messages { Array(message.utf8).withUnsafeBytes { FrameWriter.write(.text, $0, to: writer) } }
        return Block(copying: writer.bytes)
    }

    /// Appends a block of its own, and gives it out of the test's hands.
    private static func append(_ messages: [String], to kept: inout UnacknowledgedBlocks) {
        let block = block(messages)
        kept.append(block, 0..<block.count, messages: messages.count)
        block.release()
    }

    private static func texts(_ kept: UnacknowledgedBlocks) -> [String] {
        var texts: [String] = []
        kept.forEach { block, bytes in
            var rest = Array(UnsafeRawBufferPointer(start: block.start + bytes.lowerBound, count: bytes.count))[...]
            while rest.count >= 2 {
                let length = Int(rest[rest.startIndex + 1])
                texts.append(String(decoding: rest.dropFirst(2).prefix(length), as: UTF8.self))
                rest = rest.dropFirst(2 + length)
            }
        }
        return texts
    }

    @Test func whatIsAcknowledgedIsGivenBack() {
        var kept = UnacknowledgedBlocks()
        Self.expect(kept.next == 1 && kept.messages == 0)
        let first = Self.block(["a", "b"])
        kept.append(first, 0..<first.count, messages: 2)
        Self.expect(first.references == 2)
        Self.append(["c"], to: &kept)
        Self.append(["d", "e", "f"], to: &kept)
        Self.expect(kept.sent == 6 && kept.messages == 6 && Self.texts(kept) == ["a", "b", "c", "d", "e", "f"])
        Self.expect(kept.acknowledge(1))
        Self.expect(first.references == 2 && kept.next == 2 && Self.texts(kept) == ["b", "c", "d", "e", "f"])
        Self.expect(kept.acknowledge(2))
        Self.expect(first.references == 1 && kept.messages == 4)
        first.release()
        Self.expect(kept.acknowledge(5))
        Self.expect(Self.texts(kept) == ["f"] && kept.messages == 3)
        // What is acknowledged once more changes nothing, and what was never sent is a lie.
        Self.expect(kept.acknowledge(3) && kept.next == 6)
        Self.expect(!kept.acknowledge(7) && !kept.acknowledge(.max))
        Self.expect(kept.acknowledge(6) && kept.bytes == 0 && Self.texts(kept) == [])
        Self.append(["g"], to: &kept)
        Self.expect(kept.next == 7 && Self.texts(kept) == ["g"])
        kept.removeAll()
        Self.expect(kept.sent == 7 && kept.messages == 0 && kept.bytes == 0)
    }

    /// Compared with a plain list, in all orders of many small steps.
    @Test(arguments: 1...20)
    func anyOrderOfSteps(_ seed: Int) {
        var random = Seeded(seed)
        var kept = UnacknowledgedBlocks()
        var sent = 0
        var acknowledged = 0
        for _ in 0..<2000 {
            if Int.random(in: 0..<3, using: &random) > 0 {
                let count = Int.random(in: 1...4, using: &random)
                Self.append((1...count).map { "\(sent + $0)" }, to: &kept)
                sent += count
            } else {
                acknowledged = Int.random(in: acknowledged...sent, using: &random)
                Self.expect(kept.acknowledge(UInt64(acknowledged)))
            }
            Self.expect(kept.next == UInt64(acknowledged + 1) && kept.sent == UInt64(sent))
        }
        Self.expect(Self.texts(kept) == (acknowledged..<sent).map { "\($0 + 1)" })
        kept.removeAll()
    }

    @Test func whatIsSentAgainIsKnown() {
        var received = ReceivedMessages()
        Self.expect(received.acknowledge() == nil && received.isPossible(next: 1) && !received.isPossible(next: 0))
        Self.expect(received.receive(bytes: 10) && received.receive(bytes: 10) && !received.isDue)
        Self.expect(received.acknowledge() == 2 && received.acknowledge() == nil)
        Self.expect(received.receive(bytes: 10))
        // It comes back, and sends the second and the third again.
        Self.expect(!received.renumber(next: 5) && received.renumber(next: 2))
        Self.expect(!received.receive(bytes: 10) && !received.receive(bytes: 10) && received.receive(bytes: 10))
        Self.expect(received.taken == 4 && received.acknowledge() == 4)
        // It does not know that all of them came.
        Self.expect(received.renumber(next: 4) && received.acknowledge() == 4)
    }

    @Test func theOldestAreForgotten() {
        var gone = GoneSessions()
        func id(_ number: Int) -> SessionID.Secret { SessionID.Secret(high: UInt64(number), low: 7) }
        for number in 0..<(GoneSessions.most + 10) {
            gone.insert(id(number), for: nil)
            gone.insert(id(number), for: nil)
        }
        Self.expect((0..<10).allSatisfy { !gone.contains(id($0), for: nil) })
        Self.expect((10..<GoneSessions.most + 10).allSatisfy { gone.contains(id($0), for: nil) })
        // Only for whom it is gone.
        Self.expect(!gone.contains(id(20), for: "ann"))
    }

    @Test func muchIsAcknowledgedAtOnce() {
        var received = ReceivedMessages()
        for _ in 1..<128 { Self.expect(received.receive(bytes: 1) && !received.isDue) }
        Self.expect(received.receive(bytes: 1) && received.isDue && received.acknowledge() == 128 && !received.isDue)
        Self.expect(received.receive(bytes: 16 * 1024) && received.isDue)
    }
}

/// Numbers that are the same in each run.
private struct Seeded: RandomNumberGenerator {
    private var state: UInt64

    init(_ seed: Int) { state = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 | 1 }

    mutating func next() -> UInt64 {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return state
    }
}
