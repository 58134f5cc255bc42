/// Reads MessagePack in place (specification 2.0, msgpack.org): says what each value is and where it lies.
///
/// The bytes come from outside: every length is checked against what is there, and nothing is allocated by a length that was only
/// announced. Nested at most 32 deep, as JSON is (`JSONScanner.maximumDepth`).
package struct MessagePackScanner {
    package static let maximumDepth = JSONScanner.maximumDepth

    /// What a value begins with. Of containers only the head is read: the values in it follow.
    package enum Head {
        case null
        case boolean(Bool)
        case unsigned(UInt64)
        /// Less than 0.
        case negative(Int64)
        case float(Float)
        case double(Double)
        /// Supposed to be UTF-8; not checked here.
        case text(UnsafeRawBufferPointer)
        case binary(UnsafeRawBufferPointer)
        case array(count: Int)
        /// How many pairs follow.
        case map(count: Int)
        /// A type that the specification leaves to applications, or keeps for itself (less than 0).
        case other(type: Int8, UnsafeRawBufferPointer)
    }

    package let bytes: UnsafeRawBufferPointer
    package private(set) var index = 0

    package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    package var isAtEnd: Bool { index == bytes.count }

    /// What was not read yet.
    package var rest: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[index...]) }

    /// Reads what the next value begins with.
    ///
    /// - Returns: Nil when it is cut short, or begins with the byte that begins nothing (0xC1).
    package mutating func head() -> Head? {
        guard let first = byte() else { return nil }
        switch first {
        case 0x00...0x7F: return .unsigned(UInt64(first))
        case 0x80...0x8F: return map(Int(first & 0x0F))
        case 0x90...0x9F: return array(Int(first & 0x0F))
        case 0xA0...0xBF: return take(Int(first & 0x1F)).map { .text($0) }
        case 0xC0: return .null
        case 0xC2: return .boolean(false)
        case 0xC3: return .boolean(true)
        case 0xC4...0xC6: return length(first - 0xC4).flatMap { take($0) }.map { .binary($0) }
        case 0xC7...0xC9: return length(first - 0xC7).flatMap { other($0) }
        case 0xCA: return number(UInt32.self).map { .float(Float(bitPattern: $0)) }
        case 0xCB: return number(UInt64.self).map { .double(Double(bitPattern: $0)) }
        case 0xCC: return number(UInt8.self).map { .unsigned(UInt64($0)) }
        case 0xCD: return number(UInt16.self).map { .unsigned(UInt64($0)) }
        case 0xCE: return number(UInt32.self).map { .unsigned(UInt64($0)) }
        case 0xCF: return number(UInt64.self).map { .unsigned($0) }
        case 0xD0: return number(Int8.self).map { Self.signed(Int64($0)) }
        case 0xD1: return number(Int16.self).map { Self.signed(Int64($0)) }
        case 0xD2: return number(Int32.self).map { Self.signed(Int64($0)) }
        case 0xD3: return number(Int64.self).map { Self.signed($0) }
        case 0xD4...0xD8: return other(1 << Int(first - 0xD4))
        case 0xD9...0xDB: return length(first - 0xD9).flatMap { take($0) }.map { .text($0) }
        case 0xDC: return number(UInt16.self).flatMap { array(Int($0)) }
        case 0xDD: return number(UInt32.self).flatMap { array(Int($0)) }
        case 0xDE: return number(UInt16.self).flatMap { map(Int($0)) }
        case 0xDF: return number(UInt32.self).flatMap { map(Int($0)) }
        case 0xE0...0xFF: return .negative(Int64(Int8(bitPattern: first)))
        default: return nil
        }
    }

    /// Steps over the next value.
    ///
    /// - Returns: Whether it was one, whole and not nested too deep.
    package mutating func skipValue() -> Bool {
        // Values that are still to come of each container that is open. It is a list of at most 32 numbers.
        var open: [Int] = []
        while true {
            guard let head = head() else { return false }
            var inside = 0
            switch head {
            case .array(let count): inside = count
            case .map(let count): inside = count * 2
            default: break
            }
            if inside > 0 {
                guard open.count < Self.maximumDepth else { return false }
                open.append(inside)
                continue
            }
            while let last = open.last {
                open[open.count - 1] = last - 1
                if last > 1 { break }
                open.removeLast()
            }
            if open.isEmpty { return true }
        }
    }

    /// The bytes of the next value.
    package mutating func value() -> UnsafeRawBufferPointer? {
        let start = index
        guard skipValue() else { return nil }
        return UnsafeRawBufferPointer(rebasing: bytes[start..<index])
    }

    /// The next value, if it is text in UTF-8.
    package mutating func text() -> UnsafeRawBufferPointer? {
        guard case .text(let text) = head(), UTF8Validator.isValid(text) else { return nil }
        return text
    }

    /// How many values follow, if the next value is an array.
    package mutating func arrayCount() -> Int? {
        guard case .array(let count) = head() else { return nil }
        return count
    }

    // MARK: Parts

    private static func signed(_ value: Int64) -> Head { value < 0 ? .negative(value) : .unsigned(UInt64(value)) }

    private mutating func byte() -> UInt8? {
        guard index < bytes.count else { return nil }
        defer { index += 1 }
        return bytes[index]
    }

    private mutating func number<Number: FixedWidthInteger>(_ type: Number.Type) -> Number? {
        let size = MemoryLayout<Number>.size
        guard size <= bytes.count - index else { return nil }
        defer { index += size }
        return Number(bigEndian: bytes.loadUnaligned(fromByteOffset: index, as: Number.self))
    }

    /// A length of one, two or four bytes.
    private mutating func length(_ size: UInt8) -> Int? {
        switch size {
        case 0: number(UInt8.self).map { Int($0) }
        case 1: number(UInt16.self).map { Int($0) }
        default: number(UInt32.self).map { Int($0) }
        }
    }

    private mutating func take(_ count: Int) -> UnsafeRawBufferPointer? {
        guard count <= bytes.count - index else { return nil }
        defer { index += count }
        return UnsafeRawBufferPointer(rebasing: bytes[index..<(index + count)])
    }

    /// Each value takes a byte at least: a count beyond what is left is a lie.
    private func array(_ count: Int) -> Head? { count <= bytes.count - index ? .array(count: count) : nil }

    private func map(_ count: Int) -> Head? { count <= (bytes.count - index) / 2 ? .map(count: count) : nil }

    private mutating func other(_ count: Int) -> Head? {
        guard let type = number(Int8.self), let data = take(count) else { return nil }
        return .other(type: type, data)
    }
}
