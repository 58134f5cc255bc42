@testable import Codec
import Testing

@Suite struct TagFilterTests {
    /// A filter in JSON: what it says of tags, nil when it is no filter.
    private static func filter(_ json: String) -> TagFilter? {
        Array(json.utf8).withUnsafeBytes { bytes in
            var scanner = JSONScanner(bytes)
            return CentrifugeFilter(&scanner)?.filter
        }
    }

    private static func leaf(_ comparison: String, _ value: String) -> String {
        #"{"key":"k","cmp":"\#(comparison)","val":"\#(value)"}"#
    }

    static let comparisons: [(String, String, matching: [String], others: [String])] = [
        ("eq", "a", ["a"], ["", "b", "aa", "A"]),
        ("neq", "a", ["", "b", "aa"], ["a"]),
        ("sw", "ab", ["ab", "abc"], ["a", "", "xab", "b"]),
        ("ew", "bc", ["bc", "abc"], ["c", "", "bcx", "b"]),
        ("ct", "b", ["b", "abc", "ab"], ["", "a", "B"]),
        ("ct", "bc", ["xbc", "bbc"], ["b", "bxc"]),
        ("lt", "10", ["9", "-11", "9.999", "0", "-0"], ["10", "10.0", "11", "", "x", "1e0"]),
        ("lte", "10", ["10", "010", "10.00", "+9"], ["10.000000000000000000001", "11", "ten"]),
        ("gt", "-1.5", ["-1.4", "0", "100000000000000000000000000000000"], ["-1.5", "-2", "-1.50", "."]),
        ("gte", ".5", ["0.5", "0.50", "1"], ["0.49999999999999999999999", "-1", ""]),
        ("gte", "9007199254740993", ["9007199254740993"], ["9007199254740992"]),
    ]

