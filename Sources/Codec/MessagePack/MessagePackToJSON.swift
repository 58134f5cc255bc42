/// MessagePack as JSON.
extension JSONWriter {
    /// Writes the next value. Binary becomes base64 in a string, and a time (extension -1) text as RFC 3339 has it; numbers that JSON
    /// does not have (NaN, infinite) become null.
    ///
    /// - Returns: Whether it was a value that JSON has a form for: text is UTF-8, keys are text or whole numbers, and it is not nested
    ///   deeper than `MessagePackScanner.maximumDepth`. If not, what was written of it is to be thrown away.
    package static func writeValue(_ scanner: inout MessagePackScanner, to writer: ByteWriter) -> Bool {
        writeValue(&scanner, depth: 0, to: writer)
    }

    /// Calls itself for each level, of which there are few.
    private static func writeValue(
        _ scanner: inout MessagePackScanner, depth: Int, to writer: ByteWriter
    ) -> Bool {
        guard let head = scanner.head() else { return false }
        switch head {
        case .null: writer.append("null")
        case .boolean(let value): if value { writer.append("true") } else { writer.append("false") }
        case .unsigned(let value): writer.append(decimal: value)
        case .negative(let value):
            writer.append("-")
            writer.append(decimal: value.magnitude)
        case .float(let value): write(value, to: writer)
        case .double(let value): write(value, to: writer)
        case .text(let text):
            guard UTF8Validator.isValid(text) else { return false }
            writeString(text, to: writer)
        case .binary(let bytes):
            writer.append(UInt8(ascii: "\""))
            Base64.write(bytes, to: writer)
            writer.append(UInt8(ascii: "\""))
        case .array(let count):
            guard depth < MessagePackScanner.maximumDepth else { return false }
            writer.append(UInt8(ascii: "["))
            for index in 0..<count {
                if index > 0 { writer.append(UInt8(ascii: ",")) }
                guard writeValue(&scanner, depth: depth + 1, to: writer) else { return false }
            }
            writer.append(UInt8(ascii: "]"))
        case .map(let count):
            guard depth < MessagePackScanner.maximumDepth else { return false }
            writer.append(UInt8(ascii: "{"))
            for index in 0..<count {
                if index > 0 { writer.append(UInt8(ascii: ",")) }
                guard writeKey(&scanner, to: writer) else { return false }
                writer.append(UInt8(ascii: ":"))
                guard writeValue(&scanner, depth: depth + 1, to: writer) else { return false }
            }
            writer.append(UInt8(ascii: "}"))
        case .other(let type, let data):
            guard type == MessagePackTime.type, let time = MessagePackTime(data) else { return false }
            time.write(to: writer)
        }
        return true
    }

    private static func writeKey(_ scanner: inout MessagePackScanner, to writer: ByteWriter) -> Bool {
        switch scanner.head() {
        case .text(let text):
            guard UTF8Validator.isValid(text) else { return false }
            writeString(text, to: writer)
        case .unsigned(let value):
            writer.append(UInt8(ascii: "\""))
            writer.append(decimal: value)
            writer.append(UInt8(ascii: "\""))
        case .negative(let value):
            writer.append("\"-")
            writer.append(decimal: value.magnitude)
            writer.append(UInt8(ascii: "\""))
        default: return false
        }
        return true
    }

    /// The shortest digits that are read as this number again.
    private static func write(_ value: some BinaryFloatingPoint & LosslessStringConvertible, to writer: ByteWriter) {
        guard value.isFinite else { return writer.append("null") }
        writer.append(text: value.description)
    }
}

/// A point in time, as MessagePack has it (specification 2.0, "Timestamp extension type").
struct MessagePackTime: Equatable {
    static let type: Int8 = -1

    /// Since 1970, without leap seconds.
    let seconds: Int64
    let nanoseconds: UInt32

    /// - Returns: Nil for what is no time, or one before the year 0 or after 9999, which RFC 3339 cannot say.
    init?(_ data: UnsafeRawBufferPointer) {
        switch data.count {
        case 4:
            seconds = Int64(UInt32(bigEndian: data.loadUnaligned(as: UInt32.self)))
            nanoseconds = 0
        case 8:
            let both = UInt64(bigEndian: data.loadUnaligned(as: UInt64.self))
            seconds = Int64(both & 0x3_FFFF_FFFF)
            nanoseconds = UInt32(truncatingIfNeeded: both >> 34)
        case 12:
            nanoseconds = UInt32(bigEndian: data.loadUnaligned(as: UInt32.self))
            seconds = Int64(bigEndian: data.loadUnaligned(fromByteOffset: 4, as: Int64.self))
        default: return nil
        }
        guard nanoseconds < 1_000_000_000, (-62_167_219_200...253_402_300_799).contains(seconds) else { return nil }
    }

    /// - Parameter milliseconds: Since 1970; nil after the year 9999.
    init?(milliseconds: UInt64) {
        guard milliseconds < 253_402_300_800_000 else { return nil }
        seconds = Int64(clamping: milliseconds / 1000)
        nanoseconds = UInt32(truncatingIfNeeded: milliseconds % 1000) * 1_000_000
    }

    /// As a JSON string: `"2026-01-31T10:20:30.5Z"` (RFC 3339).
    func write(to writer: ByteWriter) {
        let second = seconds - day * 86_400
        let date = date
        writer.append(UInt8(ascii: "\""))
        Self.write(date.year, digits: 4, to: writer)
        writer.append("-")
        Self.write(date.month, digits: 2, to: writer)
        writer.append("-")
        Self.write(date.day, digits: 2, to: writer)
        writer.append("T")
        Self.write(second / 3600, digits: 2, to: writer)
        writer.append(":")
        Self.write(second / 60 % 60, digits: 2, to: writer)
        writer.append(":")
        Self.write(second % 60, digits: 2, to: writer)
        if nanoseconds > 0 {
            var rest = nanoseconds
            var digits = 9
            while rest % 10 == 0 {
                rest /= 10
                digits -= 1
            }
            writer.append(".")
            Self.write(Int64(rest), digits: digits, to: writer)
        }
        writer.append("Z\"")
    }

    /// Days since 1970, before it less than 0.
    private var day: Int64 { seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400 }

    /// The day in the Gregorian calendar. Counted in years that begin with March, so that leap days are at their ends.
    private var date: (year: Int64, month: Int64, day: Int64) {
        let days = day + 719_468
        let era = (days >= 0 ? days : days - 146_096) / 146_097
        let ofEra = days - era * 146_097
        let yearOfEra = (ofEra - ofEra / 1460 + ofEra / 36_524 - ofEra / 146_096) / 365
        let ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let shifted = (5 * ofYear + 2) / 153
        let month = shifted < 10 ? shifted + 3 : shifted - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, ofYear - (153 * shifted + 2) / 5 + 1)
    }

    private static func write(_ value: Int64, digits: Int, to writer: ByteWriter) {
        let text = String(value)
        for _ in 0..<max(0, digits - text.utf8.count) { writer.append(UInt8(ascii: "0")) }
        writer.append(text: text)
    }
}
