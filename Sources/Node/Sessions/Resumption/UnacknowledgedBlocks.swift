import Codec

/// What a session was sent and its client has not acknowledged: parts of shared blocks, oldest first, held and not copied.
///
/// Messages have numbers from 1 on. A part holds whole messages. Acknowledged ones stay as long as their part has others.
package struct UnacknowledgedBlocks {
    private struct Part {
        let block: Block
        let bytes: Range<Int>
        let messages: Int
    }

    private var parts: [Part] = []
    /// Parts in front of this were given back.
    private var start = 0
    /// How many messages are in front of the first part.
    private var before: UInt64 = 0
    /// The number of the last message that was sent; 0 for none.
    package private(set) var sent: UInt64 = 0
    /// The number of the last message that was acknowledged; 0 for none.
    package private(set) var acknowledged: UInt64 = 0
    /// Bytes of the blocks' parts that are held.
    package private(set) var bytes = 0

    package init() {}

    /// How many messages are held.
    package var messages: Int { Int(clamping: sent &- before) }

    /// The number of the message that the client is sent first when it comes back.
    package var next: UInt64 { acknowledged &+ 1 }

    /// So many places of parts that were given back are kept before the others move up.
    private static let step = 256

    /// - Parameter messages: How many there are in the part, one at least.
    package mutating func append(_ block: Block, _ bytes: Range<Int>, messages: Int) {
        guard messages > 0 else { return }
        block.retain()
        parts.append(Part(block: block, bytes: bytes, messages: messages))
        self.bytes += bytes.count
        sent &+= UInt64(clamping: messages)
    }

    /// The client has all messages up to a number.
    ///
    /// - Returns: False for a number that was never sent.
    package mutating func acknowledge(_ number: UInt64) -> Bool {
        guard number <= sent else { return false }
        guard number > acknowledged else { return true }
        acknowledged = number
        while start < parts.count, before &+ UInt64(clamping: parts[start].messages) <= number {
            let part = parts[start]
            start += 1
            before &+= UInt64(clamping: part.messages)
            bytes -= part.bytes.count
            part.block.release()
        }
        if start == parts.count {
            parts.removeAll(keepingCapacity: parts.count <= Self.step)
            start = 0
        } else if start >= Self.step, start * 2 >= parts.count {
            parts.removeFirst(start)
            start = 0
        }
        return true
    }

    /// What the client has not acknowledged, from the first message on.
    package func forEach(_ body: (Block, Range<Int>) -> Void) {
        var number = before
        for part in parts[start...] {
            let known = Int(clamping: acknowledged &- min(number, acknowledged))
            number &+= UInt64(clamping: part.messages)
            guard known > 0 else {
                body(part.block, part.bytes)
                continue
            }
            // Only of the first part is something acknowledged.
            let frames = UnsafeRawBufferPointer(
                start: part.block.start + part.bytes.lowerBound, count: part.bytes.count)
            let skipped = FrameWalk.end(of: known, in: frames)
            if skipped < part.bytes.count {
                body(part.block, (part.bytes.lowerBound + skipped)..<part.bytes.upperBound)
            }
        }
    }

    /// What follows from a message on, as a copy: as many parts as fit, and one at least.
    ///
    /// - Parameter first: The number of a message that is not acknowledged, or the one behind the last.
    /// - Returns: Nil where no part begins with that message.
    package func page(from first: UInt64, bytes most: Int) -> (bytes: [UInt8], messages: Int, isLast: Bool)? {
        var number = next
        var bytes: [UInt8] = []
        var messages = 0
        var isLast = true
        var isFound = first == number
        forEach { block, range in
            let part = UnsafeRawBufferPointer(start: block.start + range.lowerBound, count: range.count)
            isFound = isFound || number == first
            defer { number &+= UInt64(clamping: FrameWalk.messages(in: part)) }
            guard isFound, isLast else { return }
            guard messages == 0 || bytes.count + part.count <= most else {
                isLast = false
                return
            }
            bytes += part
            messages += FrameWalk.messages(in: part)
        }
        guard isFound || number == first else { return nil }
        return (bytes, messages, isLast)
    }

    /// What is here follows what another node sent before, of which the client has the first messages.
    ///
    /// - Parameters:
    ///   - number: The last message that the client has.
    ///   - earlier: What follows it, held by the caller.
    package mutating func restore(after number: UInt64, _ earlier: [(block: Block, messages: Int)]) {
        let later = Array(parts[start...])
        parts = []
        start = 0
        before = number
        acknowledged = number
        sent = number
        bytes = 0
        for part in earlier { append(part.block, 0..<part.block.count, messages: part.messages) }
        for part in later {
            append(part.block, part.bytes, messages: part.messages)
            part.block.release()
        }
    }

    /// Gives everything back. The numbers stay.
    package mutating func removeAll() {
        for part in parts[start...] { part.block.release() }
        parts = []
        start = 0
        before = sent
        bytes = 0
    }
}
