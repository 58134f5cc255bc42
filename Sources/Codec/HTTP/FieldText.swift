/// Names of headers, for those who configure them (RFC 9110 5.1).
package enum FieldName {
    package static func isOne(_ text: String) -> Bool { text.utf8.count <= 128 && FieldText.isToken(text.utf8) }
}

/// What header lines are made of (RFC 9110 5.5 and 5.6).
enum FieldText {
    /// RFC 9110 5.6.2.
    @inline(__always)
    static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."),
            UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"),
            UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "^"), UInt8(ascii: "`"),
            UInt8(ascii: "|"), UInt8(ascii: "~"):
            true
        default: false
        }
    }

    static func isToken(_ text: some Collection<UInt8>) -> Bool {
        !text.isEmpty && text.allSatisfy(isTokenByte)
    }

    /// Whether no byte could end the line or upset whoever reads it: tabs are the only control bytes.
    static func isValue(_ text: some Collection<UInt8>) -> Bool {
        text.allSatisfy { $0 == 0x09 || ($0 >= 0x20 && $0 != 0x7F) }
    }

    /// What a host and port are written with (RFC 3986 3.2.2), but for the comma, with which an intermediary would join
    /// two `Host` lines. Empty where the target has no authority (RFC 9112 3.2).
    static func isHost(_ text: some Collection<UInt8>) -> Bool {
        text.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: ":"):
                true
            default: "-._~[]%!$&'()*+;=".utf8.contains(byte)
            }
        }
    }

    /// Without spaces and tabs around it.
    static func trimmed<Text: BidirectionalCollection<UInt8>>(_ text: Text) -> Text.SubSequence {
        var rest = text[...]
        while let first = rest.first, first == 0x20 || first == 0x09 { rest = rest.dropFirst() }
        while let last = rest.last, last == 0x20 || last == 0x09 { rest = rest.dropLast() }
        return rest
    }

    /// Whether two texts are the same but for the case of ASCII letters. `lower` is in lower case.
    static func isSame(_ text: some Collection<UInt8>, lower: some Collection<UInt8>) -> Bool {
        text.elementsEqual(lower) { byte, other in
            byte == other || (byte | 0x20 == other && byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z"))
        }
    }
}
