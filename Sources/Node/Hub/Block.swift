import Codec

/// Bytes framed once and shared by every session that gets them.
///
/// Lives on one reactor, so its reference count is a plain number: sharing a block with 10,000 sessions costs 10,000
/// additions, no atomic operation and no copy. Whoever holds a block has called `retain()` or made it, and calls
/// `release()` once.
package struct Block {
    private struct Header {
        var references: Int
        var count: Int
    }

    private let header: UnsafeMutablePointer<Header>

    /// A block of its own with these bytes, held once.
    package init(copying bytes: UnsafeRawBufferPointer) {
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: MemoryLayout<Header>.size + bytes.count, alignment: MemoryLayout<Header>.alignment)
        header = memory.bindMemory(to: Header.self, capacity: 1)
        header.initialize(to: Header(references: 1, count: bytes.count))
        if let start = bytes.baseAddress {
            (memory + MemoryLayout<Header>.size).copyMemory(from: start, byteCount: bytes.count)
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

    /// How many hold it; for tests.
    package var references: Int { header.pointee.references }
}
