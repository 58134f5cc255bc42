import Codec
import Reactor

/// Copies what one session gets and is sent, for an operator. On the session's reactor.
///
/// What is sent is taken where it is handed to the socket, so that what waits, or is dropped because the client does not keep up, is
/// not shown as if it had arrived.
final class SessionTrace: @unchecked Sendable {
    /// One message as it was seen; what is costly about it is done elsewhere.
    struct Record: Sendable {
        let isIncoming: Bool
        let time: UInt64
        /// Nil where there are no frames.
        let opcode: Opcode?
        /// What else it is.
        let kind: StaticString?
        let isCompressed: Bool
        /// All of it.
        let bytes: Int
        /// Its beginning, or all of it.
        let kept: [UInt8]
    }

    enum Item: Sendable {
        case record(Record)
        case leftOut(LeftOut)
        case ended(String)

        var weight: Int { if case .record(let record) = self { 128 + record.kept.count } else { 128 } }
    }

    /// Of a message in which tokens can be found only when it is whole, or that has to be unpacked.
    static let maximumKept = 64 * 1024
    /// Pieces of a queue whose bytes are looked at when they are sent.
    private static let maximumPieces = 4096

    let slot: UInt32
    let variant: Variant
    private let shown: ShownQueue<Item>
    private let kept: Int
    private var messages: SentMessages
    /// Bytes of something that was on its way when the trace began.
    private var skipped: Int
    private var pieces: [Outbound.Piece] = []

    /// - Parameters:
    ///   - perSecond: So many messages are shown in a second.
    ///   - shown: So many bytes of each.
    ///   - leftOut: Called for those that are not shown.
    init(
        _ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>, on reactor: Reactor, queue: BoundedQueue<Item>,
        perSecond: Int, shown most: Int, leftOut: @escaping @Sendable (Int) -> Void
    ) {
        self.slot = slot
        self.shown = ShownQueue(queue, on: reactor, perSecond: perSecond, leftOut: leftOut) { .leftOut($0) }
        variant = session.pointee.variant
        let isPartUseless = variant.compression != .none || variant.encoding == .protobuf
        kept = isPartUseless ? max(most, Self.maximumKept) : most
        messages = SentMessages(variant.separation, keeping: kept)
        skipped = session.pointee.outbound.begun
    }

    // MARK: What the client sends

    func received(_ opcode: Opcode?, _ kind: StaticString?, _ payload: UnsafeRawBufferPointer) {
        shown.show(payload.count) {
            .record(
                Record(
                    isIncoming: true, time: WallClock.milliseconds, opcode: opcode, kind: kind, isCompressed: false,
                    bytes: payload.count, kept: Array(payload.prefix(kept))))
        }
    }

    // MARK: What it is sent

    /// The queue is about to be handed to the socket.
    func willSend(_ outbound: Outbound) {
        outbound.forEachPiece(most: Self.maximumPieces) { piece in
            piece.block.retain()
            pieces.append(piece)
        }
    }

    /// The socket took so many bytes of it.
    func sent(_ count: Int, _ outbound: Outbound) {
        var left = count
        for piece in pieces {
            let part = min(left, piece.count)
            if part > 0 { take(UnsafeRawBufferPointer(start: piece.block.start + piece.start, count: part)) }
            left -= part
            piece.block.release()
        }
        pieces.removeAll(keepingCapacity: pieces.count <= 64)
        guard left > 0 else { return }
        // More pieces than are looked at went out together. What comes next is known again from where one begins.
        shown.leaveOut(left)
        messages = SentMessages(variant.separation, keeping: kept)
        skipped = outbound.begun
    }

    private func take(_ bytes: UnsafeRawBufferPointer) {
        let known = min(skipped, bytes.count)
        skipped -= known
        if known > 0, skipped == 0 { shown.leaveOut(known) }
        messages.take(UnsafeRawBufferPointer(rebasing: bytes[known...])) { message in
            let kind: StaticString? =
                switch variant.separation {
                case .frames: nil
                case .events: "event"
                case .lines: "line"
                case .lengths, .records: "message"
                }
            shown.show(message.bytes) {
                .record(
                    Record(
                        isIncoming: false, time: WallClock.milliseconds, opcode: message.opcode, kind: kind,
                        isCompressed: message.isCompressed, bytes: message.bytes, kept: message.kept))
            }
        }
    }

    // MARK: Its end

    func ended(_ reason: String) {
        shown.end(with: .ended(reason))
    }
}

extension Outbound {
    /// The first pieces, in order.
    func forEachPiece(most: Int, _ body: (Piece) -> Void) {
        guard let head, most > 0 else { return }
        body(head)
        guard let rest else { return }
        for index in rest.pointee.first..<min(rest.pointee.end, rest.pointee.first + most - 1) {
            body(rest.pointee.pieces[index])
        }
    }

    /// Bytes that follow those of the first piece that are on their way, up to where a message begins.
    var begun: Int {
        guard let head, head.isBegun else { return 0 }
        return head.count
    }
}
