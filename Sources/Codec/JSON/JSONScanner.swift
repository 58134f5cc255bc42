/// Reads JSON in place (RFC 8259): checks it strictly and says where each value lies, so that a payload can be passed
/// on byte for byte without being understood.
///
/// Expects bytes that are UTF-8 already (a WebSocket text message is). Nested at most 32 deep, never recursing further.
package struct JSONScanner {
    package static let maximumDepth = 32

    package let bytes: UnsafeRawBufferPointer
    package private(set) var index = 0

    package init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    /// Whether these bytes are one JSON value with nothing but white space around it.
    package static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var scanner = JSONScanner(bytes)
        return scanner.skipValue() && scanner.isAtEnd
    }

    /// Whether only white space is left.
    package var isAtEnd: Bool {
        mutating get {
            skipSpace()
            return index == bytes.count
        }
    }

    /// The next byte that is not white space.
    @inline(__always)
    package var next: UInt8? {
        mutating get {
            // Clients write JSON without white space, mostly.
            if index < bytes.count, bytes[index] > 0x20 { return bytes[index] }
            return nextAfterSpace()
        }
    }

    @inline(never)
    private mutating func nextAfterSpace() -> UInt8? {
        skipSpace()
        return index < bytes.count ? bytes[index] : nil
    }

    private mutating func skipSpace() {
        while index < bytes.count {
            switch bytes[index] {
            case 0x20, 0x09, 0x0A, 0x0D: index += 1
            default: return
            }
        }
    }

    /// Steps over a byte, if it is the next one.
    @inline(__always)
    package mutating func skip(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        index += 1
        return true
    }

    /// Calls back for each member of an object, with the key as it is written between its quotes. The callback has to
    /// step over the value.
    ///
    /// - Returns: Whether the object was whole and the callback content.
    package mutating func members(_ body: (_ key: UnsafeRawBufferPointer, _ scanner: inout JSONScanner) -> Bool) -> Bool
    {
        guard skip(UInt8(ascii: "{")) else { return false }
        if skip(UInt8(ascii: "}")) { return true }
        repeat {
            guard next == UInt8(ascii: "\""), let key = string(), skip(UInt8(ascii: ":")) else { return false }
            guard body(key, &self) else { return false }
        } while skip(UInt8(ascii: ","))
        return skip(UInt8(ascii: "}"))
    }

    /// The bytes of the next value, as they are written.
    package mutating func value() -> UnsafeRawBufferPointer? {
        skipSpace()
        let start = index
        guard skipValue() else { return nil }
        return UnsafeRawBufferPointer(rebasing: bytes[start..<index])
    }

    /// What is between the quotes of the next value, escapes and all, if it is a string.
    package mutating func string() -> UnsafeRawBufferPointer? {
        guard next == UInt8(ascii: "\"") else { return nil }
        let start = index + 1
        guard skipString() else { return nil }
        return UnsafeRawBufferPointer(rebasing: bytes[start..<(index - 1)])
    }

    /// The next value as text with its escapes resolved, if it is a string.
    package mutating func text() -> [UInt8]? {
        string().flatMap(JSONString.unescape)
    }

    /// The next value, if it is a whole number from 0 to 2^64 - 1.
    package mutating func unsigned() -> UInt64? {
        guard let raw = value(), !raw.isEmpty else { return nil }
        var number: UInt64 = 0
        for byte in raw {
            guard byte >= 0x30, byte <= 0x39 else { return nil }
            let (tens, overflow) = number.multipliedReportingOverflow(by: 10)
            let (sum, carry) = tens.addingReportingOverflow(UInt64(byte - 0x30))
            guard !overflow, !carry else { return nil }
            number = sum
        }
        return number
    }

    /// The next value, if it is a whole number from -2^31 to 2^31 - 1.
    package mutating func integer() -> Int64? {
        guard let raw = value(), let text = String(validating: raw, as: UTF8.self), let number = Int32(text),
            text.first != "+"
        else { return nil }
        return Int64(number)
    }

    package mutating func boolean() -> Bool? {
        guard let raw = value() else { return nil }
        if raw.isEqual(to: "true") { return true }
        return raw.isEqual(to: "false") ? false : nil
    }

    // MARK: Stepping over

    /// Steps over the next value.
    ///
    /// - Returns: Whether it was one.
    package mutating func skipValue() -> Bool {
        // Whether each open bracket is an object's; a value deeper than this is refused.
        var objects: UInt64 = 0
        var depth = 0
        while true {
            guard let byte = next else { return false }
            switch byte {
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                guard depth < Self.maximumDepth else { return false }
                let isObject = byte == UInt8(ascii: "{")
                index += 1
                if skip(isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) { break }
                depth += 1
                objects = objects << 1 | (isObject ? 1 : 0)
                if isObject, !skipKey() { return false }
                continue
            case UInt8(ascii: "\""):
                guard skipString() else { return false }
            case UInt8(ascii: "t"):
                guard skipWord("true") else { return false }
            case UInt8(ascii: "f"):
                guard skipWord("false") else { return false }
            case UInt8(ascii: "n"):
                guard skipWord("null") else { return false }
            default:
                guard skipNumber() else { return false }
            }
            // A value is over: so may be what it is in.
            while true {
                if depth == 0 { return true }
                let isObject = objects & 1 == 1
                if skip(UInt8(ascii: ",")) {
                    if isObject, !skipKey() { return false }
                    break
                }
                guard skip(isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else { return false }
                depth -= 1
                objects >>= 1
            }
        }
    }

    private mutating func skipKey() -> Bool {
        next == UInt8(ascii: "\"") && skipString() && skip(UInt8(ascii: ":"))
    }

    private mutating func skipWord(_ word: StaticString) -> Bool {
        let count = word.utf8CodeUnitCount
        guard index + count <= bytes.count else { return false }
        for offset in 0..<count where bytes[index + offset] != word.utf8Start[offset] { return false }
        index += count
        return true
    }

    private mutating func skipString() -> Bool {
        index += 1
        while true {
            index = bytes.jsonSpecial(from: index)
            guard index < bytes.count else { return false }
            let byte = bytes[index]
            index += 1
            if byte == UInt8(ascii: "\"") { return true }
            guard byte == UInt8(ascii: "\\"), index < bytes.count else { return false }
            let escape = bytes[index]
            index += 1
            switch escape {
            case UInt8(ascii: "u"):
                guard index + 4 <= bytes.count, (0..<4).allSatisfy({ JSONString.digit(bytes[index + $0]) != nil })
                else { return false }
                index += 4
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
                UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
                break
            default: return false
            }
        }
    }

    private mutating func skipDigits() -> Bool {
        let start = index
        while index < bytes.count, bytes[index] >= 0x30, bytes[index] <= 0x39 { index += 1 }
        return index > start
    }

    private mutating func skipNumber() -> Bool {
        func at(_ byte: UInt8) -> Bool { index < bytes.count && bytes[index] == byte }
        if at(UInt8(ascii: "-")) { index += 1 }
        if at(UInt8(ascii: "0")) { index += 1 } else if !skipDigits() { return false }
        if at(UInt8(ascii: ".")) {
            index += 1
            guard skipDigits() else { return false }
        }
        if at(UInt8(ascii: "e")) || at(UInt8(ascii: "E")) {
            index += 1
            if at(UInt8(ascii: "+")) || at(UInt8(ascii: "-")) { index += 1 }
            guard skipDigits() else { return false }
        }
        return true
    }
}

extension JSONScanner {
    /// The next value as texts, if it is an array of strings.
    package mutating func texts() -> [[UInt8]]? {
        guard skip(UInt8(ascii: "[")) else { return nil }
        if skip(UInt8(ascii: "]")) { return [] }
        var all: [[UInt8]] = []
        repeat {
            guard let text = text() else { return nil }
            all.append(text)
        } while skip(UInt8(ascii: ","))
        return skip(UInt8(ascii: "]")) ? all : nil
    }
}
