import Codec
import Reactor

/// Reading and writing sessions: what comes in is handed to whatever the session is at the moment; what goes out is appended
/// within budgets, gathered, and flushed once a slice.
final class SessionIO: ShardPart, @unchecked Sendable {
    /// Bytes that wait in all sessions together.
    var outboundBytes = 0
    /// Bytes that the kernel holds for sessions that take no more.
    var kernelBytes = 0
    /// Payload bytes held for messages that are incomplete, in all sessions together.
    var incompleteBytes = 0
    /// Sessions to flush at the end of the slice.
    var dirty: [UInt32] = []
    /// Sessions of the batch that is being sent.
    var batch: [UInt32] = []
    /// Those of them for which more is to be done than to note that they got it.
    var unsettled: [(locator: Locator, result: Outbound.FlushResult)] = []
    /// Sessions that exceeded their budget in this slice.
    var slow: [UInt32] = []
    /// Sessions that broke the protocol in this turn.
    var failed: [(locator: Locator, error: FrameError)] = []
    /// Replies to one session that are not in its outbound yet, and whose they are; `.max` for nobody's.
    let gatheredReplies = ByteWriter(capacity: 4096)
    var repliesFor = UInt32.max
    /// What is appended now is nothing that both sides count.
    var isUncounted = false
    /// Bytes kept for clients that may come back, in all sessions together.
    var resumeBytes = 0
    /// Sessions whose input has its turn later, in this order.
    var inputQueue: [Locator] = []
    var inputQueueStart = 0
    /// Nanoseconds spent on input in this turn.
    var inputSpent: UInt64 = 0
    /// Made when the first compressed message comes.
    lazy var inflater = Inflater()

    // Whom it calls; the shard makes all of them and owns them.
    unowned(unsafe) private(set) var life: SessionLife!
    unowned(unsafe) private(set) var commands: Commands!
    unowned(unsafe) private(set) var fanOut: FanOut!
    unowned(unsafe) private(set) var admittance: Admittance!
    unowned(unsafe) private(set) var polls: Polls!

    func attach(life: SessionLife, commands: Commands, fanOut: FanOut, admittance: Admittance, polls: Polls) {
        self.polls = polls
        self.life = life
        self.commands = commands
        self.fanOut = fanOut
        self.admittance = admittance
    }

    /// Reads what came in and hands it to whatever the session is at the moment.
    func read(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        guard session.pointee.linkage.hasConnection else { return }
        if session.pointee.phase == .proxy { return admittance.readProxyHeader(slot, session) }
        guard session.pointee.subscriptions.count <= Self.manyChannels else {
            let begin = MonotonicTime.now()
            defer { spent(since: begin) }
            return readAll(slot, session)
        }
        readAll(slot, session)
    }

    private func readAll(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        let generation = session.pointee.generation
        readOnce(slot, session)
        guard session.pointee.stream.isEncrypted, context.table.find(slot, generation: generation) != nil else {
            return
        }
        // An end or a failure that came with the last bytes makes no socket readable. A session that still waits for an answer gets it first.
        if session.pointee.stream.hasPending, session.pointee.flags.isDisjoint(with: SessionSlot.Flags.unread) {
            readOnce(slot, session)
            guard context.table.find(slot, generation: generation) != nil else { return }
        }
        if !session.pointee.outbound.isEmpty, !session.pointee.flags.contains(.blocked) { markDirty(slot, session) }
    }

    private func readOnce(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        switch session.pointee.stream.read(into: reactor.readBuffer) {
        case .bytes(let count):
            context.counters.bytesIn &+= UInt64(count)
            session.pointee.bytesIn &+= UInt64(count)
            session.pointee.flags.insert(.heard)
            let bytes = UnsafeMutableRawBufferPointer(rebasing: reactor.readBuffer[..<count])
            switch session.pointee.phase {
            case .head: admittance.receivedHead(slot, session, bytes)
            case .body: admittance.receivedBody(slot, session, UnsafeRawBufferPointer(bytes))
            case .open: receivedFrames(slot, session, bytes)
            case .closing: life.discarded(slot)
            // Reading is switched off while opening, and a free slot has no socket.
            case .opening, .authenticating, .carrying, .publishing, .polling, .proxy, .securing, .free: break
            }
        case .wouldBlock:
            break
        case .end, .failed:
            life.drop(slot)
        }
    }

    /// Tells the reactor what the session waits for.
    func updateInterest(_ slot: UInt32) {
        let session = session(slot)
        guard session.pointee.linkage.hasConnection else {
            // What comes in requests waits for the same reasons as on a connection.
            let isRead = session.pointee.flags.isDisjoint(with: SessionSlot.Flags.unread)
            if session.pointee.linkage == .polled, isRead, hasMessages(slot) { enqueueInput(slot) }
            return
        }
        var readiness: Readiness = []
        if session.pointee.flags.isDisjoint(with: SessionSlot.Flags.unread) { readiness.insert(.readable) }
        if session.pointee.flags.contains(.blocked) { readiness.insert(.writable) }
        reactor.change(
            session.pointee.stream.descriptor, to: readiness, handler: context.handler, slot: slot,
            generation: session.pointee.generation)
        // What came in requests of their own waits for the same reasons.
        if readiness.contains(.readable), hasMessages(slot) || session.pointee.stream.hasPending { enqueueInput(slot) }
    }
}
