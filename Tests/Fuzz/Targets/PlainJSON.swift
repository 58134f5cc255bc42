import Codec

/// A second, plain reader of JSON (RFC 8259), by recursion.
struct PlainJSON {
    private var rest: ArraySlice<UInt8>

    static func isValid(_ bytes: [UInt8]) -> Bool {
        var reader = PlainJSON(rest: bytes[...])
        guard reader.value(0) else { return false }
        reader.space()
        return reader.rest.isEmpty
    }

    private mutating func space() {
        rest = rest.drop { [0x20, 0x09, 0x0A, 0x0D].contains($0) }
    }

    private mutating func take(_ text: String) -> Bool {
        guard rest.starts(with: text.utf8) else { return false }
        rest = rest.dropFirst(text.utf8.count)
        return true
    }

    private mutating func value(_ depth: Int) -> Bool {
        space()
        if take("\"") { return string() }
        for word in ["true", "false", "null"] where take(word) { return true }
        if take("[") { return list("]", depth) { $0.value(depth + 1) } }
        if take("{") {
            return list("}", depth) { reader in
                reader.space()
                guard reader.take("\""), reader.string() else { return false }
                reader.space()
                return reader.take(":") && reader.value(depth + 1)
            }
        }
        return number()
    }

    private mutating func list(_ end: String, _ depth: Int, _ element: (inout PlainJSON) -> Bool) -> Bool {
        guard depth < JSONScanner.maximumDepth else { return false }
        space()
        if take(end) { return true }
        repeat {
            guard element(&self) else { return false }
            space()
        } while take(",")
        return take(end)
    }

    private mutating func string() -> Bool {
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\"") { return true }
            if byte < 0x20 { return false }
            guard byte == UInt8(ascii: "\\") else { continue }
            guard let escape = rest.popFirst() else { return false }
            if escape == UInt8(ascii: "u") {
                let digits = rest.prefix(4)
                guard digits.count == 4, digits.allSatisfy({ "0123456789abcdefABCDEF".utf8.contains($0) }) else {
                    return false
                }
                rest = rest.dropFirst(4)
            } else if !"\"\\/bfnrt".utf8.contains(escape) {
                return false
            }
        }
        return false
    }

    private mutating func digits() -> Bool {
        let before = rest.count
        rest = rest.drop { (0x30...0x39).contains($0) }
        return rest.count < before
    }

    private mutating func number() -> Bool {
        _ = take("-")
        guard take("0") || digits() else { return false }
        if take("."), !digits() { return false }
        guard take("e") || take("E") else { return true }
        _ = take("+") || take("-")
        return digits()
    }
}
