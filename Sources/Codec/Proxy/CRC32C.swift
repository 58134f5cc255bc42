/// The Castagnoli checksum (RFC 9260 appendix A, formerly RFC 4960 appendix B).
enum CRC32C {
    /// The checksum of some bytes, read as if those in `zeroed` were 0.
    ///
    /// Bit by bit: headers have a few hundred bytes, come once in a connection and seldom with a checksum.
    static func checksum(_ bytes: UnsafeRawBufferPointer, zeroed: Range<Int> = 0..<0) -> UInt32 {
        var register = UInt32.max
        for index in bytes.indices {
            register ^= zeroed.contains(index) ? 0 : UInt32(bytes[index])
            for _ in 0..<8 {
                // The polynomial 0x1EDC6F41 with its bits the other way round.
                register = register >> 1 ^ (register & 1 == 0 ? 0 : 0x82F6_3B78)
            }
        }
        return ~register
    }
}
