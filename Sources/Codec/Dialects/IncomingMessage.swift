/// A message of a client, of which the dialect's machine takes one command after the other.
///
/// What it means is looked at only when it is taken, so what is left over can wait as bytes.
package struct IncomingMessage {
    package let isText: Bool
    /// No command may be longer, in bytes; the message may hold several.
    package let commandBytes: Int
    private let bytes: UnsafeRawBufferPointer
    private var start = 0
    /// Commands of the message were taken before.
    private(set) var isBegun: Bool

    /// - Parameter isBegun: Whether it is what was left of a message.
    package init(_ bytes: UnsafeRawBufferPointer, isText: Bool, commandBytes: Int, isBegun: Bool = false) {
        self.bytes = bytes
        self.isText = isText
        self.commandBytes = commandBytes
        self.isBegun = isBegun
    }

    /// What was not taken yet.
    package var rest: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[start...]) }

    /// Leaves so many bytes at the end for later.
    mutating func take(leaving count: Int) {
        start = max(start, bytes.count - count)
        isBegun = true
    }
}
