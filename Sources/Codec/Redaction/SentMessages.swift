/// How the messages of a connection follow one another on the wire, from the node to the client.
package enum MessageSeparation: Sendable {
    /// Frames of a WebSocket.
    case frames
    /// Events of an event stream: an empty line ends each.
    case events
    /// A line each.
    case lines
    /// A record separator (0x1E) ends each.
    case records
    /// Each behind its length, as a varint.
    case lengths
}

/// Takes apart what a node sends to one client, however it was cut when it was sent. Pure.
package struct SentMessages {
    package struct Message: Equatable {
        /// Nil where there are no frames.
        package var opcode: Opcode?
        package var isCompressed = false
        /// All of it, as it was sent, without a frame's header.
        package var bytes = 0
        /// Its beginning, at most so much as is kept.
        package var kept: [UInt8] = []
    }

    private let separation: MessageSeparation
    private let maximumKept: Int
    private var message = Message()
    /// Of a frame's header, or a length.
    private var header: [UInt8] = []
    /// Bytes of the message that are still to come; nil where that is not known.
    private var left: Int?
    private var wasLineBreak = false

    /// - Parameter maximumKept: Bytes of a message that are kept.
    package init(_ separation: MessageSeparation, keeping maximumKept: Int) {
        self.separation = separation
        self.maximumKept = maximumKept
    }

    /// Some bytes more were sent.
    package mutating func take(_ bytes: UnsafeRawBufferPointer, _ found: (Message) -> Void) {
        switch separation {
        case .frames, .lengths: takeMeasured(bytes, found)
        case .events, .lines, .records: takeDelimited(bytes, found)
        }
    }

    private mutating func takeMeasured(_ bytes: UnsafeRawBufferPointer, _ found: (Message) -> Void) {
        var index = 0
        while index < bytes.count {
            guard let left else {
                header.append(bytes[index])
                index += 1
                begin()
                // A message may be empty.
                if self.left == 0 { end(found) }
                continue
            }
            let count = min(left, bytes.count - index)
            keep(UnsafeRawBufferPointer(rebasing: bytes[index..<index + count]))
            index += count
            self.left = left - count
            if left == count { end(found) }
        }
    }

    /// Sees whether the header is whole; what cannot be one counts as a message of a byte, so that there is always progress.
    private mutating func begin() {
        switch separation {
        case .frames:
            guard header.count >= 2 else { return }
            let short = Int(truncatingIfNeeded: header[1] & 0x7F)
            let size = short == 126 ? 4 : short == 127 ? 10 : 2
            guard header.count >= size else { return }
            message.opcode = Opcode(rawValue: header[0] & 0x0F)
            message.isCompressed = header[0] & 0x40 != 0
            left =
                size == 2 ? short : header[2..<size].reduce(0) { ($0 << 8 | Int(truncatingIfNeeded: $1)) & 0xFFFF_FFFF }
        default:
            let last = header[header.count - 1]
            guard last < 0x80 || header.count == 5 else { return }
            var length = 0
            for byte in header.reversed() { length = length << 7 | Int(truncatingIfNeeded: byte & 0x7F) }
            // What carries it has the length too, for whoever reads it.
            keep(header)
            left = length
        }
    }

    private mutating func takeDelimited(_ bytes: UnsafeRawBufferPointer, _ found: (Message) -> Void) {
        for byte in bytes {
            message.bytes += 1
            if message.kept.count < maximumKept { message.kept.append(byte) }
            guard byte == (separation == .records ? 0x1E : 0x0A) else {
                wasLineBreak = false
                continue
            }
            if separation != .events || wasLineBreak { end(found) } else { wasLineBreak = true }
        }
    }

    private mutating func keep(_ bytes: some Collection<UInt8>) {
        message.bytes += bytes.count
        message.kept += bytes.prefix(max(0, maximumKept - message.kept.count))
    }

    private mutating func end(_ found: (Message) -> Void) {
        let whole = message
        message = Message()
        header.removeAll(keepingCapacity: true)
        left = nil
        wasLineBreak = false
        found(whole)
    }
}
