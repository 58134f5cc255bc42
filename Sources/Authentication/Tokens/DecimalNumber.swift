/// A JSON number as it was written (RFC 8259 6), read exactly: no floating point in between.
struct DecimalNumber {
    /// Without leading zeros, and without the point.
    private var digits: [UInt8] = []
    /// How many of the digits are in front of the point; may be negative, or more than there are.
    private var point = 0
    private var isNegative = false

    /// Exponents beyond this are as good as infinite.
    private static let largestExponent = 100_000

    /// - Parameter text: A JSON value that was scanned.
    /// - Returns: Nil for values that are no numbers.
    init?(_ text: [UInt8]) {
        var rest = text[...]
        if rest.first == UInt8(ascii: "-") {
            isNegative = true
            rest = rest.dropFirst()
        }
        guard let first = rest.first, Self.isDigit(first) else { return nil }
        let whole = rest.prefix(while: Self.isDigit)
        rest = rest[whole.endIndex...]
        var fraction: ArraySlice<UInt8> = []
        if rest.first == UInt8(ascii: ".") {
            fraction = rest.dropFirst().prefix(while: Self.isDigit)
            rest = rest[fraction.endIndex...]
        }
        let significant = whole.drop { $0 == UInt8(ascii: "0") }
        digits = Array(significant) + fraction
        point = significant.count
        guard let marker = rest.first else { return }
        guard marker | 0x20 == UInt8(ascii: "e"), let exponent = Self.exponent(rest.dropFirst()) else { return nil }
        point += exponent
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    private static func exponent(_ text: ArraySlice<UInt8>) -> Int? {
        let isNegative = text.first == UInt8(ascii: "-")
        let digits = isNegative || text.first == UInt8(ascii: "+") ? text.dropFirst() : text
        guard !digits.isEmpty, digits.allSatisfy(isDigit) else { return nil }
        var value = 0
        // trap-ok: they are digits, and a million is the most that is reached
        for digit in digits where value < largestExponent { value = value * 10 + Int(digit - 0x30) }
        value = min(value, largestExponent)
        return isNegative ? -value : value
    }

    /// The number without what is behind its point.
    ///
    /// - Parameter limit: Less than 2^62.
    /// - Returns: Nil for negative numbers and for those beyond the limit.
    func wholePart(atMost limit: Int64) -> Int64? {
        guard !isNegative else { return nil }
        var value: Int64 = 0
        for index in 0..<max(0, point) {
            if index >= digits.count, value == 0 { break }
            // trap-ok: they are digits
            value = value &* 10 &+ (index < digits.count ? Int64(digits[index] - 0x30) : 0)
            guard value <= limit else { return nil }
        }
        return value
    }
}
