/// Counts what a client sends, so that what it sends again after its connection was cut is not carried out again.
package struct ReceivedMessages: Equatable {
    /// The number of the last message that was taken; 0 for none.
    package private(set) var taken: UInt64 = 0
    /// The number of the message that comes next on this connection.
    private var next: UInt64 = 1
    /// The number that the client was told last.
    private var told: UInt64 = 0
    /// Bytes that came since.
    private var untoldBytes = 0

    package init() {}

    /// Of a session of which so many messages were taken on another node.
    package init(taken: UInt64) {
        self.taken = taken
        told = taken
        next = taken &+ 1
    }

    /// So many messages are acknowledged at once, and so many bytes: clients stop sending when they have to keep much.
    private static let messages: UInt64 = 128
    private static let bytes = 16 * 1024

    /// A message came.
    ///
    /// - Returns: Whether it is a new one.
    package mutating func receive(bytes: Int) -> Bool {
        let number = next
        next &+= 1
        guard number > taken else { return false }
        taken = number
        untoldBytes += bytes
        return true
    }

    /// The client says which number its next message has.
    ///
    /// - Returns: False where messages are missing in between.
    package mutating func renumber(next: UInt64) -> Bool {
        guard isPossible(next: next) else { return false }
        self.next = next
        // What it sends again it was not told of, whatever it was sent.
        told = min(told, next &- 1)
        return true
    }

    /// Whether that can be the number of the client's next message.
    package func isPossible(next: UInt64) -> Bool { next > 0 && next <= taken &+ 1 }

    /// Whether the client is to be told at once.
    package var isDue: Bool { taken &- told >= Self.messages || untoldBytes >= Self.bytes }

    /// What the client is to be told; nil when it knows.
    package mutating func acknowledge() -> UInt64? {
        guard taken > told else { return nil }
        told = taken
        untoldBytes = 0
        return taken
    }
}
