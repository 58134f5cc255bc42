package import Codec

/// The payload of a measured publication: printable text that says which run it belongs to and which one it is.
///
/// 8 hexadecimal digits of the run and 8 of the sequence number, then filling. Text, so that it passes through
/// everything that only knows text.
package struct SequencedPayload: Sendable {
    /// The smallest payload.
    package static let headBytes = 16

    package let bytes: Int
    package let run: UInt32
    /// The run's digits as they lie in memory.
    package let marker: UInt64

    package init(bytes: Int, run: UInt32 = .random(in: 1...UInt32.max)) {
        self.bytes = max(bytes, Self.headBytes)
        self.run = run
        marker = Self.digits(of: run)
    }

    package func write(_ sequence: UInt32, to writer: ByteWriter) {
        append(marker, to: writer)
        append(Self.digits(of: sequence), to: writer)
        var left = bytes - Self.headBytes
        while left > 0 {
            let piece = min(left, Self.filling.utf8CodeUnitCount)
            writer.append(UnsafeRawBufferPointer(start: Self.filling.utf8Start, count: piece))
            left -= piece
        }
    }

    private static let filling: StaticString =
        "the quick brown fox jumps over the lazy dog and the bells ring for everyone who listens, "

    private func append(_ word: UInt64, to writer: ByteWriter) {
        withUnsafeBytes(of: word) { writer.append($0) }
    }

    /// The sequence number of a payload of this run, nil for anything else.
    @inline(__always)
    package func sequence(of payload: UnsafeRawPointer, bytes: Int) -> UInt32? {
        guard bytes >= Self.headBytes, payload.loadUnaligned(as: UInt64.self) == marker else { return nil }
        return Self.value(of: payload.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }

    /// Eight digits at once: a nibble is the low half of its character, plus 9 for letters.
    @inline(__always)
    static func value(of digits: UInt64) -> UInt32 {
        let text = UInt64(bigEndian: digits)
        var value = (text & 0x0F0F_0F0F_0F0F_0F0F) &+ 9 &* (text >> 6 & 0x0101_0101_0101_0101)
        value = (value | value >> 4) & 0x00FF_00FF_00FF_00FF
        value = (value | value >> 8) & 0x0000_FFFF_0000_FFFF
        return UInt32(truncatingIfNeeded: value | value >> 16)
    }

    /// Lower-case digits, the first one lowest in memory.
    static func digits(of number: UInt32) -> UInt64 {
        var word: UInt64 = 0
        for place in 0..<8 {
            let nibble = UInt64(number >> (28 - UInt32(place) * 4) & 0xF)
            let character = nibble < 10 ? 0x30 + nibble : 0x61 + nibble - 10
            word |= character << (UInt64(place) * 8)
        }
        return UInt64(littleEndian: word)
    }
}
