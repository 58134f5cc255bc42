/// The commands of one message of the centrifuge dialect: one a line. A line feed at the end is tolerated, an empty line
/// between commands and an empty message are not (Centrifuge client protocol v2, JSON encoding).
package struct CentrifugeLines {
    package enum Next {
        case command(UnsafeRawBufferPointer)
        /// An empty line, or no command at all.
        case malformed
    }

    private let message: UnsafeRawBufferPointer
    private var start = 0
    private var isFirst = true

    /// - Parameter isBegun: Whether commands of the message were taken before; then no more need to follow.
    package init(_ message: UnsafeRawBufferPointer, isBegun: Bool = false) {
        self.message = message
        isFirst = !isBegun
    }

    /// What was not taken yet.
    package var rest: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: message[start...]) }

    /// - Returns: Nil after the last command.
    package mutating func next() -> Next? {
        guard start < message.count else {
            defer { isFirst = false }
            return isFirst ? .malformed : nil
        }
        let end = message.lineFeed(from: start)
        let line = UnsafeRawBufferPointer(rebasing: message[start..<end])
        start = min(message.count, end + 1)
        guard !line.isEmpty else { return start >= message.count && !isFirst ? nil : .malformed }
        isFirst = false
        return .command(line)
    }
}
