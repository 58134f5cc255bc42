/// A message as operators may see it: what proves who somebody is (tokens) is blotted out.
package struct Redacted: Equatable, Sendable {
    package var bytes: [UInt8]
    /// Whether something is missing.
    package var isChanged: Bool

    package init(_ bytes: [UInt8], isChanged: Bool = false) {
        self.bytes = bytes
        self.isChanged = isChanged
    }

    /// Stands for what is blotted out where its length may change.
    package static let mark = Array("[redacted]".utf8)
    /// Stands for each byte of it where its length has to stay.
    package static let blot = UInt8(ascii: "*")

    /// Nothing is shown, because nobody knows where in it the tokens are.
    package static let withheld = Redacted([], isChanged: true)

    /// Blots out what looks like a JSON Web Token (RFC 7519): `eyJ…`, three parts of base64url with dots between them. One that
    /// the end of the message cuts counts too.
    package func withoutWebTokens() -> Redacted {
        let begin = Array("eyJ".utf8)
        var result = Redacted([], isChanged: isChanged)
        var index = 0
        while index < bytes.count {
            guard bytes[index...].starts(with: begin) else {
                result.bytes.append(bytes[index])
                index += 1
                continue
            }
            var end = index
            var dots = 0
            while end < bytes.count, Self.isTokenByte(bytes[end]) {
                if bytes[end] == UInt8(ascii: ".") { dots += 1 }
                end += 1
            }
            if dots >= 2 || (end == bytes.count && end - index >= Self.leastCut) {
                result.bytes += Self.mark
                result.isChanged = true
            } else {
                result.bytes += bytes[index..<end]
            }
            index = end
        }
        return result
    }

    /// Of a token that is cut, at the least; shorter ends say nothing.
    private static let leastCut = 8

    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
            true
        default: false
        }
    }
}

/// Blots out the values of some keys in text that is JSON, begins as JSON does, or is meant to be JSON.
///
/// Goes by strings and colons alone, so that a message that is cut, malformed or several values in a row hides its tokens as well.
package struct JSONRedaction {
    private let bytes: [UInt8]
    private let keys: [[UInt8]]
    private var index = 0
    private var result = Redacted([])

    /// - Parameter keys: As they are without escapes.
    package static func redact(_ bytes: [UInt8], keys: [String]) -> Redacted {
        var redaction = JSONRedaction(bytes: bytes, keys: keys.map { Array($0.utf8) })
        redaction.run()
        return redaction.result
    }

    private init(bytes: [UInt8], keys: [[UInt8]]) {
        self.bytes = bytes
        self.keys = keys
    }

    private mutating func run() {
        while index < bytes.count {
            guard bytes[index] == UInt8(ascii: "\"") else {
                result.bytes.append(bytes[index])
                index += 1
                continue
            }
            let start = index
            skipString()
            result.bytes += bytes[start..<index]
            guard isKey(bytes[start..<index]) else { continue }
            let colon = index
            skipSpace()
            guard index < bytes.count, bytes[index] == UInt8(ascii: ":") else {
                index = colon
                continue
            }
            index += 1
            skipSpace()
            result.bytes += bytes[colon..<index]
            redactValue()
        }
    }

    private mutating func redactValue() {
        let start = index
        skipValue()
        guard index > start else { return }
        result.bytes.append(UInt8(ascii: "\""))
        result.bytes += Redacted.mark
        result.bytes.append(UInt8(ascii: "\""))
        result.isChanged = true
    }

    private func isKey(_ quoted: ArraySlice<UInt8>) -> Bool {
        let inside = Array(quoted.dropFirst().dropLast())
        let name = inside.withUnsafeBytes { JSONString.unescape($0) } ?? inside
        return keys.contains { $0 == name }
    }

    private mutating func skipSpace() {
        while index < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[index]) { index += 1 }
    }

    /// To behind the closing quote, or to the end.
    private mutating func skipString() {
        index += 1
        while index < bytes.count {
            let byte = bytes[index]
            index += byte == UInt8(ascii: "\\") ? 2 : 1
            if byte == UInt8(ascii: "\"") { break }
        }
        index = min(index, bytes.count)
    }

    /// A string, or an object or array with all that is in it, or what reaches to the next comma or bracket.
    private mutating func skipValue() {
        guard index < bytes.count else { return }
        var depth = 0
        while index < bytes.count {
            switch bytes[index] {
            case UInt8(ascii: "\""):
                skipString()
                if depth == 0 { return }
                continue
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                guard depth > 0 else { return }
                depth -= 1
                if depth == 0 {
                    index += 1
                    return
                }
            case UInt8(ascii: ","), 0x0A:
                if depth == 0 { return }
            default: break
            }
            index += 1
        }
    }
}
