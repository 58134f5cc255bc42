import CLinux
import Dispatch
import Glibc
import Synchronization
import Testing

@testable import Reactor

@Suite struct ReactorTests {
    /// Written on the reactor, read by the test after it was asked for.
    final class Notes: @unchecked Sendable {
        var numbers: [Int] = []
        var isSet = false
    }

    private func running(_ body: (Reactor) async throws -> Void) async throws {
        let reactor = try Reactor(index: 0, name: "test")
        reactor.start()
        try await body(reactor)
        reactor.stop()
    }

    @Test func workFromOneThreadRunsInOrder() async throws {
        try await running { reactor in
            let notes = Notes()
            for number in 0..<10_000 { reactor.post { notes.numbers.append(number) } }
            let numbers = await reactor.perform { notes.numbers }
            #expect(numbers == Array(0..<10_000))
        }
    }

    @Test func workFromManyThreadsAllRuns() async throws {
        try await running { reactor in
            let notes = Notes()
            await withTaskGroup(of: Void.self) { group in
                for thread in 0..<8 {
                    group.addTask {
                        for number in 0..<2000 { reactor.post { notes.numbers.append(thread * 10_000 + number) } }
                    }
                }
            }
            let numbers = await reactor.perform { notes.numbers }
            #expect(numbers.count == 16_000)
            for thread in 0..<8 {
                let own = numbers.filter { $0 / 10_000 == thread }
                #expect(own == own.sorted())
            }
        }
    }

    /// Notes when its descriptor can be read.
    private final class Watcher: ReactorHandler, @unchecked Sendable {
        let notes: Notes
        let descriptor: Int32

        init(_ notes: Notes, _ descriptor: Int32) {
            self.notes = notes
            self.descriptor = descriptor
        }

        func ready(slot: UInt32, generation: UInt32, readiness: Readiness) {
            var counter: UInt64 = 0
            guard read(descriptor, &counter, 8) == 8 else { return }
            notes.numbers.append(2)
        }

        func timerFired(slot: UInt32, generation: UInt32, tag: UInt8) {}
    }

    @Test func whatWasPostedBeforeAnEventRunsBeforeIt() async throws {
        try await running { reactor in
            let notes = Notes()
            let event = eventfd(0, Int32(EFD_NONBLOCK))
            defer { close(event) }
            let watcher = Watcher(notes, event)
            await reactor.perform {
                let id = reactor.add(handler: watcher)
                #expect(throws: Never.self) {
                    try reactor.register(event, for: .readable, handler: id, slot: 0, generation: 0)
                }
            }
            // The reactor is held until both are there, so that it finds them in one turn.
            let (held, released) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
            reactor.post {
                held.signal()
                released.wait()
            }
            waitFor(held)
            reactor.post { notes.numbers.append(1) }
            var one: UInt64 = 1
            #expect(write(event, &one, 8) == 8)
            released.signal()
            while await reactor.perform({ notes.numbers.count }) < 2 {}
            #expect(await reactor.perform { notes.numbers } == [1, 2])
            await reactor.perform { reactor.deregister(event) }
        }
    }

    /// Threads may wait here; tasks may not.
    private func waitFor(_ semaphore: DispatchSemaphore) { semaphore.wait() }

    @Test func aBurstOfPostsIsOneWakeUp() throws {
        let mailbox = try Mailbox()
        for _ in 0..<1000 { mailbox.post {} }
        var counter: UInt64 = 0
        #expect(read(mailbox.descriptor, &counter, 8) == 8)
        #expect(counter == 1)
        var mail: [Mailbox.Work] = []
        mailbox.take(into: &mail)
        #expect(mail.count == 1000)
        #expect(mailbox.wakeups == 1)
        // After the mail was taken the next post wakes again.
        mailbox.post {}
        #expect(read(mailbox.descriptor, &counter, 8) == 8)
    }

    @Test func timersRingInTheirOrderAndCancelledOnesDoNot() async throws {
        try await running { reactor in
            let notes = Notes()
            await withCheckedContinuation { continuation in
                reactor.post {
                    reactor.schedule(after: .milliseconds(90)) {
                        notes.numbers.append(3)
                        continuation.resume()
                    }
                    reactor.schedule(after: .milliseconds(40)) { notes.numbers.append(2) }
                    reactor.schedule(after: .zero) { notes.numbers.append(1) }
                    let cancelled = reactor.schedule(after: .milliseconds(20)) { notes.numbers.append(9) }
                    reactor.cancel(cancelled)
                }
            }
            let numbers = await reactor.perform { notes.numbers }
            #expect(numbers == [1, 2, 3])
        }
    }

    final class Countdown: TurnWork {
        var left: Int
        let done: () -> Void
        init(_ left: Int, done: @escaping () -> Void) {
            self.left = left
            self.done = done
        }
        func turn() -> Bool {
            guard left > 0 else { return false }
            left -= 1
            if left == 0 { done() }
            return left > 0
        }
    }

    @Test func workThatIsLeftBringsTheNextTurnWithoutWaiting() async throws {
        try await running { reactor in
            let before = await reactor.perform { reactor.statistics.turns }
            // Nothing else would wake this reactor a thousand times.
            await withCheckedContinuation { continuation in
                reactor.post { reactor.add(turnWork: Countdown(1000) { continuation.resume() }) }
            }
            let after = await reactor.perform { reactor.statistics.turns }
            #expect(after - before >= 1000)
        }
    }

    @Test func itKnowsItsOwnThread() async throws {
        try await running { reactor in
            #expect(!reactor.isCurrent)
            let isCurrent = await reactor.perform { reactor.isCurrent }
            #expect(isCurrent)
        }
    }

    @Test func whatWasPostedBeforeTheStopStillRuns() throws {
        let reactor = try Reactor(index: 0, name: "test")
        reactor.start()
        let count = Atomic(0)
        for _ in 0..<100 { reactor.post { count.add(1, ordering: .relaxed) } }
        reactor.stop()
        #expect(count.load(ordering: .relaxed) == 100)
    }

    @Test(
        arguments: [(0, 0, 0), (254, 0xFF_FFFF, UInt32.max), (7, 0x12_3456, 0x89AB_CDEF)] as [(UInt8, UInt32, UInt32)])
    func registrationsKeepTheirParts(handler: UInt8, generation: UInt32, slot: UInt32) {
        let registration = Registration(
            packed: Registration(handler: handler, generation: generation, slot: slot).packed)
        #expect(registration.handler == handler)
        #expect(registration.generation == generation)
        #expect(registration.slot == slot)
    }
}
