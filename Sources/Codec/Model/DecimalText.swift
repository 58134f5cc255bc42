/// A number as text, a sign and decimal digits with at most one point among them, compared exactly and in place: prices and ids
/// have more digits than a `Double`.
struct DecimalText {
    private let isNegative: Bool
    /// Without zeros in front.
    private let whole: UnsafeRawBufferPointer
    /// Without zeros at the end.
    private let fraction: UnsafeRawBufferPointer

    /// - Returns: Nil when it is no such number.
    init?(_ text: UnsafeRawBufferPointer) {
        var rest = text[...]
        var isNegative = false
        if let sign = rest.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
            isNegative = sign == UInt8(ascii: "-")
            rest.removeFirst()
        }
        let point = rest.firstIndex(of: UInt8(ascii: ".")) ?? rest.endIndex
        var whole = rest[..<point]
        var fraction = rest[point...].dropFirst()
        guard whole.allSatisfy(Self.isDigit), fraction.allSatisfy(Self.isDigit), !whole.isEmpty || !fraction.isEmpty
        else { return nil }
        while whole.first == UInt8(ascii: "0") { whole.removeFirst() }
        while fraction.last == UInt8(ascii: "0") { fraction.removeLast() }
        self.whole = UnsafeRawBufferPointer(rebasing: whole)
        self.fraction = UnsafeRawBufferPointer(rebasing: fraction)
        // There is one zero.
        self.isNegative = isNegative && !(whole.isEmpty && fraction.isEmpty)
    }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

    /// Whether it is less than another one.
    func isLess(than other: DecimalText) -> Bool {
        guard isNegative == other.isNegative else { return isNegative }
        return isNegative ? other.isSmaller(than: self) : isSmaller(than: other)
    }

    /// The same without the signs.
    private func isSmaller(than other: DecimalText) -> Bool {
        if whole.count != other.whole.count { return whole.count < other.whole.count }
        if !whole.elementsEqual(other.whole) { return whole.lexicographicallyPrecedes(other.whole) }
        return fraction.lexicographicallyPrecedes(other.fraction)
    }
}
