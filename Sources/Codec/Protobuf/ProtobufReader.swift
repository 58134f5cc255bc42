/// Reads one Protobuf message in place (protobuf.dev, "Encoding"): says where each field's value lies, and copies nothing.
///
/// Every length is compared with what is left before it is used. A message within a message is a reader of its own, made by
/// whoever knows that field, so that no message decides how deep a reader calls itself.
package struct ProtobufReader {
    package enum WireType: UInt8 {
        case varint = 0
        case fixed64 = 1
        case bytes = 2
        case groupStart = 3
        case groupEnd = 4
        case fixed32 = 5
    }

    /// What stands in front of a value.
    package struct Field: Equatable {
        /// 1 to 2^29 - 1.
        package let number: UInt32
        package let type: WireType
    }

    /// Groups within groups that are stepped over; what is nested deeper is refused.
    package static let maximumGroupDepth = 32

    package let bytes: UnsafeRawBufferPointer
    package private(set) var index = 0

    package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    package var isAtEnd: Bool { index == bytes.count }

    /// What was not read yet.
    package var rest: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[index...]) }

    /// Calls back for each field of the message, in their order. The callback has to step over the value.
    ///
    /// - Returns: Whether the message was whole and the callback content.
    package mutating func fields(_ body: (_ field: Field, _ reader: inout ProtobufReader) -> Bool) -> Bool {
        while !isAtEnd {
            guard let field = field(), field.type != .groupEnd, body(field, &self) else { return false }
        }
        return true
    }

    private mutating func field() -> Field? {
        guard let key = varint(), let short = UInt32(exactly: key),
            let type = WireType(rawValue: UInt8(truncatingIfNeeded: short & 7)), short >> 3 > 0
        else { return nil }
        return Field(number: short >> 3, type: type)
    }

    // MARK: Values

    /// A number of up to ten bytes, seven bits each, the lowest first.
    ///
    /// - Returns: Nil when it ends too early, is longer, or has more than 64 bits.
    @inline(__always)
    package mutating func varint() -> UInt64? {
        if index < bytes.count, bytes[index] < 0x80 {
            index += 1
            return UInt64(bytes[index - 1])
        }
        return longVarint()
    }

    private mutating func longVarint() -> UInt64? {
        var value: UInt64 = 0
        var shift: UInt64 = 0
        while index < bytes.count, shift < 64 {
            let byte = bytes[index]
            index += 1
            // Of the tenth byte only the lowest bit fits.
            guard shift < 63 || byte <= 1 else { return nil }
            value |= UInt64(byte & 0x7F) << shift
            if byte < 0x80 { return value }
            shift += 7
        }
        return nil
    }

    /// The value of a `uint64` field.
    package mutating func unsigned(_ field: Field) -> UInt64? {
        field.type == .varint ? varint() : nil
    }

    /// The value of a `uint32` field. One that needs more bits is refused, not cut.
    package mutating func unsigned32(_ field: Field) -> UInt32? {
        unsigned(field).flatMap { UInt32(exactly: $0) }
    }

    /// The value of an `int32` or `int64` field.
    package mutating func signed(_ field: Field) -> Int64? {
        unsigned(field).map { Int64(bitPattern: $0) }
    }

    /// The value of an `int32` field. One that needs more bits is refused, not cut.
    package mutating func signed32(_ field: Field) -> Int32? {
        signed(field).flatMap { Int32(exactly: $0) }
    }

    /// The value of a `sint64` field.
    package mutating func zigzag(_ field: Field) -> Int64? {
        unsigned(field).map { Int64(bitPattern: $0 >> 1) ^ -Int64(bitPattern: $0 & 1) }
    }

    package mutating func boolean(_ field: Field) -> Bool? {
        unsigned(field).map { $0 != 0 }
    }

    /// The value of a `bytes` field, or a message.
    package mutating func bytes(_ field: Field) -> UnsafeRawBufferPointer? {
        field.type == .bytes ? delimited() : nil
    }

    /// The value of a `string` field: UTF-8.
    package mutating func text(_ field: Field) -> UnsafeRawBufferPointer? {
        bytes(field).flatMap { UTF8Validator.isValid($0) ? $0 : nil }
    }

    /// A length and so many bytes.
    package mutating func delimited() -> UnsafeRawBufferPointer? {
        guard let length = varint(), let count = Int(exactly: length), count <= bytes.count - index else { return nil }
        index += count
        return UnsafeRawBufferPointer(rebasing: bytes[(index - count)..<index])
    }

    // MARK: Stepping over

    /// Steps over the value of a field that nobody knows.
    ///
    /// - Returns: Whether it was one.
    package mutating func skip(_ field: Field) -> Bool {
        guard field.type == .groupStart else { return skipValue(field) }
        var open = [field.number]
        while let last = open.last {
            guard let next = self.field() else { return false }
            switch next.type {
            case .groupStart:
                guard open.count < Self.maximumGroupDepth else { return false }
                open.append(next.number)
            case .groupEnd:
                guard next.number == last else { return false }
                open.removeLast()
            default:
                guard skipValue(next) else { return false }
            }
        }
        return true
    }

    private mutating func skipValue(_ field: Field) -> Bool {
        switch field.type {
        case .varint: return varint() != nil
        case .fixed64: return advance(8)
        case .fixed32: return advance(4)
        case .bytes: return delimited() != nil
        case .groupStart, .groupEnd: return false
        }
    }

    private mutating func advance(_ count: Int) -> Bool {
        guard count <= bytes.count - index else { return false }
        index += count
        return true
    }
}
