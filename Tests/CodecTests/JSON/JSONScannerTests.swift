import Codec
import Testing

@Suite struct JSONScannerTests {
    static func isValid(_ bytes: [UInt8]) -> Bool { bytes.withUnsafeBytes { JSONScanner.isValid($0) } }

    static func scan<Value>(_ text: String, _ body: (inout JSONScanner) -> Value) -> Value {
        Array(text.utf8).withUnsafeBytes { bytes in
            var scanner = JSONScanner(bytes)
            return body(&scanner)
        }
    }

    @Test(arguments: [
        "null", "true", "false", "0", "-0", "1", "-1", "10", "0.5", "1.25e10", "1E-2", "1e+2", "123456789012345678901",
        "\"\"", "\"a\"", "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"", "\"é日\"", "\"\u{7F}\"", "[]", "[ ]", "[1]", "[1,2]",
        "{}", "{ }", "{\"a\":1}", "{\"a\":1,\"b\":[{}]}", " \t\r\n1 \t\r\n", "{\n\"a\" :\n[ ]\n}", "[\"\\ud800\"]",
        "[[],{},\"\",0,null]",
    ])
    func accepts(_ text: String) {
        #expect(Self.isValid(Array(text.utf8)))
    }

    @Test(arguments: [
        "", " ", "nul", "nulll", "True", "tru", "01", "-", "+1", ".5", "1.", "1e", "1e+", "0x1", "1a", "NaN",
        "Infinity",
        "\"", "\"a", "a\"", "'a'", "\"\n\"", "\"\u{0}\"", "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"\\", "\"\\\"",
        "[", "]", "[1", "[1,", "[1,]", "[,1]", "[1 2]", "[}", "{", "}", "{]", "{\"a\"", "{\"a\":", "{\"a\":1",
        "{\"a\":1,",
        "{\"a\":1,}", "{a:1}", "{1:1}", "{\"a\" 1}", "{\"a\":1 \"b\":2}", "{,}", "1 2", "[] []", "{}}", "// a",
        "\u{FEFF}1",
        "{\"a\":[}]",
    ])
    func refuses(_ text: String) {
        #expect(!Self.isValid(Array(text.utf8)))
    }

    @Test func nestsThirtyTwoDeep() {
        func nested(_ depth: Int, _ open: String, _ close: String) -> [UInt8] {
            Array((String(repeating: open, count: depth) + "1" + String(repeating: close, count: depth)).utf8)
        }
        #expect(Self.isValid(nested(32, "[", "]")))
        #expect(!Self.isValid(nested(33, "[", "]")))
        #expect(Self.isValid(nested(32, "{\"a\":", "}")))
        #expect(!Self.isValid(nested(33, "{\"a\":", "}")))
        #expect(Self.isValid(nested(16, "[{\"a\":", "}]")))
        #expect(!Self.isValid([UInt8](repeating: UInt8(ascii: "["), count: 100_000)))
    }

    /// What must not stand in a string is found at every place, whatever the words it is searched in.
    @Test func findsSpecialBytesAnywhere() {
        for length in 0..<40 {
            for offset in 0..<length {
                for byte in UInt8.min...UInt8.max {
                    var inside = [UInt8](repeating: UInt8(ascii: "x"), count: length)
                    inside[offset] = byte
                    let ends = byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
                    let quoted = [UInt8(ascii: "\"")] + inside + [UInt8(ascii: "\"")]
                    guard Self.isValid(quoted) == (byte >= 0x20 && !ends) else {
                        Issue.record("byte \(byte) at \(offset) of \(length)")
                        return
                    }
                }
            }
        }
    }

    @Test func givesValuesAsTheyAreWritten() {
        let text = " { \"a\" : [1, 2 ] ,\"b\\n\":\"x\\ty\" } "
        let seen = Self.scan(text) { scanner in
            var seen: [String] = []
            let isWhole = scanner.members { key, scanner in
                guard let value = scanner.value() else { return false }
                seen.append("\(String(decoding: key, as: UTF8.self))=\(String(decoding: value, as: UTF8.self))")
                return true
            }
            return isWhole && scanner.isAtEnd ? seen : []
        }
        #expect(seen == ["a=[1, 2 ]", "b\\n=\"x\\ty\""])
    }

    static let numbers: [(String, UInt64?)] = [
        ("0", 0), (" 7 ", 7), ("18446744073709551615", .max), ("18446744073709551616", nil), ("-1", nil),
        ("1.0", nil), ("1e2", nil), ("\"1\"", nil), ("", nil), ("null", nil), ("99999999999999999999999", nil),
    ]

