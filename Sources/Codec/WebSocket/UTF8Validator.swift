/// Checks UTF-8 as it comes in, and finds the first byte that cannot be right (RFC 3629).
package struct UTF8Validator {
    /// Continuation bytes still missing, and what the next one may be.
    private var missing: UInt8 = 0
    private var lower: UInt8 = 0x80
    private var upper: UInt8 = 0xBF

    package init() {}

    /// Whether what came so far ends between two characters.
    package var isComplete: Bool { missing == 0 }

    /// Takes the next bytes.
    ///
    /// - Returns: False when they cannot be part of UTF-8 text, whatever follows.
    package mutating func accepts(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var index = 0
        let count = bytes.count
        while index < count {
            if missing == 0 {
                // Eight ASCII bytes at a time.
                while index + 8 <= count,
                    bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self) & 0x8080_8080_8080_8080 == 0
                {
                    index += 8
                }
                if index == count { return true }
                let byte = bytes[index]
                index += 1
                guard byte >= 0x80 else { continue }
                guard begin(byte) else { return false }
            } else {
                let byte = bytes[index]
                index += 1
                guard byte >= lower, byte <= upper else { return false }
                missing -= 1
                lower = 0x80
                upper = 0xBF
            }
        }
        return true
    }

    /// The first byte of a character of two to four (RFC 3629 4: no overlong forms, no surrogates, at most U+10FFFF).
    private mutating func begin(_ byte: UInt8) -> Bool {
        lower = 0x80
        upper = 0xBF
        switch byte {
        case 0xC2...0xDF: missing = 1
        case 0xE0:
            missing = 2
            lower = 0xA0
        case 0xED:
            missing = 2
            upper = 0x9F
        case 0xE1...0xEF: missing = 2
        case 0xF0:
            missing = 3
            lower = 0x90
        case 0xF4:
            missing = 3
            upper = 0x8F
        case 0xF1...0xF3: missing = 3
        default: return false
        }
        return true
    }

    /// Whether these bytes are UTF-8 text.
    package static func isValid(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var validator = UTF8Validator()
        return validator.accepts(bytes) && validator.isComplete
    }
}
