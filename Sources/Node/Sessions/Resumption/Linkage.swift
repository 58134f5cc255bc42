/// How a session hangs on its connection.
package enum Linkage: UInt8, Sendable {
    /// It ends with its connection.
    case plain
    /// Its client may go on with a session whose connection was cut, or begin one that can be gone on with, and has said neither yet.
    case undecided
    /// It has no connection: its client asks for what waits, in requests (`Polls`).
    case polled
    /// Both sides count messages, and what the client has not acknowledged is kept.
    case counted
    /// The same, and its connection was cut: it waits for the next one.
    case cut
    /// The same of a session that comes from another node, and is not here whole.
    case arriving

    /// Whether messages are counted.
    @inline(__always)
    package var isCounting: Bool { rawValue >= Linkage.counted.rawValue }

    /// Whether there is a connection that is read from and written to.
    @inline(__always)
    package var hasConnection: Bool { self != .cut && self != .polled }
}
