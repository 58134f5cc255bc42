/// Bytes being written: one growing piece of memory, reused from one message to the next.
///
/// A class so that encoders can be handed it without copies; not thread-safe, used on one thread.
package final class ByteWriter {
    package private(set) var base: UnsafeMutableRawPointer
    package private(set) var count = 0
    package private(set) var capacity: Int
    /// The memory is somebody else's.
    private var isBorrowed = false

    package init(capacity: Int = 4096) {
        self.capacity = max(capacity, 64)
        base = .allocate(byteCount: self.capacity, alignment: 16)
    }

    deinit { base.deallocate() }

    /// What was written so far; valid until the next change.
    @inline(__always)
    package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

    /// Forgets what was written. Memory beyond `keeping` bytes is given back.
    package func removeAll(keeping limit: Int = 1 << 20) {
        count = 0
        if capacity > limit, !isBorrowed {
            base.deallocate()
            capacity = max(limit, 64)
            base = .allocate(byteCount: capacity, alignment: 16)
        }
    }

    /// Writes into memory of somebody else, which it is to fit into: what is written there is not copied once more.
    ///
    /// - Returns: How many bytes were written there; nil when they did not fit, and are in `bytes` instead.
    @inline(__always)
    package func write(into room: UnsafeMutableRawBufferPointer, _ body: (ByteWriter) -> Void) -> Int? {
        guard let start = room.baseAddress, !isBorrowed else {
            removeAll()
            body(self)
            return nil
        }
        let own = (base, capacity)
        (base, capacity, count, isBorrowed) = (start, room.count, 0, true)
        body(self)
        guard isBorrowed else {
            own.0.deallocate()
            return nil
        }
        defer { (base, capacity, count, isBorrowed) = (own.0, own.1, 0, false) }
        return count
    }

    @inline(__always)
    package func reserve(_ more: Int) {
        if capacity - count < more { grow(more) }
    }

    private func grow(_ more: Int) {
        let larger = max(capacity * 2, count + more)
        let replacement = UnsafeMutableRawPointer.allocate(byteCount: larger, alignment: 16)
        replacement.copyMemory(from: base, byteCount: count)
        if isBorrowed { isBorrowed = false } else { base.deallocate() }
        base = replacement
        capacity = larger
    }

    @inline(__always)
    package func append(_ byte: UInt8) {
        reserve(1)
        base.storeBytes(of: byte, toByteOffset: count, as: UInt8.self)
        count += 1
    }

    @inline(__always)
    package func append(_ source: UnsafeRawBufferPointer) {
        guard let start = source.baseAddress, source.count > 0 else { return }
        reserve(source.count)
        (base + count).copyMemory(from: start, byteCount: source.count)
        count += source.count
    }

    package func append(_ source: [UInt8]) {
        source.withUnsafeBytes { append($0) }
    }

    @inline(__always)
    package func append(_ text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    package func append(text: String) {
        var text = text
        text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }

    /// A number in decimal digits.
    package func append(decimal value: UInt64) {
        if value < 10 { return append(UInt8(ascii: "0") + UInt8(value)) }
        withUnsafeTemporaryAllocation(byteCount: 20, alignment: 1) { digits in
            var rest = value
            var start = 20
            repeat {
                start -= 1
                digits[start] = UInt8(ascii: "0") + UInt8(truncatingIfNeeded: rest % 10)
                rest /= 10
            } while rest > 0
            append(UnsafeRawBufferPointer(rebasing: digits[start..<20]))
        }
    }

    /// A number in big-endian (network) byte order.
    @inline(__always)
    package func append(bigEndian value: some FixedWidthInteger) {
        let size = MemoryLayout.size(ofValue: value)
        reserve(size)
        withUnsafeBytes(of: value.bigEndian) { (base + count).copyMemory(from: $0.baseAddress!, byteCount: size) }
        count += size
    }

    /// Overwrites what was written before, for lengths known only afterwards.
    package func overwrite(at offset: Int, with source: UnsafeRawBufferPointer) {
        precondition(offset >= 0 && offset + source.count <= count)
        guard let start = source.baseAddress else { return }
        (base + offset).copyMemory(from: start, byteCount: source.count)
    }

    /// Counts bytes as written that were put behind the last one already.
    package func advance(_ n: Int) {
        precondition(n >= 0 && n <= capacity - count)
        count += n
    }

    /// Takes back the last bytes.
    package func removeLast(_ n: Int) {
        precondition(n <= count)
        count -= n
    }
}
