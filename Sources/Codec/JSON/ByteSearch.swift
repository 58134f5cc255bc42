import Glibc

/// Comparing and searching bytes eight at a time, without Foundation.
extension UnsafeRawBufferPointer {
    @inline(__always)
    func isEqual(to text: StaticString) -> Bool {
        isEqual(to: UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    func isEqual(to other: [UInt8]) -> Bool {
        count == other.count && other.withUnsafeBytes { isEqual(to: $0) }
    }

    @inline(__always)
    func isEqual(to other: UnsafeRawBufferPointer) -> Bool {
        guard count == other.count else { return false }
        var index = 0
        while index + 8 <= count {
            let own = loadUnaligned(fromByteOffset: index, as: UInt64.self)
            if own != other.loadUnaligned(fromByteOffset: index, as: UInt64.self) { return false }
            index += 8
        }
        while index < count {
            if self[index] != other[index] { return false }
            index += 1
        }
        return true
    }

    /// The first line feed from `start` on, or `count`.
    @inline(__always)
    func lineFeed(from start: Int) -> Int {
        guard start < count, let baseAddress, let found = memchr(baseAddress + start, 0x0A, count - start) else {
            return count
        }
        return found - UnsafeMutableRawPointer(mutating: baseAddress)
    }

    /// The first record separator (0x1E) from `start` on, or `count`. JSON has none inside.
    @inline(__always)
    func recordSeparator(from start: Int) -> Int {
        guard start < count, let baseAddress, let found = memchr(baseAddress + start, 0x1E, count - start) else {
            return count
        }
        return found - UnsafeMutableRawPointer(mutating: baseAddress)
    }

    /// The first line feed or carriage return from `start` on, or `count`.
    @inline(__always)
    func lineBreak(from start: Int) -> Int {
        first(
            from: start, word: { ByteWord.has(0x0A, in: $0) | ByteWord.has(0x0D, in: $0) },
            byte: { $0 == 0x0A || $0 == 0x0D })
    }

    /// The first byte from `start` on that cannot stand in a JSON string as it is (RFC 8259 7), or `count`.
    @inline(__always)
    func jsonSpecial(from start: Int) -> Int {
        first(
            from: start,
            word: {
                ByteWord.hasControl($0) | ByteWord.has(UInt8(ascii: "\""), in: $0)
                    | ByteWord.has(UInt8(ascii: "\\"), in: $0)
            },
            byte: { $0 < 0x20 || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") })
    }

    @inline(__always)
    private func first(from start: Int, word: (UInt64) -> UInt64, byte: (UInt8) -> Bool) -> Int {
        var index = start
        while index + 8 <= count {
            let found = word(UInt64(littleEndian: loadUnaligned(fromByteOffset: index, as: UInt64.self)))
            if found != 0 { return index + found.trailingZeroBitCount / 8 }
            index += 8
        }
        while index < count, !byte(self[index]) { index += 1 }
        return index
    }
}

/// Eight bytes as one number, the first one lowest. The answers are zero exactly when no byte is meant, and else their lowest
/// bit is in the first such byte; the bits above it may lie.
private enum ByteWord {
    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let highs: UInt64 = 0x8080_8080_8080_8080

    @inline(__always)
    static func has(_ byte: UInt8, in word: UInt64) -> UInt64 {
        let differences = word ^ (ones &* UInt64(byte))
        return (differences &- ones) & ~differences & highs
    }

    /// Bytes below 0x20.
    @inline(__always)
    static func hasControl(_ word: UInt64) -> UInt64 { (word &- ones &* 0x20) & ~word & highs }
}