    @Test(arguments: comparisons)
    func compares(_ comparison: String, _ value: String, _ matching: [String], _ others: [String]) throws {
        let filter = try #require(Self.filter(Self.leaf(comparison, value)))
        for value in matching {
            #expect(filter.matches(try PublicationTagsTests.tags(["j": value, "k": value])), "\(value)")
        }
        for value in others { #expect(!filter.matches(try PublicationTagsTests.tags(["k": value])), "\(value)") }
        // Without the tag nothing holds but that it differs.
        let isOther = comparison == "neq"
        #expect(filter.matches(nil) == isOther)
        #expect(filter.matches(try PublicationTagsTests.tags(["j": value, "kk": value])) == isOther)
    }

    @Test func sets() throws {
        let some = try #require(Self.filter(#"{"key":"k","cmp":"in","vals":["a","b",""]}"#))
        let none = try #require(Self.filter(#"{"key":"k","cmp":"nin","vals":["a","b"]}"#))
        let there = try #require(Self.filter(#"{"key":"k","cmp":"ex"}"#))
        let missing = try #require(Self.filter(#"{"key":"k","cmp":"nex"}"#))
        for (tags, expected): (KeyValuePairs<String, String>, [Bool]) in [
            (["k": "a"], [true, false, true, false]), (["k": "b"], [true, false, true, false]),
            (["k": "c"], [false, true, true, false]), (["k": ""], [true, true, true, false]),
            (["l": "a"], [true, true, false, true]), ([:], [true, true, false, true]),
        ] {
            let tags = try PublicationTagsTests.tags(tags)
            #expect([some, none, there, missing].map { $0.matches(tags) } == expected)
        }
    }

    @Test func combines() throws {
        let a = #"{"key":"a","cmp":"eq","val":"1"}"#
        let b = #"{"key":"b","cmp":"eq","val":"1"}"#
        func node(_ operation: String, _ nodes: String...) -> String {
            #"{"nodes":[\#(nodes.joined(separator: ","))],"op":"\#(operation)"}"#
        }
        for bits in 0..<4 {
            let (isA, isB) = (bits & 1 != 0, bits & 2 != 0)
            let tags = try PublicationTagsTests.tags(["a": isA ? "1" : "0", "b": isB ? "1" : "0"])
            func matches(_ json: String) throws -> Bool { try #require(Self.filter(json)).matches(tags) }
            #expect(try matches(node("and", a, b)) == (isA && isB))
            #expect(try matches(node("or", a, b)) == (isA || isB))
            #expect(try matches(node("not", a)) == !isA)
            #expect(
                try matches(node("or", node("and", a, node("not", b)), node("and", node("not", a), b))) == (isA != isB))
            #expect(try matches(node("and", node("or", a, b), node("or", node("not", a), b))) == isB)
        }
    }

    @Test(
        arguments: [
            "{}", #"{"op":"xor","nodes":[{"key":"a","cmp":"ex"}]}"#, #"{"key":"a","cmp":"like","val":"x"}"#,
            #"{"key":"a"}"#, #"{"cmp":"eq","val":"x"}"#, #"{"key":"a","cmp":"eq"}"#,
            #"{"key":"a","cmp":"eq","val":""}"#,
            #"{"key":"a","cmp":"eq","val":"x","vals":["y"]}"#, #"{"key":"a","cmp":"eq","vals":["y"]}"#,
            #"{"key":"a","cmp":"in","vals":[]}"#, #"{"key":"a","cmp":"in","val":"x"}"#,
            #"{"key":"a","cmp":"in","vals":["x"],"val":"y"}"#, #"{"key":"a","cmp":"ex","val":"x"}"#, #"{"cmp":"ex"}"#,
            #"{"key":"a","cmp":"nex","vals":["x"]}"#, #"{"key":"a","cmp":"lt","val":"ten"}"#,
            #"{"key":"a","cmp":"gt","val":"1e3"}"#, #"{"key":"a","cmp":"gt","val":"-"}"#,
            #"{"key":"a","cmp":"gt","val":"1.2.3"}"#, #"{"op":"and"}"#, #"{"op":"or","nodes":[]}"#,
            #"{"op":"not","nodes":[{"key":"a","cmp":"ex"},{"key":"b","cmp":"ex"}]}"#, #"{"op":"and","nodes":[{}]}"#,
            #"{"op":"and","key":"a","nodes":[{"key":"a","cmp":"ex"}]}"#,
            #"{"op":"and","cmp":"eq","nodes":[{"key":"a","cmp":"ex"}]}"#,
            #"{"op":"and","val":"eq","nodes":[{"key":"a","cmp":"ex"}]}"#,
            #"{"key":"a","cmp":"ex","nodes":[{"key":"a","cmp":"ex"}]}"#,
            #"{"nodes":[{"key":"a","cmp":"ex"}],"key":"a","cmp":"eq","val":"x"}"#,
        ])
    func whatIsNoFilterIsRefused(_ json: String) {
        #expect(Self.filter(json) == nil)
        // It is JSON of the right types, so the command that has it can be answered.
        let isRead = Array(json.utf8).withUnsafeBytes { bytes in
            var scanner = JSONScanner(bytes)
            return CentrifugeFilter(&scanner) != nil && scanner.isAtEnd
        }
        #expect(isRead)
    }

    @Test(
        arguments: [
            "[]", "1", "\"x\"", #"{"op":1}"#, #"{"nodes":{}}"#, #"{"nodes":[1]}"#, #"{"vals":["a",1]}"#,
            #"{"vals":"a"}"#,
            #"{"nodes":[{"key":1}]}"#, #"{"key":"a""#, #"{"nodes":[{"key":"a"}"#, #"{"val":"\ud800"}"#,
        ])
    func valuesOfAnotherTypeAreNoCommand(_ json: String) {
        let isRead = Array(json.utf8).withUnsafeBytes { bytes in
            var scanner = JSONScanner(bytes)
            return CentrifugeFilter(&scanner) != nil
        }
        #expect(!isRead)
    }

    @Test func haveLimits() {
        let leaf = #"{"key":"a","cmp":"ex"}"#
        func nested(_ depth: Int) -> String {
            String(repeating: #"{"op":"not","nodes":["#, count: depth - 1) + leaf
                + String(repeating: "]}", count: depth - 1)
        }
        #expect(Self.filter(nested(TagFilter.maximumDepth))?.matches(nil) == true)
        #expect(Self.filter(nested(TagFilter.maximumDepth + 1)) == nil)
        func wide(_ count: Int) -> String {
            #"{"op":"or","nodes":["# + [String](repeating: leaf, count: count).joined(separator: ",") + "]}"
        }
        #expect(Self.filter(wide(TagFilter.maximumNodes - 1)) != nil)
        #expect(Self.filter(wide(TagFilter.maximumNodes)) == nil)
        func values(_ count: Int) -> String {
            #"{"key":"a","cmp":"in","vals":["# + [String](repeating: "\"\"", count: count).joined(separator: ",") + "]}"
        }
        #expect(Self.filter(values(TagFilter.maximumValues)) != nil)
        #expect(Self.filter(values(TagFilter.maximumValues + 1)) == nil)
        func long(_ count: Int) -> String { Self.leaf("eq", String(repeating: "x", count: count)) }
        #expect(Self.filter(long(TagFilter.maximumBytes - 1)) != nil)
        #expect(Self.filter(long(TagFilter.maximumBytes)) == nil)
    }

    @Test func deepFiltersInProtobufEndNobody() {
        var node = Proto.text(2, "a") + Proto.text(3, "ex")
        for depth in 2...5000 {
            node = Proto.text(1, "not") + Proto.bytes(6, node)
            let filter = node.withUnsafeBytes { CentrifugeFilter(protobuf: $0) }
            #expect((filter?.filter != nil) == (depth <= TagFilter.maximumDepth))
            if depth > 20 { node = Proto.text(1, "not") + Proto.bytes(6, Proto.text(1, "not") + Proto.bytes(6, node)) }
            if node.count > 30_000 { break }
        }
    }
}
