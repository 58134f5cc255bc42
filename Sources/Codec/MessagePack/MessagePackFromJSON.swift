/// JSON as MessagePack.
extension MessagePackWriter {
    /// Writes one JSON value (RFC 8259): whole numbers as whole numbers as far as 64 bits go, all others as floating-point numbers.
    ///
    /// - Parameter json: UTF-8.
    /// - Returns: Whether it was one value, not nested deeper than `MessagePackScanner.maximumDepth`. If not, what was written of it is
    ///   to be thrown away.
    package static func writeJSON(_ json: UnsafeRawBufferPointer, to writer: ByteWriter) -> Bool {
        var scanner = JSONScanner(json)
        return writeValue(&scanner, depth: 0, to: writer) && scanner.isAtEnd
    }

    /// Calls itself for each level, of which there are few.
    private static func writeValue(_ scanner: inout JSONScanner, depth: Int, to writer: ByteWriter) -> Bool {
        guard let next = scanner.next else { return false }
        switch next {
        case UInt8(ascii: "["):
            guard depth < MessagePackScanner.maximumDepth else { return false }
            return writeArray(&scanner, depth: depth, to: writer)
        case UInt8(ascii: "{"):
            guard depth < MessagePackScanner.maximumDepth else { return false }
            return writer.container(isMap: true) {
                var count = 0
                let isWhole = scanner.members { key, scanner in
                    count += 1
                    guard let key = JSONString.unescape(key) else { return false }
                    writeText(key, to: writer)
                    return writeValue(&scanner, depth: depth + 1, to: writer)
                }
                return isWhole ? count : nil
            }
        case UInt8(ascii: "\""):
            guard let raw = scanner.string() else { return false }
            if !raw.contains(UInt8(ascii: "\\")) {
                writeText(raw, to: writer)
                return true
            }
            guard let text = JSONString.unescape(raw) else { return false }
            writeText(text, to: writer)
            return true
        case UInt8(ascii: "t"), UInt8(ascii: "f"):
            guard let value = scanner.boolean() else { return false }
            write(value, to: writer)
            return true
        case UInt8(ascii: "n"):
            guard scanner.skipValue() else { return false }
            writeNull(to: writer)
            return true
        default:
            guard let raw = scanner.value() else { return false }
            return writeNumber(raw, to: writer)
        }
    }

    private static func writeArray(_ scanner: inout JSONScanner, depth: Int, to writer: ByteWriter) -> Bool {
        writer.container(isMap: false) {
            guard scanner.skip(UInt8(ascii: "[")) else { return nil }
            if scanner.skip(UInt8(ascii: "]")) { return 0 }
            var count = 0
            repeat {
                guard writeValue(&scanner, depth: depth + 1, to: writer) else { return nil }
                count += 1
            } while scanner.skip(UInt8(ascii: ","))
            return scanner.skip(UInt8(ascii: "]")) ? count : nil
        }
    }

    /// - Parameter raw: A number that was scanned.
    private static func writeNumber(_ raw: UnsafeRawBufferPointer, to writer: ByteWriter) -> Bool {
        guard let text = String(validating: raw, as: UTF8.self) else { return false }
        if let whole = UInt64(text) {
            write(whole, to: writer)
        } else if let whole = Int64(text) {
            write(whole, to: writer)
        } else if let number = Double(text) {
            write(number, to: writer)
        } else {
            return false
        }
        return true
    }

    /// The most bytes that a JSON text becomes. A number of three bytes may take nine (`1e9`), and everything else gets no longer.
    package static func maximumBytes(ofJSON count: Int) -> Int {
        let (bytes, isTooMuch) = count.multipliedReportingOverflow(by: 3)
        return isTooMuch ? .max / 2 : bytes + 16
    }
}
