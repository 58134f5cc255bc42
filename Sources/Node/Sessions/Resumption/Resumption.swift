import Codec
import Reactor

/// What a session needs to be gone on with after its connection was cut. Hung on the session's extras while both sides count.
final class Resumption {
    var unacknowledged = UnacknowledgedBlocks()
    var received = ReceivedMessages()
    /// False once more was unacknowledged than may be: nothing is kept any more, and the session ends with its connection.
    var isKeeping = true
    /// When the session ends if nobody has come back; nil while it has a connection.
    var deadline: MonotonicTime?
    /// An alarm will tell the client what came.
    var isAcknowledgementArmed = false

    /// Whether another node may go on with it if this one dies, where all of its channels have history.
    let isRecorded: Bool
    var record = RecordKeeping()
    /// How often it has gone to another node.
    var generation: UInt64 = 0
    /// Messages from this number on are kept, and sent when the record is withdrawn.
    var heldFrom: UInt64?
    /// The same of what the client sent.
    var isInputHeld = false

    /// Its client goes on with it elsewhere.
    var hasMoved = false
    /// It goes to another node.
    var handover: Handover?
    /// It comes from another node.
    var arrival: Arrival?

    init(isRecorded: Bool) { self.isRecorded = isRecorded }

    deinit { unacknowledged.removeAll() }
}

/// The limits of what is kept for clients that may come back.
package struct ResumeLimits: Equatable, Sendable {
    /// How long a session waits for its client; nothing can be resumed if it is zero.
    package var time: Duration = .seconds(30)
    /// Messages that a client has not acknowledged.
    package var messages = 65_536
    /// Bytes of them.
    package var bytes = 4 * 1024 * 1024
    /// Bytes of them in all sessions of the node together.
    package var bytesNode = 256 * 1024 * 1024
    /// How often a session is recorded at the most, for the time when its node has died; never if it is zero.
    package var records: Duration = .seconds(5)

    package var isRecorded: Bool { records > .zero && time > .zero }

    package init() {}
}

/// Asks for the session that a client wants to go on with.
package struct ResumeRequest: Sendable {
    /// The id of the session.
    let id: SessionID.Secret
    /// Where the new connection is.
    let connection: Locator
    /// What is spoken on it.
    let variant: Variant
    let user: ForeignText?
    /// The number of the message that the client sends next.
    let next: UInt64
}

/// A connection on its way from the session that it opened to the one that goes on with it, which may be on another reactor. It has
/// one owner at a time.
package final class MovedConnection: @unchecked Sendable {
    let stream: Stream
    let reader: FrameReader
    let input: SuspendedInput?
    let peer: PeerAddress
    /// Of the session it opened: what the admission counts, and how it came.
    let flags: SessionSlot.Flags
    let request: ResumeRequest

    init(
        stream: Stream, reader: FrameReader, input: SuspendedInput?, peer: PeerAddress, flags: SessionSlot.Flags,
        request: ResumeRequest
    ) {
        self.stream = stream
        self.reader = reader
        self.input = input
        self.peer = peer
        self.flags = flags
        self.request = request
    }
}
