package import Codec

/// What a session was sent and its client has not acknowledged: parts of shared blocks, oldest first, held and not copied.
///
/// Messages have numbers from 1 on. A part holds whole messages. Acknowledged ones stay as long as their part has others.
///
/// Where another node may have to go on with the session, parts say which channel's history has their messages, and where they end in it.
package struct UnacknowledgedBlocks {
    /// Where a part ends in the history of a channel.
    package struct Place: Equatable {
        package let channel: UInt32
        package let position: Position

        package init(channel: UInt32, position: Position) {
            self.channel = channel
            self.position = position
        }
    }

    /// 40 bytes: there is one for each publication that is not acknowledged.
    private struct Part {
        let block: Block
        private let start: UInt32
        private let end: UInt32
        private let count: UInt32
        /// `.max` for a part that no history has.
        var channel: UInt32
        private let epoch: UInt64
        private let offset: UInt64

        init(_ block: Block, _ bytes: Range<Int>, messages: Int, _ place: Place?) {
            self.block = block
            // A block has no more bytes than that.
            start = UInt32(clamping: bytes.lowerBound)
            end = UInt32(clamping: bytes.upperBound)
            count = UInt32(clamping: messages)
            channel = place?.channel ?? .max
            epoch = place?.position.epoch ?? 0
            offset = place?.position.offset.value ?? 0
        }

        var bytes: Range<Int> { Int(start)..<Int(end) }
        var messages: Int { Int(count) }
        var place: Place? {
            channel == .max
                ? nil : Place(channel: channel, position: Position(epoch: epoch, offset: Offset(clamping: offset)))
        }
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
    /// Where each channel was when the first part that is held had not been sent, by its index; only of those that are known.
    package private(set) var places: [UInt32: Position] = [:]
    /// How many of the parts that are held no history has.
    package private(set) var others = 0

    package init() {}

    /// How many messages are held.
    package var messages: Int { Int(clamping: sent &- before) }

    /// The last message in front of the parts that are held.
    package var whole: UInt64 { before }

    /// The number of the message that the client is sent first when it comes back.
    package var next: UInt64 { acknowledged &+ 1 }

    /// So many places of parts that were given back are kept before the others move up.
    private static let step = 256

    /// - Parameters:
    ///   - messages: How many there are in the part, one at least.
    ///   - place: Where the part ends in the history that has its messages; nil where none has.
    package mutating func append(_ block: Block, _ bytes: Range<Int>, messages: Int, at place: Place? = nil) {
        guard messages > 0 else { return }
        block.retain()
        parts.append(Part(block, bytes, messages: messages, place))
        if place == nil { others += 1 }
        self.bytes += bytes.count
        sent &+= UInt64(clamping: messages)
    }

    /// A channel is there from a position on; what comes of it follows that.
    package mutating func begin(_ channel: UInt32, at position: Position) { places[channel] = position }

    /// A channel is left: what was sent of it is something that no history has from now on.
    package mutating func leave(_ channel: UInt32) {
        places[channel] = nil
        for index in start..<parts.count where parts[index].channel == channel {
            parts[index].channel = .max
            others += 1
        }
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
            if let place = part.place { places[place.channel] = place.position } else { others -= 1 }
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
    package func forEach(_ body: (Block, Range<Int>) -> Void) { forEachPart { body($1, $2) } }

    /// The same, with the number of the first message of each part.
    package func forEachPart(_ body: (UInt64, Block, Range<Int>) -> Void) {
        var number = before
        for part in parts[start...] {
            let known = Int(clamping: acknowledged &- min(number, acknowledged))
            let first = number &+ UInt64(clamping: known) &+ 1
            number &+= UInt64(clamping: part.messages)
            guard known > 0 else {
                body(first, part.block, part.bytes)
                continue
            }
            // Only of the first part is something acknowledged.
            let frames = UnsafeRawBufferPointer(
                start: part.block.start + part.bytes.lowerBound, count: part.bytes.count)
            let skipped = FrameWalk.end(of: known, in: frames)
            if skipped < part.bytes.count {
                body(first, part.block, (part.bytes.lowerBound + skipped)..<part.bytes.upperBound)
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
        others = 0
        for part in earlier { append(part.block, 0..<part.block.count, messages: part.messages) }
        for part in later {
            append(part.block, part.bytes, messages: part.messages, at: part.place)
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
        others = 0
        places = [:]
    }
}
