import Testing

@testable import Node

@Suite struct GlobPatternTests {
    private func matches(_ pattern: String, _ name: String) throws -> Bool {
        try #require(GlobPattern(pattern), "\(pattern)").matches(Array(name.utf8))
    }

    static let cases: [(pattern: String, name: String, isMatch: Bool)] = [
        ("", "", true), ("", "a", false), ("a", "a", true), ("a", "b", false), ("a", "", false), ("a", "ab", false),
        ("*", "", true), ("*", "abc", true), ("chat:*", "chat:1", true), ("chat:*", "chat:", true),
        ("chat:*", "chats:1", false), ("*:1", "chat:1", true), ("*:1", "chat:11", false), ("a*b*c", "aXbYbZc", true),
        ("a*b*c", "acb", false), ("**", "a/b", true), ("?", "a", true), ("?", "", false), ("?", "ä", true),
        ("?", "👍", true), ("??", "ä", false), ("a?c", "abc", true), ("[abc]", "b", true), ("[abc]", "d", false),
        ("[a-c]x", "bx", true), ("[a-c]x", "dx", false), ("[!a-c]", "d", true), ("[!a-c]", "a", false),
        ("[!a]", "", false), ("[a-]", "-", true), ("[\\]]", "]", true), ("[α-ω]", "λ", true),
        ("{a,b}", "a", true), ("{a,b}", "b", true), ("{a,b}", "ab", false), ("{a,b}c", "bc", true),
        ("{a*,b}c", "aXc", true), ("{a,{b,c}}d", "cd", true), ("{,a}b", "b", true), ("{a}", "a", true),
        ("x{1,2}{3,4}", "x24", true), ("x{1,2}{3,4}", "x21", false), ("a,b", "a,b", true), ("\\*", "*", true),
        ("\\*", "a", false), ("\\{a", "{a", true), ("}", "}", true), ("]", "]", true),
        // The letter and its accent are two characters, and other bytes than the letter with its accent.
        ("\u{e9}", "e\u{301}", false),
    ]

    @Test(arguments: cases)
    func matches(pattern: String, name: String, isMatch: Bool) throws {
        #expect(try matches(pattern, name) == isMatch, "\(pattern) \(name)")
    }

    @Test(arguments: [
        "[", "[]", "[!]", "[a", "[b-a]", "{", "{a", "{a,", "a\\", String(repeating: "a", count: 256),
        String(repeating: "{", count: 20) + String(repeating: "}", count: 20),
    ])
    func refuses(pattern: String) {
        #expect(GlobPattern(pattern) == nil)
    }

    /// Patterns that take a reader who tries one way after the other longer than anybody lives.
    @Test(arguments: [
        String(repeating: "*a", count: 127), String(repeating: "{a*,*a}", count: 36),
        String(repeating: "*?", count: 120),
    ])
    func takesNoTimeForPatternsThatExplode(pattern: String) throws {
        let clock = ContinuousClock()
        let name = String(repeating: "a", count: 254) + "b"
        let glob = try #require(GlobPattern(pattern))
        let took = clock.measure {
            for _ in 0..<10 { _ = glob.matches(Array(name.utf8)) }
        }
        #expect(took < .seconds(2), "\(took)")
    }

    /// Against a reader that tries everything.
    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func agreesWithAPlainReader(seed: UInt64) throws {
        var random = SplitMix(state: seed)
        for _ in 0..<200 {
            let pattern = (0..<Int.random(in: 0...6, using: &random)).map { _ in
                ["a", "b", "*", "?", "[ab]", "[!a]", "{a,b*}"].randomElement(using: &random)!
            }
            let name = (0..<Int.random(in: 0...6, using: &random)).map { _ in
                "abc".randomElement(using: &random)!
            }
            let isMatch = Self.plain(pattern[...], String(name)[...])
            #expect(try matches(pattern.joined(), String(name)) == isMatch, "\(pattern) \(String(name))")
        }
    }

    private static func plain(_ pattern: ArraySlice<String>, _ name: Substring) -> Bool {
        guard let first = pattern.first else { return name.isEmpty }
        let rest = pattern.dropFirst()
        switch first {
        case "*": return name.indices.contains { plain(rest, name[$0...]) } || plain(rest, "")
        case "{a,b*}": return plain(["a"] + rest, name) || plain(["b", "*"] + rest, name)
        default:
            guard let letter = name.first else { return false }
            let isTaken =
                switch first {
                case "?": true
                case "[ab]": letter == "a" || letter == "b"
                case "[!a]": letter != "a"
                default: first == String(letter)
                }
            return isTaken && plain(rest, name.dropFirst())
        }
    }
}
