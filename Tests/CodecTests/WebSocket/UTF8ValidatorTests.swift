import Testing

@testable import Codec

@Suite struct UTF8ValidatorTests {
    static let good: [[UInt8]] = [
        [], Array("ascii only, more than eight bytes".utf8), Array("κόσμε".utf8), [0xC2, 0x80], [0xDF, 0xBF],
        [0xE0, 0xA0, 0x80], [0xED, 0x9F, 0xBF], [0xEE, 0x80, 0x80], [0xEF, 0xBF, 0xBF], [0xF0, 0x90, 0x80, 0x80],
        [0xF4, 0x8F, 0xBF, 0xBF], [0],
    ]
    static let bad: [[UInt8]] = [
        [0x80], [0xC0, 0x80], [0xC1, 0xBF], [0xE0, 0x9F, 0xBF], [0xED, 0xA0, 0x80], [0xED, 0xBF, 0xBF],
        [0xF0, 0x8F, 0xBF, 0xBF], [0xF4, 0x90, 0x80, 0x80], [0xF5, 0x80, 0x80, 0x80], [0xFE], [0xFF], [0xC2, 0x41],
        [0xE2, 0x82], [0xF0, 0x9F, 0x98],
    ]

    private func isValid(_ bytes: [UInt8]) -> Bool { bytes.withUnsafeBytes { UTF8Validator.isValid($0) } }

    @Test(arguments: good)
    func accepts(_ bytes: [UInt8]) {
        #expect(isValid(bytes))
    }

    @Test(arguments: bad)
    func refuses(_ bytes: [UInt8]) {
        #expect(!isValid(bytes))
        // Before and behind ASCII of any length too, so that the fast path changes nothing.
        for padding in 0..<20 {
            let ascii = [UInt8](repeating: 65, count: padding)
            #expect(!isValid(ascii + bytes))
            #expect(!isValid(ascii + bytes + ascii))
        }
    }

    /// Every sequence of one and two bytes, and those of three and four whose bytes lie at an edge of the rules: the
    /// standard library's verdict.
    @Test func agreesWithTheLibraryOnShortSequences() {
        let edges: [UInt8] = [
            0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0, 0xC2, 0xE0, 0xED, 0xF0, 0xF4, 0xFF,
        ]
        var disagreements: [[UInt8]] = []
        func compare(_ bytes: [UInt8]) {
            if isValid(bytes) != (String(validating: bytes, as: UTF8.self) != nil) { disagreements.append(bytes) }
        }
        for first in UInt8.min...UInt8.max {
            compare([first])
            for second in UInt8.min...UInt8.max { compare([first, second]) }
        }
        for first in UInt8(0xC0)...UInt8.max {
            for second in edges {
                for third in edges {
                    compare([first, second, third])
                    for fourth in edges { compare([first, second, third, fourth]) }
                }
            }
        }
        #expect(disagreements.isEmpty)
    }

    @Test func agreesWithTheLibraryOnRandomBytes() {
        var random = SeededNumbers(state: 5)
        let alphabet: [UInt8] = [0x41, 0x80, 0xBF, 0xC3, 0xE2, 0xED, 0xF0, 0xF4, 0x9F, 0x90]
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0..<12, using: &random)).map { _ in
                alphabet.randomElement(using: &random) ?? 0
            }
            #expect(isValid(bytes) == (String(validating: bytes, as: UTF8.self) != nil), "\(bytes)")
        }
    }

    /// Whatever the pieces, the verdict is the same and comes with the first byte that cannot be right.
    @Test func cutsMakeNoDifference() {
        let text = Array("grüße 世界 🎉 and some more ascii".utf8)
        for end in 0...text.count {
            var whole = UTF8Validator()
            #expect(text[..<end].withUnsafeBytes { whole.accepts($0) })
            var bytewise = UTF8Validator()
            for byte in text[..<end] { #expect([byte].withUnsafeBytes { bytewise.accepts($0) }) }
            #expect(whole.isComplete == bytewise.isComplete)
            #expect(whole.isComplete == isValid(Array(text[..<end])))
        }
        let verdicts: [(bytes: [UInt8], deciding: Int)] = [
            ([0xC1], 1), ([0xF5], 1), ([0xE0, 0x9F], 2), ([0xED, 0xA0], 2), ([0xF0, 0x8F], 2), ([0xF4, 0x90], 2),
            ([0xE2, 0x82, 0x41], 3), ([0xF0, 0x9F, 0x98, 0xC0], 4),
        ]
        for (bytes, deciding) in verdicts {
            var validator = UTF8Validator()
            for (index, byte) in bytes.enumerated() {
                #expect([byte].withUnsafeBytes { validator.accepts($0) } == (index + 1 < deciding), "\(bytes)")
            }
        }
    }
}
