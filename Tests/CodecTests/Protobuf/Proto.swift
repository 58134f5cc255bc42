/// Protobuf fields written plainly, by themselves: a second writer, for what is read.
enum Proto {
    static func varint(_ value: UInt64) -> [UInt8] {
        value < 128 ? [UInt8(value)] : [UInt8(value % 128) + 128] + varint(value / 128)
    }

    static func number(_ field: UInt64, _ value: UInt64) -> [UInt8] { varint(field * 8) + varint(value) }

    static func bytes(_ field: UInt64, _ value: [UInt8]) -> [UInt8] {
        varint(field * 8 + 2) + varint(UInt64(value.count)) + value
    }

    static func text(_ field: UInt64, _ value: String) -> [UInt8] { bytes(field, Array(value.utf8)) }

    /// Bytes from their hexadecimal digits.
    static func hex(_ digits: String) -> [UInt8] {
        var rest = digits[...]
        var bytes: [UInt8] = []
        while let byte = UInt8(rest.prefix(2), radix: 16) {
            bytes.append(byte)
            rest = rest.dropFirst(2)
        }
        return bytes
    }
}
