import Codec
import Reactor

/// What a session sent and what is not carried out yet, because something it sent before is still being decided. Bounded
/// by one message and one read: the session is not read from meanwhile.
struct SuspendedInput {
    /// Commands of the message that was being carried out, behind the last one that was taken.
    var commands: [UInt8] = []
    /// Whole messages that came in requests, in their order, oldest first.
    var messages: [[UInt8]] = []
    /// Frames behind that message.
    var frames: [UInt8] = []

    var count: Int { messages.reduce(commands.count + frames.count) { $0 + Self.weight(of: $1) } }

    /// What a message counts for: the list has an entry for each.
    static func weight(of message: [UInt8]) -> Int { message.count + 64 }
}

/// The order of a session's input, and its share of the reactor's time.
///
/// A command whose outcome decides about what follows it (a `connect` that somebody else has to judge) suspends the
/// session's input. What follows is neither looked at nor queued as commands: it stays bytes until the outcome is known,
/// and is judged then as if it came only then.
extension SessionIO {
    /// How long commands, logins and TLS handshakes may take together in one turn. What is left over waits for the next
    /// turn, in its order, so that sessions that ask for much do not delay deliveries to the others.
    static var inputBudget: UInt64 { 2_000_000 }

    /// From so many channels on, opening a session and ending it takes time that the others would notice.
    static var manyChannels: Int { 8 }

    /// Nothing the session sends is carried out until `resumeInput`.
    func suspendInput(_ slot: UInt32) {
        let session = session(slot)
        guard session.pointee.phase == .open, !session.pointee.flags.contains(.suspended) else { return }
        session.pointee.flags.insert(.suspended)
        updateInterest(slot)
    }

    func isSuspended(_ slot: UInt32) -> Bool { session(slot).pointee.flags.contains(.suspended) }

    /// Keeps what came behind the command that suspended the input.
    func hold(
        _ slot: UInt32, commands: UnsafeRawBufferPointer? = nil, messages: ArraySlice<[UInt8]> = [],
        frames: UnsafeRawBufferPointer? = nil
    ) {
        let added = messages.reduce((commands?.count ?? 0) + (frames?.count ?? 0)) {
            $0 + SuspendedInput.weight(of: $1)
        }
        guard added > 0 else { return }
        let extras = makeExtras(slot)
        if extras.suspended == nil { extras.suspended = SuspendedInput() }
        if let commands { extras.suspended?.commands += commands }
        extras.suspended?.messages += messages
        if let frames { extras.suspended?.frames += frames }
        incompleteBytes += added
        _ = isIncompleteWithinLimit(slot)
    }

    /// Keeps the message that came with the request until the session is open.
    func keepFirstMessage(_ slot: UInt32, _ message: [UInt8]) {
        let extras = makeExtras(slot)
        extras.suspended = SuspendedInput(messages: [message])
        incompleteBytes += SuspendedInput.weight(of: message)
    }

    /// What the session sent is carried out again, in this turn: not at once, because whoever calls this may be in the
    /// middle of another session's input.
    func resumeInput(_ slot: UInt32) {
        guard isSuspended(slot) else { return }
        enqueueInput(slot)
    }

    /// The session is over: nothing it sent counts any more.
    func forgetInput(_ slot: UInt32) {
        admittance.forgetBody(slot)
        guard let input = takeInput(slot) else { return }
        incompleteBytes -= input.count
    }

    /// Whether messages wait that came in requests.
    func hasMessages(_ slot: UInt32) -> Bool { !(extras(slot)?.suspended?.messages ?? []).isEmpty }

    /// What the session sent and was not carried out goes to another one.
    func giveInput(_ slot: UInt32) -> SuspendedInput? {
        guard let input = takeInput(slot) else { return nil }
        incompleteBytes -= input.count
        return input
    }

    /// What came on the session's new connection before it was the session's is carried out in its turn.
    ///
    /// - Parameter isWaiting: Whether something that came before it has to be decided first: then `resumeInput` goes on.
    func takeInput(_ input: SuspendedInput?, _ slot: UInt32, isWaiting: Bool = false) {
        if let input {
            makeExtras(slot).suspended = input
            incompleteBytes += input.count
        }
        session(slot).pointee.flags.insert(.suspended)
        if isWaiting { updateInterest(slot) } else { enqueueInput(slot) }
    }

    private func takeInput(_ slot: UInt32) -> SuspendedInput? {
        guard let extras = extras(slot), let input = extras.suspended else { return nil }
        extras.suspended = nil
        return input
    }

    /// Whether the time for input of this turn is used, or others came first: then the session gets its turn later.
    func isInputDue(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) -> Bool {
        let isCostly: Bool
        switch session.pointee.phase {
        case .securing, .head, .body: isCostly = true
        case .open:
            isCostly =
                session.pointee.traits.hasCommands || session.pointee.subscriptions.count > Self.manyChannels
        default: isCostly = false
        }
        guard isCostly, inputSpent >= Self.inputBudget || inputQueueStart < inputQueue.count else { return true }
        enqueueInput(slot)
        return false
    }

    func enqueueInput(_ slot: UInt32) {
        let session = session(slot)
        guard !session.pointee.flags.contains(.queued) else { return }
        session.pointee.flags.insert(.queued)
        inputQueue.append(locator(of: slot))
    }

