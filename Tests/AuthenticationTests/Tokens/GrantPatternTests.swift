import Testing

@testable import Authentication

@Suite struct GrantPatternTests {
    private func matches(_ pattern: String, _ name: String) throws -> Bool {
        try #require(GrantPattern(pattern)).matches(Array(name.utf8))
    }

    @Test(arguments: [
        ("a", "a", true), ("a", "b", false), ("a", "aa", false), ("*", "anything", true), ("chat:*", "chat:", true),
        ("chat:*", "chat:1", true), ("chat:*", "chat", false), ("*:1", "a:1", true), ("*:1", "a:1:2", false),
        ("*:1", "a:1:1", true), ("a*b*c", "aXbYc", true), ("a*b*c", "abc", true), ("a*b*c", "acb", false),
        ("**", "a", true), ("a**", "a", true), ("?", "a", false), ("[a]", "a", false), ("a.c", "abc", false),
    ])
    func matching(pattern: String, name: String, expected: Bool) throws {
        #expect(try matches(pattern, name) == expected)
    }

    /// Against a definition that is slow but plain.
    @Test func likeTheDefinition() throws {
        func plain(_ pattern: Substring, _ name: Substring) -> Bool {
            guard let first = pattern.first else { return name.isEmpty }
            if first == "*" {
                return plain(pattern.dropFirst(), name) || (!name.isEmpty && plain(pattern, name.dropFirst()))
            }
            return first == name.first && plain(pattern.dropFirst(), name.dropFirst())
        }
        var generator = SplitMix(state: 3)
        for _ in 0..<20_000 {
            let pattern = String(
                (0..<Int.random(in: 1...6, using: &generator)).map { _ in "ab*".randomElement(using: &generator) ?? "a"
                })
            let name = String(
                (0..<Int.random(in: 0...8, using: &generator)).map { _ in "ab".randomElement(using: &generator) ?? "a" }
            )
            #expect(try matches(pattern, name) == plain(pattern[...], name[...]), "\(pattern) \(name)")
        }
    }

    @Test func hostileOnesTakeNoTime() throws {
        let pattern = String(repeating: "a*", count: 127)
        let name = String(repeating: "a", count: 254) + "b"
        let clock = ContinuousClock()
        var matched = true
        let took = try clock.measure { matched = try matches(pattern + "c", name) }
        #expect(!matched)
        #expect(took < .milliseconds(100))
    }

    @Test(arguments: ["", " ", "a b", "a\n", "\u{7F}", String(repeating: "a", count: 256)])
    func patternsThatAreNone(text: String) { #expect(GrantPattern(text) == nil) }
}
