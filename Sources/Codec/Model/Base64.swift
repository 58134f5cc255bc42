/// Base64 with padding (RFC 4648 4).
package enum Base64 {
    private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    package static func isDigit(_ byte: UInt8) -> Bool { digits.contains(byte) }

    package static func encode(_ bytes: [UInt8]) -> String {
        let writer = ByteWriter(capacity: bytes.count * 4 / 3 + 8)
        bytes.withUnsafeBytes { write($0, to: writer) }
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    package static func write(_ bytes: UnsafeRawBufferPointer, to writer: ByteWriter) {
        writer.reserve((bytes.count + 2) / 3 * 4)
        digits.withUnsafeBufferPointer { digits in
            var index = 0
            while index + 3 <= bytes.count {
                let group = UInt32(bytes[index]) << 16 | UInt32(bytes[index + 1]) << 8 | UInt32(bytes[index + 2])
                writer.append(digits[Int(group >> 18)])
                writer.append(digits[Int(group >> 12 & 63)])
                writer.append(digits[Int(group >> 6 & 63)])
                writer.append(digits[Int(group & 63)])
                index += 3
            }
            let rest = bytes.count - index
            guard rest > 0 else { return }
            let group = UInt32(bytes[index]) << 16 | (rest == 2 ? UInt32(bytes[index + 1]) << 8 : 0)
            writer.append(digits[Int(group >> 18)])
            writer.append(digits[Int(group >> 12 & 63)])
            writer.append(rest == 2 ? digits[Int(group >> 6 & 63)] : UInt8(ascii: "="))
            writer.append(UInt8(ascii: "="))
        }
    }

    /// The bytes, or nil when the text is not base64 with padding.
    package static func decode(_ text: [UInt8]) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        let padding = text.suffix(2).count { $0 == UInt8(ascii: "=") }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(text.count / 4 * 3)
        var group: UInt32 = 0
        for (index, byte) in text.enumerated() {
            if index >= text.count - padding {
                guard byte == UInt8(ascii: "=") else { return nil }
                group <<= 6
            } else {
                guard let value = digits.firstIndex(of: byte) else { return nil }
                group = group << 6 | UInt32(value)
            }
            if index % 4 == 3 {
                bytes.append(UInt8(truncatingIfNeeded: group >> 16))
                bytes.append(UInt8(truncatingIfNeeded: group >> 8))
                bytes.append(UInt8(truncatingIfNeeded: group))
                group = 0
            }
        }
        bytes.removeLast(padding)
        return bytes
    }
}
