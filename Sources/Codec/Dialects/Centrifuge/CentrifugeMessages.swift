/// The commands of one message of the centrifuge dialect in Protobuf: each behind its length (Centrifuge client protocol v2,
/// Protobuf encoding). A command without bytes is a pong. A message without commands is malformed, and so is one that ends
/// within a command: those before it count.
package struct CentrifugeMessages {
    private var reader: ProtobufReader
    private var isFirst: Bool
    private var isBroken = false

    /// - Parameter isBegun: Whether commands of the message were taken before; then no more need to follow.
    package init(_ message: UnsafeRawBufferPointer, isBegun: Bool = false) {
        reader = ProtobufReader(message)
        isFirst = !isBegun
    }

    /// What was not taken yet.
    package var rest: UnsafeRawBufferPointer { reader.rest }

    /// - Returns: Nil after the last command, and after what is malformed.
    package mutating func next() -> CentrifugeLines.Next? {
        guard !isBroken, !reader.isAtEnd || isFirst else { return nil }
        isFirst = false
        guard let command = reader.delimited() else {
            isBroken = true
            return .malformed
        }
        return .command(command)
    }
}
