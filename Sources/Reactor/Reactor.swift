import CLinux
import Glibc

/// One thread with its own epoll loop; owns its sockets.
///
/// A turn: wait for sockets, mail or time; take the mail; call the handlers of what is ready; ring the timers that are
/// due; run the turn work. Everything runs on the reactor's thread and must not block. Only `post`, `perform`,
/// `start`, `stop` and `isCurrent` may be used from elsewhere: that is why the class is `@unchecked Sendable`.
package final class Reactor: @unchecked Sendable {
    package struct Statistics: Sendable {
        package var turns: UInt64 = 0
        package var events: UInt64 = 0
        package var timers: UInt64 = 0
        package var mail: UInt64 = 0
        /// Nanoseconds not spent waiting.
        package var busy: UInt64 = 0
    }

    package struct TimerID: Hashable, Sendable { let rawValue: UInt64 }

    package let index: Int
    package let name: String
    /// When this turn began.
    package private(set) var now = MonotonicTime.now()
    /// 64 KiB of scratch for reading, shared by everything on the reactor; its content is yours until you return.
    package let readBuffer: UnsafeMutableRawBufferPointer
    package private(set) var statistics = Statistics()
    /// What sends to many sockets at once; nil where nobody has asked for it, or it cannot be had.
    package private(set) var sendRing: SendRing?

    private let epoll: Int32
    private let mailbox: Mailbox
    private var mail: [Mailbox.Work] = []
    private let events: UnsafeMutablePointer<epoll_event>
    private var handlers: [any ReactorHandler] = []
    private var turnWork: [any TurnWork] = []
    private var wheel: TimingWheel
    private var due: [TimingWheel.Entry] = []
    private var closures: [UInt64: () -> Void] = [:]
    private var nextTimer: UInt64 = 1
    private var isStopping = false
    private var thread: pthread_t?

    /// Events taken per turn.
    private static let eventsPerTurn = 512
    private static let readBufferBytes = 64 * 1024
    /// The stack of a reactor's thread, in bytes, whatever `ulimit -s` says. No parser recurses with its input, so what it needs
    /// does not depend on clients; its pages are touched only when they are used.
    package static let stackBytes = 2 * 1024 * 1024
    /// Handler numbers of the reactor's own: the mailbox, and timers with a closure.
    private static let mailboxHandler: UInt8 = 255
    private static let closureHandler: UInt8 = 254

    package init(index: Int, name: String) throws(SystemError) {
        self.index = index
        self.name = name
        epoll = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard epoll >= 0 else { throw SystemError(call: "epoll_create1", code: errno) }
        mailbox = try Mailbox()
        events = .allocate(capacity: Self.eventsPerTurn)
        readBuffer = .allocate(byteCount: Self.readBufferBytes, alignment: 64)
        wheel = TimingWheel(now: .now())
        try register(
            mailbox.descriptor, for: .readable,
            Registration(handler: Self.mailboxHandler, generation: 0, slot: 0))
    }

    deinit {
        events.deallocate()
        readBuffer.deallocate()
        Socket.close(epoll)
    }

    // MARK: From any thread

    /// Starts the thread.
    package func start() {
        precondition(thread == nil, "a reactor is started once")
        let (created, status) = Threads.start(stackBytes: Self.stackBytes) {
            carillon_name_thread(self.name)
            self.run()
        }
        // trap-ok: before anything runs; the operator is told why the node cannot start
        precondition(status == 0, "pthread_create: \(SystemError.text(of: status))")
        thread = created
    }

    /// Ends the thread after the work posted until now, and waits for it. Not from the reactor itself.
    package func stop() {
        guard let thread else { return }
        precondition(!isCurrent, "a reactor cannot wait for itself")
        post { self.isStopping = true }
        pthread_join(thread, nil)
        self.thread = nil
    }

    /// Runs a piece of work on the reactor, after everything posted before from the same thread.
    package func post(_ work: @escaping @Sendable () -> Void) { mailbox.post(work) }

    /// Runs a piece of work on the reactor and waits for its result without blocking a thread.
    package func perform<Result: Sendable>(_ body: @escaping @Sendable () -> Result) async -> Result {
        await withCheckedContinuation { continuation in post { continuation.resume(returning: body()) } }
    }

    /// Whether the caller runs on this reactor.
    package var isCurrent: Bool { thread.map { pthread_equal($0, pthread_self()) != 0 } ?? false }

    // MARK: Registration, on the reactor

    /// Adds something to call back; kept as long as the reactor.
    package func add(handler: any ReactorHandler) -> HandlerID {
        precondition(handlers.count < Int(Self.closureHandler), "a reactor has at most 254 handlers")
        handlers.append(handler)
        return HandlerID(rawValue: UInt8(handlers.count - 1))
    }

    /// Adds work for the end of each turn; done in the order of addition; kept as long as the reactor.
    package func add(turnWork work: any TurnWork) { turnWork.append(work) }

    package func register(
        _ descriptor: Int32, for readiness: Readiness, handler: HandlerID, slot: UInt32, generation: UInt32
    ) throws(SystemError) {
        try register(
            descriptor, for: readiness,
            Registration(handler: handler.rawValue, generation: generation, slot: slot))
    }

    private func register(_ descriptor: Int32, for readiness: Readiness, _ registration: Registration)
        throws(SystemError)
    {
        var event = epoll_event()
        event.events = readiness.rawValue
        event.data.u64 = registration.packed
        guard epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, &event) == 0 else {
            throw SystemError(call: "epoll_ctl add", code: errno)
        }
    }

    /// Changes what a registered descriptor is watched for.
    package func change(
        _ descriptor: Int32, to readiness: Readiness, handler: HandlerID, slot: UInt32, generation: UInt32
    ) {
        var event = epoll_event()
        event.events = readiness.rawValue
        event.data.u64 = Registration(handler: handler.rawValue, generation: generation, slot: slot).packed
        _ = epoll_ctl(epoll, EPOLL_CTL_MOD, descriptor, &event)
    }

    /// Forgets a descriptor; closing it does the same, unless it was duplicated.
    package func deregister(_ descriptor: Int32) {
        var event = epoll_event()
        _ = epoll_ctl(epoll, EPOLL_CTL_DEL, descriptor, &event)
    }

    // MARK: Sends in batches, on the reactor

    /// Makes the ring. It is closed when the thread ends.
    package func openSendRing(capacity: Int) throws(SendRing.Unavailable) {
        sendRing = try SendRing(capacity: capacity)
    }

    package func closeSendRing() { sendRing = nil }

    // MARK: Timers, on the reactor

    /// Calls the handler back, a wheel's tick late at the most.
    package func schedule(after delay: Duration, handler: HandlerID, slot: UInt32, generation: UInt32, tag: UInt8) {
        wheel.add(
            token: Registration(handler: handler.rawValue, generation: generation, slot: slot).packed,
            tag: UInt16(tag), at: .now() + delay)
    }

    /// For rare timers: costs an allocation, and can be cancelled.
    @discardableResult
    package func schedule(after delay: Duration, _ work: @escaping () -> Void) -> TimerID {
        let id = nextTimer
        nextTimer += 1
        closures[id] = work
        // A closure's number is 48 bits wide here, so the handler's byte stays free.
        wheel.add(token: UInt64(Self.closureHandler) << 56 | (id & 0xFFFF_FFFF_FFFF), tag: 0, at: .now() + delay)
        return TimerID(rawValue: id)
    }

    package func cancel(_ timer: TimerID) { closures[timer.rawValue] = nil }

    // MARK: The loop

    private func run() {
        while !isStopping { turn() }
        closeSendRing()
    }

    private var isWorkLeft = false

    private func turn() {
        let count = epoll_wait(epoll, events, Int32(Self.eventsPerTurn), isWorkLeft ? 0 : timeout())
        now = .now()
        statistics.turns &+= 1
        // What another reactor posted before it answered its client comes before what that client makes others ask here.
        if count > 0 { takeMail() }
        for index in 0..<max(0, Int(count)) {
            let event = events[index]
            let registration = Registration(packed: event.data.u64)
            if registration.handler == Self.mailboxHandler {
                mailbox.quiet()
                continue
            }
            statistics.events &+= 1
            handlers[Int(registration.handler)].ready(
                slot: registration.slot, generation: registration.generation,
                readiness: Readiness(rawValue: event.events))
        }
        takeMail()
        fireTimers()
        isWorkLeft = false
        for work in turnWork where work.turn() { isWorkLeft = true }
        statistics.busy &+= MonotonicTime.now().nanoseconds &- now.nanoseconds
    }

    private func takeMail() {
        mailbox.take(into: &mail)
        guard !mail.isEmpty else { return }
        statistics.mail &+= UInt64(mail.count)
        for work in mail { work() }
        mail.removeAll(keepingCapacity: mail.count <= 1024)
    }

    private func fireTimers() {
        wheel.advance(to: now, into: &due)
        guard !due.isEmpty else { return }
        statistics.timers &+= UInt64(due.count)
        let firing = due
        due.removeAll(keepingCapacity: due.count <= 4096)
        for entry in firing {
            let registration = Registration(packed: entry.token)
            if registration.handler == Self.closureHandler {
                closures.removeValue(forKey: entry.token & 0xFFFF_FFFF_FFFF)?()
            } else {
                handlers[Int(registration.handler)].timerFired(
                    slot: registration.slot, generation: registration.generation,
                    tag: UInt8(truncatingIfNeeded: entry.tag))
            }
        }
    }

    /// How long to wait for events, in milliseconds; -1 is for ever.
    private func timeout() -> Int32 {
        guard let next = wheel.nextDue else { return -1 }
        let current = MonotonicTime.now()
        guard next > current else { return 0 }
        return Int32(clamping: (next.nanoseconds - current.nanoseconds + 999_999) / 1_000_000)
    }
}
