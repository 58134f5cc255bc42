/// Numbers as the Fossil delta format writes them: base 64 with digits of its own, the highest first (fossil-scm.org, "Fossil
/// Delta Format").
enum FossilNumber {
    static let digits = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~".utf8)

    /// The value of each digit; 64 for other bytes.
    private static let values: [UInt8] = {
        var values = [UInt8](repeating: 64, count: 256)
        for (value, digit) in digits.enumerated() { values[Int(digit)] = UInt8(truncatingIfNeeded: value) }
        return values
    }()

    /// How many digits a number has.
    static func width(_ number: UInt32) -> Int { max(1, (37 - number.leadingZeroBitCount) / 6) }

    static func write(_ number: UInt32, to writer: ByteWriter) {
        var shift = UInt32(clamping: width(number)) * 6
        while shift > 0 {
            shift -= 6
            writer.append(digits[Int(number >> shift & 63)])
        }
    }

    /// Reads digits from `index` on, and moves it behind them.
    ///
    /// - Returns: Nil when there is none, or the number has more than 32 bits.
    static func read(_ bytes: UnsafeRawBufferPointer, _ index: inout Int) -> UInt32? {
        let start = index
        var number: UInt32 = 0
        while index < bytes.count {
            let value = values[Int(bytes[index])]
            guard value < 64 else { break }
            guard number < 1 << 26 else { return nil }
            number = number << 6 | UInt32(value)
            index += 1
        }
        return index > start ? number : nil
    }

    /// The sum of a text's 32-bit words, big-endian and without carry, the last one filled up with zeros.
    static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        var sum: UInt32 = 0
        var index = 0
        while index + 4 <= bytes.count {
            sum &+= UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: index, as: UInt32.self))
            index += 4
        }
        var shift: UInt32 = 24
        while index < bytes.count {
            sum &+= UInt32(bytes[index]) << shift
            shift &-= 8
            index += 1
        }
        return sum
    }
}
