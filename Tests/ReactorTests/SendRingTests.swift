import CLinux
import Dispatch
import Glibc
import Synchronization
import Testing

@testable import Reactor

/// Whether this machine lets us have a ring: a container may not, and then there is nothing to test but that it says so.
private enum Here {
    static let whyNot: String? = {
        do throws(SendRing.Unavailable) {
            _ = try SendRing(capacity: 8)
            return nil
        } catch {
            return error.reason
        }
    }()
}

/// Sends in batches, over real sockets.
@Suite(.enabled(if: Here.whyNot == nil)) struct SendRingTests {
    /// Two ends that are connected, of which the first is ours.
    private final class Pair {
        let ours: Int32
        private(set) var theirs: Int32

        init(buffer: Int32? = nil) {
            var pair: [Int32] = [0, 0]
            precondition(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0, &pair) == 0)
            (ours, theirs) = (pair[0], pair[1])
            guard var size = buffer else { return }
            setsockopt(ours, SOL_SOCKET, SO_SNDBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        }

        func closeTheirs() {
            close(theirs)
            theirs = -1
        }

        deinit {
            close(ours)
            if theirs >= 0 { close(theirs) }
        }

        func received() -> [UInt8] {
            var all: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 65536)
            while true {
                let count = read(theirs, &buffer, buffer.count)
                if count <= 0 { return all }
                all += buffer[..<count]
            }
        }
    }

    /// Memory that stays where it is.
    private static func bytes(_ count: Int, seed: Int = 0) -> UnsafeRawBufferPointer {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 8)
        for index in 0..<count { memory[index] = UInt8(truncatingIfNeeded: index &* 31 &+ seed) }
        return UnsafeRawBufferPointer(memory)
    }

    @Test func everySocketGetsItsOwnBytesBatchAfterBatch() throws {
        let ring = try SendRing(capacity: 16)
        let pairs = (0..<100).map { _ in Pair() }
        var expected = [[UInt8]](repeating: [], count: pairs.count)
        for round in 0..<20 {
            // More than the ring holds, and not a multiple of it.
            var next = 0
            while next < pairs.count {
                let first = next
                var sent: [UnsafeRawBufferPointer] = []
                while next < pairs.count, !ring.isFull {
                    let message = Self.bytes(1 + (next * 7 + round) % 300, seed: next + round)
                    sent.append(message)
                    expected[next] += message
                    ring.add(pairs[next].ours, message)
                    next += 1
                }
                #expect(ring.count == next - first)
                let leftOut = ring.submit()
                #expect(leftOut == 0 && ring.count == 0)
                for (number, message) in sent.enumerated() {
                    #expect(ring.outcome(number) == .bytes(message.count))
                    message.deallocate()
                }
            }
        }
        for (pair, bytes) in zip(pairs, expected) { #expect(pair.received() == bytes) }
        #expect(ring.failure == nil)
    }

    /// Whatever becomes of a send, it is what becomes of one without a ring.
    @Test func outcomesAreThoseOfADirectSend() throws {
        let ring = try SendRing(capacity: 8)
        let large = Self.bytes(1 << 20)
        defer { large.deallocate() }
        func both(_ prepare: () -> Pair) -> (direct: WriteResult, batched: WriteResult, Pair, Pair) {
            let (one, other, healthy) = (prepare(), prepare(), Pair())
            let direct = Socket.send(one.ours, large)
            ring.add(other.ours, large)
            ring.add(healthy.ours, UnsafeRawBufferPointer(rebasing: large[..<10]))
            ring.submit()
            // Nobody suffers for another one.
            #expect(ring.outcome(1) == .bytes(10) && healthy.received() == Array(large[..<10]))
            return (direct, ring.outcome(0), one, other)
        }

        // More than fits.
        let partial = both { Pair(buffer: 4096) }
        #expect(partial.direct == partial.batched)
        guard case .bytes(let count) = partial.batched else { throw Failed() }
        #expect(count > 0 && count < large.count)
        #expect(partial.3.received() == Array(large[..<count]))

        // Nothing fits.
        let full = both {
            let pair = Pair(buffer: 4096)
            while case .bytes = Socket.send(pair.ours, large) {}
            return pair
        }
        #expect(full.direct == .wouldBlock && full.batched == .wouldBlock)

        // The other end is gone. There is no signal, or this process would be gone, too.
        let gone = both {
            let pair = Pair()
            pair.closeTheirs()
            return pair
        }
        #expect(gone.direct == .failed(EPIPE) && gone.batched == .failed(EPIPE))
        #expect(ring.failure == nil)
    }

    private struct Failed: Error {}

    @Test func aResetAndAClosedDescriptorFail() throws {
        let ring = try SendRing(capacity: 8)
        let listener = try Socket.listen(on: .ipv4(0x7F00_0001, port: 0), reusePort: false)
        defer { close(listener) }
        let client = try Socket.connect(to: try #require(Socket.localAddress(of: listener)))
        var ready = pollfd(fd: listener, events: Int16(POLLIN), revents: 0)
        #expect(poll(&ready, 1, 5000) == 1)
        guard case .accepted(let ours, _) = Socket.accept(listener) else { throw Failed() }
        Socket.resetOnClose(client)
        close(client)
        ready = pollfd(fd: ours, events: Int16(POLLIN), revents: 0)
        #expect(poll(&ready, 1, 5000) == 1)
        let pair = Pair()
        let message = Self.bytes(5)
        defer { message.deallocate() }
        ring.add(ours, message)
        ring.add(-1, message)
        ring.add(pair.ours, message)
        let leftOut = ring.submit()
        #expect(ring.outcome(0) == .failed(ECONNRESET) && ring.outcome(1) == .failed(EBADF))
        #expect(ring.outcome(2) == .bytes(5) && leftOut == 0)
        close(ours)
    }

    /// The next socket of a number is another one: what was sent before went to the one before.
    @Test func aNumberThatIsUsedAgainIsAnotherSocket() throws {
        let ring = try SendRing(capacity: 8)
        let (first, second) = (Pair(), Pair())
        let number = dup(first.ours)
        for (pair, seed) in [(first, 1), (second, 2), (first, 3)] {
            #expect(dup2(pair.ours, number) == number)
            let message = Self.bytes(100, seed: seed)
            ring.add(number, message)
            ring.submit()
            #expect(ring.outcome(0) == .bytes(100))
            #expect(pair.received() == Array(message))
            message.deallocate()
        }
        close(number)
        #expect(first.received().isEmpty && second.received().isEmpty)
    }

    /// A signal that comes at any moment changes nothing.
    @Test func signalsDoNotDisturb() throws {
        var action = sigaction()
        action.__sigaction_handler.sa_handler = { _ in }
        var before = sigaction()
        #expect(sigaction(SIGUSR2, &action, &before) == 0)
        defer { sigaction(SIGUSR2, &before, nil) }
        let ring = try SendRing(capacity: 16)
        let pairs = (0..<16).map { _ in Pair() }
        let stop = Atomic(false)
        let signals = Atomic(0)
        let target = pthread_self()
        let ended = DispatchSemaphore(value: 0)
        let thread = Threads.start(stackBytes: 1 << 18) {
            while !stop.load(ordering: .relaxed) {
                if pthread_kill(target, SIGUSR2) == 0 { signals.add(1, ordering: .relaxed) }
                usleep(20)
            }
            ended.signal()
        }
        #expect(thread.status == 0)
        var rounds = 0
        while rounds < 5000 || signals.load(ordering: .relaxed) < 500 {
            let message = Self.bytes(64, seed: rounds)
            for pair in pairs { ring.add(pair.ours, message) }
            ring.submit()
            for (number, pair) in pairs.enumerated() {
                #expect(ring.outcome(number) == .bytes(64))
                #expect(pair.received() == Array(message))
            }
            message.deallocate()
            rounds += 1
        }
        stop.store(true, ordering: .relaxed)
        ended.wait()
        #expect(ring.failure == nil)
    }

    /// Where the kernel stops to do it, the batch is sent all the same, each send once.
    @Test func aRingThatFailsSendsOneByOne() throws {
        let ring = try SendRing(capacity: 8)
        let pairs = (0..<5).map { _ in Pair() }
        // Something else is in its place.
        let other = Pair()
        #expect(dup2(other.ours, ring.descriptor) == ring.descriptor)
        for round in 1...2 {
            let message = Self.bytes(200, seed: round)
            defer { message.deallocate() }
            for pair in pairs { ring.add(pair.ours, message) }
            #expect(ring.submit() == 5)
            #expect(ring.failure?.reason.hasPrefix("io_uring_enter: ") == true)
            for (number, pair) in pairs.enumerated() {
                #expect(ring.outcome(number) == .bytes(200))
                #expect(pair.received() == Array(message))
            }
        }
    }

    /// It belongs to one thread; for another one it sends as without it.
    @Test func anotherThreadSendsOneByOne() throws {
        final class Box: @unchecked Sendable {
            var ring: SendRing?
        }
        let box = Box()
        let made = DispatchSemaphore(value: 0)
        let ended = DispatchSemaphore(value: 0)
        let thread = Threads.start(stackBytes: 1 << 18) {
            box.ring = try? SendRing(capacity: 8)
            made.signal()
            ended.wait()
        }
        #expect(thread.status == 0)
        made.wait()
        defer { ended.signal() }
        let ring = try #require(box.ring)
        let pair = Pair()
        let message = Self.bytes(10)
        defer { message.deallocate() }
        ring.add(pair.ours, message)
        #expect(ring.submit() == 1)
        #expect(ring.outcome(0) == .bytes(10) && pair.received() == Array(message))
        #expect(ring.failure != nil)
    }

    /// How many parts of rings this process has in its memory.
    private static func mappings() throws -> Int {
        let file = try #require(fopen("/proc/self/maps", "r"))
        defer { fclose(file) }
        var found = 0
        var line = [CChar](repeating: 0, count: 4096)
        while fgets(&line, Int32(line.count), file) != nil {
            if strstr(line, "[io_uring]") != nil { found += 1 }
        }
        return found
    }

    @Test func aRingGivesItsMemoryBack() throws {
        let before = try Self.mappings()
        let ring = try SendRing(capacity: 8)
        #expect(try Self.mappings() >= 2 && ring.capacity == 8)
        for _ in 0..<100 { _ = try SendRing(capacity: 8) }
        // Other tests have rings meanwhile, but not so many.
        #expect(try Self.mappings() < before + 100)
    }
}

@Suite struct SendRingUnavailableTests {
    @Test(
        arguments: [
            (EPERM, "2", "because the sysctl kernel.io_uring_disabled is 2"), (EPERM, "0", "A seccomp profile"),
            (EPERM, nil, "A seccomp profile"), (ENOSYS, nil, "This kernel has no io_uring"),
            (EINVAL, "0", "It needs Linux 6.1 or later"), (ENOMEM, "0", "The limit of locked memory"),
        ] as [(Int32, String?, String)])
    func itSaysWhatToDo(code: Int32, sysctl: String?, what: String) {
        let reason = SendRing.Unavailable(call: "io_uring_setup", code: code, sysctl: sysctl).reason
        #expect(reason.hasPrefix("io_uring_setup: ") && reason.contains(what), "\(reason)")
    }

    @Test func otherErrorsAreJustTold() {
        #expect(
            SendRing.Unavailable(call: "io_uring_setup", code: EMFILE, sysctl: nil).reason
                == "io_uring_setup: too many open files (EMFILE)")
    }

    @Test func aCapacityThatTheKernelDoesNotHaveIsRefused() {
        #expect(throws: SendRing.Unavailable.self) { try SendRing(capacity: 1 << 20) }
    }
}
