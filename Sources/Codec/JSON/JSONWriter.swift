/// Writes JSON strings (RFC 8259 7).
package enum JSONWriter {
    private static let hex = Array("0123456789abcdef".utf8)

    /// A string with its quotes. The bytes have to be UTF-8.
    package static func writeString(_ bytes: UnsafeRawBufferPointer, to writer: ByteWriter) {
        writer.append(UInt8(ascii: "\""))
        var start = 0
        while true {
            let index = bytes.jsonSpecial(from: start)
            writer.append(UnsafeRawBufferPointer(rebasing: bytes[start..<index]))
            guard index < bytes.count else { break }
            start = index + 1
            let byte = bytes[index]
            writer.append(UInt8(ascii: "\\"))
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): writer.append(byte)
            case 0x0A: writer.append(UInt8(ascii: "n"))
            case 0x0D: writer.append(UInt8(ascii: "r"))
            case 0x09: writer.append(UInt8(ascii: "t"))
            default:
                writer.append("u00")
                writer.append(hex[Int(byte >> 4)])
                writer.append(hex[Int(byte & 15)])
            }
        }
        writer.append(UInt8(ascii: "\""))
    }

    package static func writeString(_ bytes: [UInt8], to writer: ByteWriter) {
        bytes.withUnsafeBytes { writeString($0, to: writer) }
    }

    package static func writeString(_ text: String, to writer: ByteWriter) {
        var text = text
        text.withUTF8 { writeString(UnsafeRawBufferPointer($0), to: writer) }
    }

    /// A time in milliseconds since 1970 as a string: `"2026-01-31T10:20:30.5Z"` (RFC 3339); `null` after the year 9999.
    package static func writeTime(_ milliseconds: UInt64, to writer: ByteWriter) {
        guard let time = MessagePackTime(milliseconds: milliseconds) else { return writer.append("null") }
        time.write(to: writer)
    }

    /// A value that is JSON already, without the line breaks that a line-based protocol would trip over. JSON has them
    /// only between its tokens, so they can go.
    package static func writeOnOneLine(_ json: UnsafeRawBufferPointer, to writer: ByteWriter) {
        var start = 0
        while true {
            let index = json.lineBreak(from: start)
            writer.append(UnsafeRawBufferPointer(rebasing: json[start..<index]))
            guard index < json.count else { return }
            start = index + 1
        }
    }
}

/// The inside of JSON strings.
enum JSONString {
    static func digit(_ byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0"))
        case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt32(byte - UInt8(ascii: "a") + 10)
        case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt32(byte - UInt8(ascii: "A") + 10)
        default: nil
        }
    }

    /// Resolves the escapes of a string that was scanned.
    ///
    /// - Returns: Nil for surrogates without their other half, which stand for no character.
    static func unescape(_ raw: UnsafeRawBufferPointer) -> [UInt8]? {
        guard raw.contains(UInt8(ascii: "\\")) else { return Array(raw) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(raw.count)
        var index = 0
        func unit() -> UInt32? {
            guard index + 4 <= raw.count else { return nil }
            var value: UInt32 = 0
            for offset in 0..<4 {
                guard let digit = digit(raw[index + offset]) else { return nil }
                value = value << 4 | digit
            }
            index += 4
            return value
        }
        while index < raw.count {
            let byte = raw[index]
            index += 1
            guard byte == UInt8(ascii: "\\") else {
                bytes.append(byte)
                continue
            }
            guard index < raw.count else { return nil }
            let escape = raw[index]
            index += 1
            switch escape {
            case UInt8(ascii: "b"): bytes.append(8)
            case UInt8(ascii: "f"): bytes.append(12)
            case UInt8(ascii: "n"): bytes.append(10)
            case UInt8(ascii: "r"): bytes.append(13)
            case UInt8(ascii: "t"): bytes.append(9)
            case UInt8(ascii: "u"):
                guard var scalar = unit() else { return nil }
                if scalar & 0xFC00 == 0xD800 {
                    guard index + 2 <= raw.count, raw[index] == UInt8(ascii: "\\"), raw[index + 1] == UInt8(ascii: "u")
                    else { return nil }
                    index += 2
                    guard let low = unit(), low & 0xFC00 == 0xDC00 else { return nil }
                    scalar = 0x10000 + (scalar & 0x3FF) << 10 + (low & 0x3FF)
                }
                guard let character = Unicode.Scalar(scalar) else { return nil }
                bytes.append(contentsOf: String(character).utf8)
            default: bytes.append(escape)
            }
        }
        return bytes
    }
}

extension JSONWriter {
    /// How many bytes `writeString` writes, quotes included.
    package static func stringBytes(_ bytes: UnsafeRawBufferPointer) -> Int {
        var count = bytes.count + 2
        var index = bytes.jsonSpecial(from: 0)
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), 0x0A, 0x0D, 0x09: count += 1
            default: count += 5
            }
            index = bytes.jsonSpecial(from: index + 1)
        }
        return count
    }

    package static func stringBytes(_ bytes: [UInt8]) -> Int { bytes.withUnsafeBytes { stringBytes($0) } }
}
