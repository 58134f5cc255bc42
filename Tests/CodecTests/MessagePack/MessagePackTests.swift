import Codec
import Testing

/// MessagePack (specification 2.0, msgpack.org), in both directions.
@Suite struct MessagePackTests {
    static func json(_ packed: [UInt8]) -> String? {
        packed.withUnsafeBytes { bytes in
            var scanner = MessagePackScanner(bytes)
            let writer = ByteWriter()
            guard JSONWriter.writeValue(&scanner, to: writer), scanner.isAtEnd else { return nil }
            return String(decoding: writer.bytes, as: UTF8.self)
        }
    }

    static func packed(_ json: String) -> [UInt8]? {
        let writer = ByteWriter()
        let isWhole = Array(json.utf8).withUnsafeBytes { MessagePackWriter.writeJSON($0, to: writer) }
        return isWhole ? Array(writer.bytes) : nil
    }

    /// Values of the specification's table of formats, and JSON for them.
    static let both: [(json: String, packed: [UInt8])] = [
        ("null", [0xC0]), ("false", [0xC2]), ("true", [0xC3]),
        ("0", [0x00]), ("127", [0x7F]), ("128", [0xCC, 0x80]), ("255", [0xCC, 0xFF]), ("256", [0xCD, 1, 0]),
        ("65535", [0xCD, 0xFF, 0xFF]), ("65536", [0xCE, 0, 1, 0, 0]), ("4294967295", [0xCE, 0xFF, 0xFF, 0xFF, 0xFF]),
        ("4294967296", [0xCF, 0, 0, 0, 1, 0, 0, 0, 0]),
        ("18446744073709551615", [0xCF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]),
        ("-1", [0xFF]), ("-32", [0xE0]), ("-33", [0xD0, 0xDF]), ("-128", [0xD0, 0x80]), ("-129", [0xD1, 0xFF, 0x7F]),
        ("-32768", [0xD1, 0x80, 0]), ("-32769", [0xD2, 0xFF, 0xFF, 0x7F, 0xFF]),
        ("-2147483649", [0xD3, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF]),
        ("-9223372036854775808", [0xD3, 0x80, 0, 0, 0, 0, 0, 0, 0]),
        ("1.5", [0xCB, 0x3F, 0xF8, 0, 0, 0, 0, 0, 0]), ("-0.25", [0xCB, 0xBF, 0xD0, 0, 0, 0, 0, 0, 0]),
        (#""""#, [0xA0]), (#""a""#, [0xA1, 97]), (#""é""#, [0xA2, 0xC3, 0xA9]),
        ("[]", [0x90]), ("[1,[2]]", [0x92, 1, 0x91, 2]), ("{}", [0x80]),
        (#"{"a":1,"b":[true]}"#, [0x82, 0xA1, 97, 1, 0xA1, 98, 0x91, 0xC3]),
    ]

    @Test(arguments: both)
    func isWrittenInTheShortestForm(_ json: String, _ packed: [UInt8]) {
        #expect(Self.packed(json) == packed)
        #expect(Self.json(packed) == json)
    }

    /// Forms that others write.
    @Test(
        arguments: [
            ("1", [0xCC, 1]), ("1", [0xD3, 0, 0, 0, 0, 0, 0, 0, 1]), ("1", [0xD0, 1]), ("-1", [0xD1, 0xFF, 0xFF]),
            (#""a""#, [0xD9, 1, 97]), (#""a""#, [0xDA, 0, 1, 97]), (#""a""#, [0xDB, 0, 0, 0, 1, 97]),
            ("[1]", [0xDC, 0, 1, 1]), ("[1]", [0xDD, 0, 0, 0, 1, 1]), (#"{"a":1}"#, [0xDE, 0, 1, 0xA1, 97, 1]),
            (#"{"a":1}"#, [0xDF, 0, 0, 0, 1, 0xA1, 97, 1]), (#"{"1":2,"-3":4}"#, [0x82, 1, 2, 0xFD, 4]),
            ("0.5", [0xCA, 0x3F, 0, 0, 0]), ("0.1", [0xCA, 0x3D, 0xCC, 0xCC, 0xCD]),
            ("null", [0xCB, 0x7F, 0xF8, 0, 0, 0, 0, 0, 0]), ("null", [0xCA, 0x7F, 0x80, 0, 0]),
            (#""AAEC""#, [0xC4, 3, 0, 1, 2]), (#""AA==""#, [0xC5, 0, 1, 0]), (#""AA==""#, [0xC6, 0, 0, 0, 1, 0]),
            (#""1970-01-01T00:00:00Z""#, [0xD6, 0xFF, 0, 0, 0, 0]),
            (#""2024-02-29T12:34:56Z""#, [0xD6, 0xFF, 0x65, 0xE0, 0x79, 0xF0]),
            (#""1970-01-01T00:00:01.5Z""#, [0xD7, 0xFF, 0x77, 0x35, 0x94, 0x00, 0, 0, 0, 1]),
            (
                #""1969-12-31T23:59:59.000000001Z""#,
                [0xC7, 12, 0xFF, 0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]
            ),
        ] as [(String, [UInt8])])
    func isReadInEveryForm(_ json: String, _ packed: [UInt8]) {
        #expect(Self.json(packed) == json)
    }

    @Test(
        arguments: [
            [], [0xC1], [0xA1], [0xA2, 97], [0xD9], [0xD9, 1], [0xDB, 0xFF, 0xFF, 0xFF, 0xFF, 97], [0x91],
            [0x81, 0xA1, 97],
            [0xDD, 0xFF, 0xFF, 0xFF, 0xFF], [0xDF, 0xFF, 0xFF, 0xFF, 0xFF, 1], [0xCD, 1], [0xCF, 1, 2, 3], [0xCB, 0],
            [0xC4, 5, 1],
            // Text that is not UTF-8, a key that is none, an unknown extension, times that cannot be.
            [0xA1, 0xFF], [0x81, 0xC0, 1], [0x81, 0x90, 1], [0xD4, 5, 1], [0xC7, 0, 0xFF],
            [0xC7, 12, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 0],
            [0xC7, 12, 0xFF, 0, 0, 0, 0, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
            // Two values where one is meant.
            [1, 2],
        ] as [[UInt8]])
    func whatIsNoValueIsRefused(_ packed: [UInt8]) {
        #expect(Self.json(packed) == nil)
    }

    @Test(arguments: [
        "", "[", "[1", "[1,]", "{", #"{"a"}"#, #"{"a":}"#, "01", "1 2", "tru", #""\ud800""#, "nan", "[1}",
    ])
    func whatIsNoJSONIsRefused(_ json: String) {
        #expect(Self.packed(json) == nil)
    }

    @Test func countsThatNeedLongerHeadsMoveWhatFollows() throws {
        for count in [15, 16, 65_535, 65_536] {
            let list = "[" + Array(repeating: "[7]", count: count).joined(separator: ",") + "]"
            let packed = try #require(Self.packed(list))
            #expect(packed.count == count * 2 + (count <= 15 ? 1 : count <= 65_535 ? 3 : 5))
            #expect(Self.json(packed) == list)
        }
        let object =
            "{" + (0..<40).map { #""k\#($0)":"\#(String(repeating: "x", count: $0))""# }.joined(separator: ",") + "}"
        #expect(try Self.json(#require(Self.packed(object))) == object)
        let long = "\"" + String(repeating: "x", count: 70_000) + "\""
        #expect(try Self.json(#require(Self.packed(long))) == long)
        #expect(Self.packed(#""a\nb""#) == [0xA3, 97, 10, 98])
    }

    /// The depth is that of JSON, and no level is a call that a stranger can add.
    @Test func isNestedOnlySoDeep() {
        let deepest = MessagePackScanner.maximumDepth
        for depth in [deepest, deepest + 1, 100_000] {
            let packed = [UInt8](repeating: 0x91, count: depth - 1) + [0x90]
            #expect((Self.json(packed) != nil) == (depth == deepest))
            let isSkipped = packed.withUnsafeBytes { bytes in
                var scanner = MessagePackScanner(bytes)
                return scanner.skipValue()
            }
            // An empty list at the bottom is a value and no level.
            #expect(isSkipped == (depth <= deepest + 1))
            let json = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
            #expect((Self.packed(json) != nil) == (depth == deepest))
        }
    }

    /// Whatever is cut off, nothing is read beyond the end.
    @Test func everyPrefixIsIncomplete() {
        for (json, packed) in Self.both {
            for end in 0..<packed.count {
                #expect(Self.json(Array(packed[..<end])) == nil, "\(json), \(end) bytes of it")
            }
        }
    }

    @Test func noJSONBecomesLongerThanItsBound() {
        for json in [
            "[1e9,1e9,1e9,1e9,1e9]", "[1.5]", "0", "[-0.1]", #"["a","b"]"#, "[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]",
        ] {
            let count = Self.packed(json)?.count ?? .max
            #expect(count <= MessagePackWriter.maximumBytes(ofJSON: json.utf8.count))
        }
        #expect(MessagePackWriter.maximumBytes(ofJSON: .max) > 0)
    }
}
