import Glibc

/// Walks over vectors, and says which pieces the next bytes are in.
struct Gathering {
    private let vectors: UnsafeBufferPointer<iovec>
    private var index = 0
    private var offset = 0
    private(set) var left: Int

    init(_ vectors: UnsafeBufferPointer<iovec>) {
        self.vectors = vectors
        left = vectors.reduce(0) { $0 + $1.iov_len }
    }

    /// The next bytes, piece by piece, and goes behind them. At most as many as are left.
    @inline(__always)
    mutating func take(_ count: Int, _ piece: (UnsafeRawPointer, Int) -> Void) {
        var count = min(count, left)
        left -= count
        while count > 0, index < vectors.count {
            let part = min(vectors[index].iov_len - offset, count)
            if part > 0, let start = vectors[index].iov_base {
                piece(UnsafeRawPointer(start + offset), part)
            }
            count -= part
            offset += part
            if offset == vectors[index].iov_len {
                index += 1
                offset = 0
            }
        }
    }

    /// Goes behind bytes that are dealt with.
    mutating func consume(_ count: Int) { take(count) { _, _ in } }

    /// The next bytes, at most 16 KiB and no more than are left: in place when they are in one piece, otherwise brought
    /// together. Stays where it is.
    func next(_ count: Int) -> UnsafeRawPointer? {
        var index = index
        var offset = offset
        while index < vectors.count, vectors[index].iov_len == offset {
            index += 1
            offset = 0
        }
        guard index < vectors.count, let start = vectors[index].iov_base else { return nil }
        if vectors[index].iov_len - offset >= count { return UnsafeRawPointer(start + offset) }
        guard count <= TLSRecord.contentBytes, let scratch = TLSRecordTools.scratch else { return nil }
        var walk = self
        var filled = 0
        walk.take(count) { piece, length in
            (scratch + filled).copyMemory(from: piece, byteCount: length)
            filled += length
        }
        return UnsafeRawPointer(scratch)
    }
}
