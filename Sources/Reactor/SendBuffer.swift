/// Bytes that wait to be sent: written behind the last one, taken from the front. Owns its memory.
struct SendBuffer: ~Copyable {
    private var memory: UnsafeMutableRawBufferPointer
    private var start = 0
    private var end = 0

    private static let smallest = 1024

    init() { memory = .allocate(byteCount: Self.smallest, alignment: 16) }

    deinit { memory.deallocate() }

    var count: Int { end - start }
    var capacity: Int { memory.count }

    /// What waits; valid until the next change.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: memory[start..<end]) }

    /// Adds bytes where they stay until they are sent.
    ///
    /// - Parameter write: Fills the first bytes of the room it is given, and says how many.
    mutating func append(atMost most: Int, _ write: (UnsafeMutableRawBufferPointer) -> Int) {
        reserve(most)
        let written = write(UnsafeMutableRawBufferPointer(rebasing: memory[end..<(end + most)]))
        // trap-ok: what is written is counted by our own code, and beyond the room memory would be overwritten
        precondition(written >= 0 && written <= most, "more was written than there was room")
        end += written
    }

    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        append(atMost: bytes.count) { room in
            room.copyMemory(from: bytes)
            return bytes.count
        }
    }

    private mutating func reserve(_ more: Int) {
        guard memory.count - end < more else { return }
        let waiting = bytes
        if waiting.count + more <= memory.count / 2 {
            // There is room enough in front.
            UnsafeMutableRawBufferPointer(rebasing: memory[..<waiting.count]).copyMemory(from: waiting)
        } else {
            let larger = UnsafeMutableRawBufferPointer.allocate(
                byteCount: max(memory.count * 2, waiting.count + more), alignment: 16)
            larger.copyMemory(from: waiting)
            memory.deallocate()
            memory = larger
        }
        end = waiting.count
        start = 0
    }

    /// The first bytes are on their way.
    mutating func sent(_ count: Int) {
        // trap-ok: the system takes no more than it was offered
        precondition(count <= self.count)
        start += count
        if start == end {
            start = 0
            end = 0
        }
    }

    /// Nothing waits any more. Memory beyond a limit is given back.
    mutating func removeAll(keeping limit: Int) {
        start = 0
        end = 0
        guard memory.count > limit else { return }
        memory.deallocate()
        memory = .allocate(byteCount: Self.smallest, alignment: 16)
    }
}