    @Test(arguments: numbers)
    func readsWholeNumbers(_ text: String, _ number: UInt64?) {
        #expect(Self.scan(text) { $0.unsigned() } == number)
    }

    @Test func readsBooleans() {
        #expect(Self.scan("true") { $0.boolean() } == true)
        #expect(Self.scan("false") { $0.boolean() } == false)
        for text in ["1", "null", "\"true\"", ""] { #expect(Self.scan(text) { $0.boolean() } == nil) }
    }

    static let texts: [(String, String?)] = [
        ("\"\"", ""), ("\"abc\"", "abc"), ("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\u{8}\u{C}\n\r\t"),
        ("\"\\u0041\\u00e9\\u65e5\"", "Aé日"), ("\"\\ud83d\\ude00!\"", "😀!"), ("\"\\uD83D\\uDE00\"", "😀"),
        ("\"\\ud83d\"", nil), ("\"\\ud83dx\"", nil), ("\"\\ud83d\\n\"", nil), ("\"\\ud83d\\u0041\"", nil),
        ("\"\\ude00\"", nil), ("\"\\u0000\"", "\0"), ("1", nil), ("\"", nil), ("", nil),
    ]

    @Test(arguments: texts)
    func resolvesEscapes(_ text: String, _ expected: String?) {
        #expect(Self.scan(text) { $0.text() } == expected.map { Array($0.utf8) })
    }

    @Test func readsListsOfTexts() {
        #expect(Self.scan("[]") { $0.texts() } == [])
        #expect(Self.scan(" [ \"a\" , \"\\n\" ] ") { $0.texts() } == [[0x61], [0x0A]])
        for text in ["", "[", "[\"a\"", "[\"a\",]", "[1]", "\"a\"", "{}"] {
            #expect(Self.scan(text) { $0.texts() } == nil)
        }
    }

    /// A value of random shape with its white space.
    static func value(_ depth: Int, _ numbers: inout SeededNumbers) -> String {
        let space = [" ", "", "\n", "\t\r\n"].randomElement(using: &numbers)!
        let count = Int.random(in: 0...3, using: &numbers)
        let inner: String
        switch Int.random(in: 0...(depth > 0 ? 6 : 4), using: &numbers) {
        case 0: inner = ["null", "true", "false"].randomElement(using: &numbers)!
        case 1: inner = "\(Int.random(in: -1_000_000...1_000_000, using: &numbers))"
        case 2: inner = "\(Double.random(in: -1...1, using: &numbers))"
        case 3, 4:
            let bytes = numbers.bytes(count * 5)
            inner = Written.text { JSONWriter.writeString(String(decoding: bytes, as: UTF8.self), to: $0) }
        case 5: inner = "[" + (0..<count).map { _ in value(depth - 1, &numbers) }.joined(separator: ",") + "]"
        default:
            inner =
                "{" + (0..<count).map { "\"k\($0)\":" + value(depth - 1, &numbers) }.joined(separator: ",") + "}"
        }
        return space + inner + space
    }

    @Test func acceptsWhatIsMadeByTheGrammarAndNoPartOfIt() {
        var numbers = SeededNumbers(state: 7)
        for _ in 0..<500 {
            let bytes = Array(("[" + Self.value(5, &numbers) + "]").utf8)
            #expect(Self.isValid(bytes))
            for count in bytes.indices where Self.isValid(Array(bytes[..<count])) {
                Issue.record("\(count) bytes of \(String(decoding: bytes, as: UTF8.self))")
            }
        }
    }

    @Test func nothingThatComesInCanStopIt() {
        var numbers = SeededNumbers(state: 8)
        let alphabet = Array("{}[]\",:\\u0123d8e-+.truefalsn \n".utf8)
        for _ in 0..<20_000 {
            let count = Int.random(in: 0...40, using: &numbers)
            _ = Self.isValid(numbers.bytes(count))
            let likely = (0..<count).map { _ in alphabet.randomElement(using: &numbers)! }
            _ = Self.isValid(likely)
            likely.withUnsafeBytes { bytes in
                var scanner = JSONScanner(bytes)
                _ = scanner.members { _, scanner in scanner.text() != nil }
                _ = scanner.text()
                _ = scanner.unsigned()
                _ = scanner.texts()
                _ = scanner.value()
            }
        }
    }
}
