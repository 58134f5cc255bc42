package import Codec
import Glibc

/// The payload of a measured publication: printable text that says which run it belongs to and which one it is.
///
/// It contains 8 hexadecimal digits of the run and 8 of the sequence number, and follows from them to the last byte. Text,
/// so that it passes through everything that only knows text.
package struct SequencedPayload: Sendable {
    package enum Kind: String, Sendable, CaseIterable {
        /// The digits, then a sentence over and over: cheap to make, and smaller when compressed than anything real.
        case text
        /// A JSON object with the digits as its `id` and a list of prices that differ from one payload to the next: what
        /// there is to compress in it is what there is to compress in an application's messages.
        case json

        /// The smallest payload.
        package var leastBytes: Int {
            switch self {
            case .text: SequencedPayload.headBytes
            case .json: QuotesText.minimumBytes
            }
        }

        /// What precedes the digits.
        var lead: StaticString {
            switch self {
            case .text: ""
            case .json: QuotesText.lead
            }
        }
    }

    /// The digits.
    package static let headBytes = 16

    package let kind: Kind
    package let bytes: Int
    package let run: UInt32
    /// The run's digits as they lie in memory.
    package let marker: UInt64
    /// Where they lie.
    private let offset: Int

    package init(bytes: Int, kind: Kind = .text, run: UInt32 = .random(in: 1...UInt32.max)) {
        self.bytes = max(bytes, kind.leastBytes)
        self.kind = kind
        self.run = run
        marker = Self.digits(of: run)
        offset = kind.lead.utf8CodeUnitCount
    }

    package func write(_ sequence: UInt32, to writer: ByteWriter) {
        writer.append(kind.lead)
        append(marker, to: writer)
        append(Self.digits(of: sequence), to: writer)
        let left = bytes - offset - Self.headBytes
        switch kind {
        case .text: Self.fill(left, writer)
        case .json: QuotesText.write(left, seed: UInt64(run) << 32 | UInt64(sequence), to: writer)
        }
    }

    /// Exactly `count` bytes of a sentence.
    static func fill(_ count: Int, _ writer: ByteWriter) {
        var left = count
        while left > 0 {
            let piece = min(left, filling.utf8CodeUnitCount)
            writer.append(UnsafeRawBufferPointer(start: filling.utf8Start, count: piece))
            left -= piece
        }
    }

    private static let filling: StaticString =
        "the quick brown fox jumps over the lazy dog and the bells ring for everyone who listens, "

    private func append(_ word: UInt64, to writer: ByteWriter) {
        withUnsafeBytes(of: word) { writer.append($0) }
    }

    /// The sequence number of a payload of this run, nil for anything else; looks at the digits only.
    @inline(__always)
    package func sequence(of payload: UnsafeRawPointer, bytes: Int) -> UInt32? {
        guard bytes >= offset + Self.headBytes,
            payload.loadUnaligned(fromByteOffset: offset, as: UInt64.self) == marker
        else { return nil }
        return Self.value(of: payload.loadUnaligned(fromByteOffset: offset + 8, as: UInt64.self))
    }

    /// Where a payload of this run begins in a message, and what follows its digits.
    func firstMarker(in message: UnsafeRawBufferPointer) -> (start: Int, next: Int)? {
        let first = Int32(truncatingIfNeeded: marker & 0xFF)
        var at = offset
        while message.count - at >= Self.headBytes, let base = message.baseAddress {
            guard let found = memchr(base + at, first, message.count - at - Self.headBytes + 1) else { return nil }
            at = UnsafeRawPointer(found) - base
            if message.loadUnaligned(fromByteOffset: at, as: UInt64.self) == marker {
                return (at - offset, at + Self.headBytes)
            }
            at += 1
        }
        return nil
    }

    /// The sequence number of a payload that is to the last byte what was published, nil for anything else.
    package func verifiedSequence(of payload: UnsafeRawBufferPointer, scratch: ByteWriter) -> UInt32? {
        guard payload.count == bytes, let start = payload.baseAddress,
            let sequence = sequence(of: start, bytes: payload.count)
        else { return nil }
        scratch.removeAll()
        write(sequence, to: scratch)
        return memcmp(scratch.base, start, bytes) == 0 ? sequence : nil
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
        for offset in 0..<8 {
            let nibble = UInt64(number >> (28 - UInt32(offset) * 4) & 0xF)
            let character = nibble < 10 ? 0x30 + nibble : 0x61 + nibble - 10
            word |= character << (UInt64(offset) * 8)
        }
        return UInt64(littleEndian: word)
    }
}
