internal import COpenSSL

/// A few bytes of one connection that wait: memory only while there are any.
struct KeptBytes: ~Copyable {
    private var memory: UnsafeMutableRawPointer?
    private var start: UInt32 = 0
    private var end: UInt32 = 0

    var count: Int { Int(end - start) }

    /// Valid until the next change.
    var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: memory.map { $0 + Int(start) }, count: count)
    }

    /// Replaces what is kept by a copy; `source` may be a part of nothing that is kept.
    mutating func keep(_ source: UnsafeRawBufferPointer) {
        removeAll()
        guard source.count > 0, let start = source.baseAddress else { return }
        let copy = UnsafeMutableRawPointer.allocate(byteCount: source.count, alignment: 16)
        copy.copyMemory(from: start, byteCount: source.count)
        memory = copy
        end = UInt32(truncatingIfNeeded: source.count)
    }

    /// The first bytes are dealt with.
    mutating func remove(_ count: Int) {
        guard count < self.count else { return removeAll() }
        start += UInt32(truncatingIfNeeded: count)
    }

    mutating func removeAll() {
        memory?.deallocate()
        memory = nil
        start = 0
        end = 0
    }

    deinit { memory?.deallocate() }
}
