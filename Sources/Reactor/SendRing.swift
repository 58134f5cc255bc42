import CLinux
import Glibc

/// Sends to many sockets with one system call, through io_uring(7).
///
/// `add` fills a batch, and `submit` comes back when the kernel has done all of it: nothing that is sent has to be kept for
/// longer than that call. It does not wait for a peer, because every send is told not to (MSG_DONTWAIT), so the kernel carries
/// it out before it goes to the next one. A socket may be in a batch once. On the thread that made it only.
///
/// What the kernel does not take is sent as without a ring. So the outcome of each send is that of a `send`, always.
package final class SendRing {
    /// Why there is no ring, for people.
    package struct Unavailable: Error, Equatable {
        package let reason: String
    }

    /// The most sends in a batch.
    package let capacity: Int
    /// Sends in the batch that is being filled.
    package private(set) var count = 0
    /// Why it is of no use any more.
    package private(set) var failure: Unavailable?

    package let descriptor: Int32
    private let counters: UnsafeMutableRawBufferPointer
    private let entryMemory: UnsafeMutableRawBufferPointer
    private let entries: UnsafeMutablePointer<io_uring_sqe>
    private let completions: UnsafePointer<io_uring_cqe>
    private let submissionHead: UnsafePointer<UInt32>
    private let submissionTail: UnsafeMutablePointer<UInt32>
    private let completionHead: UnsafeMutablePointer<UInt32>
    private let completionTail: UnsafePointer<UInt32>
    private let mask: UInt32
    private let completionMask: UInt32
    /// Where the batch begins: what the kernel has taken is before it.
    private var tail: UInt32 = 0
    /// What became of each send, by its place in the ring: bytes, or a negative errno.
    private let results: UnsafeMutablePointer<Int32>

    /// No send ends with this.
    private static let isUnknown = Int32.min
    private static let sendFlags = UInt32(MSG_NOSIGNAL | MSG_DONTWAIT)

    /// Takes some pages of memory and a descriptor.
    ///
    /// - Parameter capacity: A power of two.
    package init(capacity: Int) throws(Unavailable) {
        var parameters = io_uring_params()
        parameters.flags = carillon_uring_flags
        let descriptor = carillon_uring_setup(UInt32(capacity), &parameters)
        guard descriptor >= 0 else { throw Unavailable(call: "io_uring_setup", code: -descriptor) }
        let size = max(
            Int(parameters.sq_off.array) + Int(parameters.sq_entries) * MemoryLayout<UInt32>.stride,
            Int(parameters.cq_off.cqes) + Int(parameters.cq_entries) * MemoryLayout<io_uring_cqe>.stride)
        do throws(Unavailable) {
            try Self.check(descriptor)
            counters = try Self.map(descriptor, size, at: carillon_uring_counters)
            do throws(Unavailable) {
                entryMemory = try Self.map(
                    descriptor, Int(parameters.sq_entries) * MemoryLayout<io_uring_sqe>.stride,
                    at: carillon_uring_entries)
            } catch {
                munmap(counters.baseAddress, counters.count)
                throw error
            }
        } catch {
            Socket.close(descriptor)
            throw error
        }
        self.descriptor = descriptor
        self.capacity = Int(parameters.sq_entries)
        // trap-ok: mapped memory has an address
        let start = counters.baseAddress!
        func counter(_ offset: UInt32) -> UnsafeMutablePointer<UInt32> {
            (start + Int(offset)).assumingMemoryBound(to: UInt32.self)
        }
        submissionHead = UnsafePointer(counter(parameters.sq_off.head))
        submissionTail = counter(parameters.sq_off.tail)
        completionHead = counter(parameters.cq_off.head)
        completionTail = UnsafePointer(counter(parameters.cq_off.tail))
        mask = counter(parameters.sq_off.ring_mask).pointee
        completionMask = counter(parameters.cq_off.ring_mask).pointee
        completions = UnsafePointer(
            (start + Int(parameters.cq_off.cqes)).assumingMemoryBound(to: io_uring_cqe.self))
        // trap-ok: as above
        entries = entryMemory.baseAddress!.assumingMemoryBound(to: io_uring_sqe.self)
        results = .allocate(capacity: self.capacity)
        results.initialize(repeating: Self.isUnknown, count: self.capacity)
        prepare(order: counter(parameters.sq_off.array))
    }

    /// Fills in what is the same in every send. Entry `n` of the ring is always the kernel's entry `n`, and its completion says so.
    private func prepare(order: UnsafeMutablePointer<UInt32>) {
        for place in 0..<capacity {
            order[place] = UInt32(place)
            entries[place] = io_uring_sqe()
            entries[place].opcode = carillon_uring_send
            entries[place].msg_flags = Self.sendFlags
            entries[place].user_data = UInt64(place)
        }
    }

    /// Whether the kernel knows what is needed of it and lets us have it.
    private static func check(_ descriptor: Int32) throws(Unavailable) {
        let knows = carillon_uring_knows(descriptor, carillon_uring_send)
        guard knows >= 0 else { throw Unavailable(call: "io_uring_register", code: -knows) }
        guard knows > 0 else { throw Unavailable(reason: "this kernel's io_uring cannot send") }
        let entered = carillon_uring_enter(descriptor, 0, 0, 0)
        guard entered >= 0 else { throw Unavailable(call: "io_uring_enter", code: -entered) }
    }

    private static func map(
        _ descriptor: Int32, _ size: Int, at offset: Int64
    ) throws(Unavailable) -> UnsafeMutableRawBufferPointer {
        let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED | Int32(MAP_POPULATE), descriptor, Int(offset))
        guard let memory, memory != UnsafeMutableRawPointer(bitPattern: -1) else {
            throw Unavailable(call: "mmap of a ring", code: errno)
        }
        // A child of this process has no business with it.
        madvise(memory, size, MADV_DONTFORK)
        return UnsafeMutableRawBufferPointer(start: memory, count: size)
    }

    deinit {
        munmap(entryMemory.baseAddress, entryMemory.count)
        munmap(counters.baseAddress, counters.count)
        results.deallocate()
        Socket.close(descriptor)
    }

    @inline(__always)
    package var isFull: Bool { count == capacity }

    /// Puts a send into the batch, which is not full. The bytes stay where they are until `submit` has returned.
    @inline(__always)
    package func add(_ socket: Int32, _ bytes: UnsafeRawBufferPointer) {
        let place = Int((tail &+ UInt32(truncatingIfNeeded: count)) & mask)
        entries[place].fd = socket
        entries[place].addr = UInt64(UInt(bitPattern: bytes.baseAddress))
        entries[place].len = UInt32(clamping: bytes.count)
        results[place] = Self.isUnknown
        count += 1
    }

    /// What became of a send of the last batch, by its number in it.
    @inline(__always)
    package func outcome(_ number: Int) -> WriteResult {
        let result = results[Int((begin &+ UInt32(truncatingIfNeeded: number)) & mask)]
        if result >= 0 { return .bytes(Int(result)) }
        return result == -EAGAIN ? .wouldBlock : .failed(-result)
    }

    /// Where the last batch began.
    private var begin: UInt32 = 0

    /// Sends the batch. Afterwards `outcome` says what became of each send, and the next batch begins.
    ///
    /// - Returns: How many sends the kernel did not take with the others, and were made one by one.
    @discardableResult
    package func submit() -> Int {
        let wanted = UInt32(truncatingIfNeeded: count)
        begin = tail
        count = 0
        guard wanted > 0 else { return 0 }
        let taken = failure == nil ? take(wanted) : 0
        tail = begin &+ taken
        // Entries that were not taken are taken back: the kernel looks at this only when it is asked to.
        carillon_uring_store(submissionTail, tail)
        var left = taken
        while left > 0 {
            left &-= reap()
            guard left > 0 else { break }
            let status = carillon_uring_enter(descriptor, 0, left, carillon_uring_wait)
            if status < 0, status != -EINTR {
                failure = Unavailable(call: "io_uring_enter", code: -status)
                break
            }
        }
        var leftOut = 0
        for number in 0..<wanted {
            let place = Int((begin &+ number) & mask)
            let result = results[place]
            // Without memory for its request, the kernel has not sent anything either.
            if number >= taken || result == -EINTR || result == -ECANCELED || result == -ENOMEM {
                leftOut += 1
                results[place] = sendDirectly(place)
            } else if result == Self.isUnknown {
                // Nobody knows how much of it is on its way.
                results[place] = -EIO
            }
        }
        return leftOut
    }

    /// - Returns: How many sends the kernel has taken; mostly all, and it has also done them.
    private func take(_ wanted: UInt32) -> UInt32 {
        carillon_uring_store(submissionTail, begin &+ wanted)
        var status: Int32
        repeat {
            status = carillon_uring_enter(descriptor, wanted, wanted, carillon_uring_wait)
        } while status == -EINTR && carillon_uring_load(submissionHead) == begin
        // It is out of memory for the moment, or it will never do it.
        if status < 0, ![-EINTR, -EAGAIN, -EBUSY, -ENOMEM].contains(status) {
            failure = Unavailable(call: "io_uring_enter", code: -status)
        }
        return carillon_uring_load(submissionHead) &- begin
    }

    /// Takes what has completed.
    private func reap() -> UInt32 {
        var head = completionHead.pointee
        let end = carillon_uring_load(completionTail)
        let found = end &- head
        while head != end {
            let completion = completions + Int(head & completionMask)
            results[Int(truncatingIfNeeded: completion.pointee.user_data) & Int(mask)] = completion.pointee.res
            head &+= 1
        }
        carillon_uring_store(completionHead, head)
        return found
    }

    private func sendDirectly(_ place: Int) -> Int32 {
        let bytes = UnsafeRawBufferPointer(
            start: UnsafeRawPointer(bitPattern: UInt(entries[place].addr)), count: Int(entries[place].len))
        switch Socket.send(entries[place].fd, bytes) {
        case .bytes(let count): return Int32(clamping: count)
        case .wouldBlock: return -EAGAIN
        case .failed(let code): return -code
        }
    }
}
