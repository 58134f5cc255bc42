import Codec
import Testing

@Suite struct JSONWriterTests {
    static let strings: [(String, String)] = [
        ("", "\"\""), ("abc", "\"abc\""), ("\"\\/", "\"\\\"\\\\/\""), ("\n\r\t", "\"\\n\\r\\t\""),
        ("\u{0}\u{1F}\u{7F}", "\"\\u0000\\u001f\u{7F}\""), ("é日😀", "\"é日😀\""),
        ("1234567\"", "\"1234567\\\"\""), ("12345678\"", "\"12345678\\\"\""),
    ]

    @Test(arguments: strings)
    func escapes(_ text: String, _ expected: String) {
        #expect(Written.text { JSONWriter.writeString(text, to: $0) } == expected)
        #expect(Written.text { JSONWriter.writeString(Array(text.utf8), to: $0) } == expected)
    }

    @Test func stringsComeBackAsTheyWere() {
        var numbers = SeededNumbers(state: 9)
        for _ in 0..<2000 {
            let text = String(decoding: numbers.bytes(Int.random(in: 0...60, using: &numbers)), as: UTF8.self)
            let written = Written.bytes { JSONWriter.writeString(text, to: $0) }
            #expect(JSONScannerTests.isValid(written))
            let read = written.withUnsafeBytes { bytes -> [UInt8]? in
                var scanner = JSONScanner(bytes)
                return scanner.text()
            }
            #expect(read == Array(text.utf8))
        }
    }

    @Test(arguments: [
        ("", ""), ("1", "1"), ("\n1\r\n", "1"), ("{\n  \"a\": 1,\r\n  \"b\": 2\n}", "{  \"a\": 1,  \"b\": 2}"),
        ("\n\n\n\n\n\n\n\n\n\n\n", ""), ("12345678\n12345678\r", "1234567812345678"), ("\"a\\nb\"", "\"a\\nb\""),
    ])
    func leavesLineBreaksOut(_ json: String, _ expected: String) {
        let written = Written.text { writer in
            Array(json.utf8).withUnsafeBytes { JSONWriter.writeOnOneLine($0, to: writer) }
        }
        #expect(written == expected)
    }
}