    /// Notes time that was spent on a session's input.
    func spent(since begin: MonotonicTime) {
        inputSpent &+= MonotonicTime.now().nanoseconds &- begin.nanoseconds
    }

    /// Goes on with the input that waits, until the time for it is used.
    ///
    /// - Returns: Whether something is left to do.
    func runInput() -> Bool {
        while inputQueueStart < inputQueue.count, inputSpent < Self.inputBudget {
            let locator = inputQueue[inputQueueStart]
            inputQueueStart += 1
            guard let session = context.table.find(locator.slot, generation: locator.generation) else { continue }
            session.pointee.flags.remove(.queued)
            if session.pointee.phase == .securing {
                admittance.secure(locator.slot, session)
            } else if session.pointee.flags.contains(.suspended) {
                goOn(locator.slot, session)
            } else if session.pointee.flags.isDisjoint(with: SessionSlot.Flags.unread) {
                if hasMessages(locator.slot) { goOn(locator.slot, session) } else { read(locator.slot, session) }
            }
        }
        inputSpent = 0
        if inputQueueStart == inputQueue.count {
            inputQueue.removeAll(keepingCapacity: inputQueue.count <= 4096)
            inputQueueStart = 0
            return false
        }
        if inputQueueStart >= 1024 {
            inputQueue.removeFirst(inputQueueStart)
            inputQueueStart = 0
        }
        return true
    }

    private func goOn(_ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        guard session.pointee.phase == .open else { return }
        session.pointee.flags.remove(.suspended)
        // Without a connection there is nothing to go on with.
        guard session.pointee.linkage != .cut else { return }
        if var input = takeInput(slot) {
            tidyExtras(slot)
            incompleteBytes -= input.count
            if !input.commands.isEmpty {
                input.commands.withUnsafeBytes {
                    receivedCommands(
                        slot, session,
                        IncomingMessage(
                            $0, isText: true, commandBytes: context.settings.frameLimits.messageBytes, isBegun: true))
                }
                guard session.pointee.phase == .open else { return }
                if session.pointee.flags.contains(.suspended) {
                    return input.frames.withUnsafeBytes { hold(slot, messages: input.messages[...], frames: $0) }
                }
            }
            if !input.messages.isEmpty {
                receivedMessages(slot, session, input.messages)
                guard session.pointee.phase == .open, !hasMessages(slot) else { return }
            }
            if !input.frames.isEmpty { input.frames.withUnsafeMutableBytes { receivedFrames(slot, session, $0) } }
            guard session.pointee.phase == .open else { return }
        }
        guard !session.pointee.flags.contains(.suspended) else { return }
        updateInterest(slot)
        if session.pointee.stream.hasPending { read(slot, session) }
    }

    /// Carries out what came in requests, until one message ends the session or has to be paid for first.
    private func receivedMessages(
        _ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>, _ messages: [[UInt8]]
    ) {
        for (index, message) in messages.enumerated() {
            guard session.pointee.phase == .open else { return }
            guard session.pointee.flags.isDisjoint(with: SessionSlot.Flags.unread) else {
                return hold(slot, messages: messages[index...])
            }
            context.counters.messagesIn &+= 1
            session.pointee.messagesIn &+= 1
            message.withUnsafeBytes { bytes in
                if context.isTracing { context.traceReceived(slot, nil, bytes, as: "request") }
                receivedCommands(
                    slot, session,
                    IncomingMessage(
                        bytes, isText: session.pointee.variant.isText,
                        commandBytes: context.settings.frameLimits.messageBytes))
            }
        }
    }

    /// Carries commands out one after the other, until one ends the session or suspends its input.
    func receivedCommands(
        _ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>, _ message: IncomingMessage
    ) {
        var message = message
        let begin = MonotonicTime.now()
        defer { spent(since: begin) }
        var left = message.rest
        while true {
            let isCounting = session.pointee.linkage.isCounting
            let machine = isCounting ? session.pointee.machine : nil
            guard let intent = session.pointee.machine.next(in: &message, hint: commands.lastPublished?.name) else {
                return
            }
            var isRepeated = false
            if isCounting, intent.isCounted {
                if let machine, life.mustWaitForRecord(slot) {
                    // As if it had not come yet.
                    session.pointee.machine = machine
                    suspendInput(slot)
                    return hold(slot, commands: left)
                }
                isRepeated = !life.isNew(slot, bytes: left.count - message.rest.count)
            }
            left = message.rest
            if isRepeated {
                commands.chargeCommand(slot, session)
            } else {
                commands.perform(intent, slot, session)
            }
            guard session.pointee.phase == .open else { return }
            if !session.pointee.flags.contains(.suspended), !intent.isPublish,
                MonotonicTime.now().nanoseconds &- begin.nanoseconds > Self.inputBudget
            {
                // The others first.
                suspendInput(slot)
                resumeInput(slot)
            }
            if session.pointee.flags.contains(.suspended) { return hold(slot, commands: message.rest) }
        }
    }
}

extension Intent {
    /// The one command that has to cost next to nothing.
    fileprivate var isPublish: Bool { if case .publish = self { true } else { false } }
}
