/// The number of a publication in its channel's history: 0 before the first one, at most 2^53-1.
///
/// Redis counts in scripts, and scripts count in doubles, so no history has a number beyond that. Offsets come from clients,
/// from the API and from Redis. A value of this type is valid, whoever sent it, and nothing that can be done with it
/// overflows.
package struct Offset: Hashable, Comparable, Sendable {
    package let value: UInt64

    /// The largest one, 2^53-1.
    package static let max = Offset(clamping: UInt64.max)
    /// Before the first publication.
    package static let zero = Offset(clamping: 0 as UInt64)
    private static var largest: UInt64 { (1 << 53) - 1 }

    /// - Returns: Nil for what is larger than `max`.
    package init?(exactly value: UInt64) {
        guard value <= Self.largest else { return nil }
        self.value = value
    }

    /// Takes `max` for everything beyond it, and 0 for what is negative.
    package init(clamping value: some BinaryInteger) {
        self.value = min(UInt64(clamping: value), Self.largest)
    }

    /// Reads decimal digits, and nothing but digits.
    ///
    /// - Returns: Nil when it is not such a number, or is larger than `max`.
    package init?(decimal digits: some Collection<UInt8>) {
        guard (1...16).contains(digits.count) else { return nil }
        var value: UInt64 = 0
        for digit in digits {
            guard (0x30...0x39).contains(digit) else { return nil }
            // At most 16 digits: far from an overflow.
            value = value * 10 + UInt64(digit - 0x30)
        }
        self.init(exactly: value)
    }

    /// The one after it; nil after `max`.
    package var next: Offset? { Offset(exactly: value + 1) }

    /// The one before it; nil before the first.
    package var previous: Offset? { value == 0 ? nil : Offset(exactly: value - 1) }

    /// Whether it is the one right after another.
    @inline(__always)
    package func follows(_ other: Offset) -> Bool { value == other.value + 1 }

    /// How many there are up to a later one; 0 when that is not later.
    package func count(to later: Offset) -> Int { later > self ? Int(clamping: later.value - value) : 0 }

    @inline(__always)
    package static func < (left: Offset, right: Offset) -> Bool { left.value < right.value }
}

extension Offset: ExpressibleByIntegerLiteral {
    /// A number in our own source.
    package init(integerLiteral value: UInt64) { self.init(clamping: value) }
}

extension Offset: CustomStringConvertible {
    package var description: String { String(value) }
}
