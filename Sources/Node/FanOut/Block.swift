/// Bytes framed once and shared by every session that gets them.
///
/// Lives on one reactor, so its reference count is a plain number: sharing a block with 10,000 sessions costs 10,000
/// additions, no atomic operation and no copy. Whoever holds a block has called `retain()` or made it, and calls
/// `release()` once.
package struct Block {
    private struct Header {
        var references: Int
        var count: Int
        /// How many ends of publications follow the bytes.
        var ends: Int
    }

    private let header: UnsafeMutablePointer<Header>

    /// A block of its own with these bytes, held once.
    ///
    /// - Parameter ends: Where each publication ends in it; only for those who may have to take it apart.
    package init(copying bytes: UnsafeRawBufferPointer, ends: [Int] = []) {
        // Outbound keeps places in it in 32 bits.
        precondition(bytes.count <= Int(UInt32.max))
        let size = MemoryLayout<Header>.size
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: size + bytes.count + ends.count * MemoryLayout<Int>.size,
            alignment: MemoryLayout<Header>.alignment)
        header = memory.bindMemory(to: Header.self, capacity: 1)
        header.initialize(to: Header(references: 1, count: bytes.count, ends: ends.count))
        if let start = bytes.baseAddress { (memory + size).copyMemory(from: start, byteCount: bytes.count) }
        ends.withUnsafeBytes {
            if let start = $0.baseAddress { (memory + size + bytes.count).copyMemory(from: start, byteCount: $0.count) }
        }
    }

    @inline(__always)
    package var count: Int { header.pointee.count }

    @inline(__always)
    package var start: UnsafeRawPointer {
        UnsafeRawPointer(header) + MemoryLayout<Header>.size
    }

    @inline(__always)
    package func retain() {
        header.pointee.references &+= 1
    }

    @inline(__always)
    package func release() {
        header.pointee.references &-= 1
        if header.pointee.references == 0 { UnsafeMutableRawPointer(header).deallocate() }
    }

    func end(_ publication: Int) -> Int {
        (start + count).loadUnaligned(fromByteOffset: publication * MemoryLayout<Int>.size, as: Int.self)
    }

    /// The first end of a publication at or behind a place; the block's own where it keeps none.
    package func end(from offset: Int) -> Int {
        for publication in 0..<header.pointee.ends where end(publication) >= offset { return end(publication) }
        return count
    }

    /// The last publication that ends in a part of the block: where it begins, and how many there are in that part,
    /// which begins and ends with publications.
    package func newest(in part: Range<Int>) -> (start: Int, publications: Int) {
        var start = part.lowerBound
        var publications = 1
        for publication in 0..<header.pointee.ends {
            let end = end(publication)
            guard end > part.lowerBound, end < part.upperBound else { continue }
            start = end
            publications += 1
        }
        return (start, publications)
    }

    /// How many hold it; for tests.
    package var references: Int { header.pointee.references }
}
