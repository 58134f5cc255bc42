import Codec
import Testing

/// Bytes of several messages that are cut where one of them ends.
@Suite struct MessageEndsTests {
    private static func end(_ bytes: [UInt8], _ most: Int, _ separation: MessageSeparation) -> Int {
        bytes.withUnsafeBytes { separation.end(in: $0, most: most) }
    }

    @Test(arguments: [(0, 3), (1, 3), (2, 3), (3, 3), (4, 3), (5, 5), (7, 5), (8, 8), (9, 8), (-1, 3)])
    func records(_ most: Int, _ end: Int) {
        #expect(Self.end([65, 66, 0x1E, 67, 0x1E, 68, 69, 0x1E], most, .records) == end)
    }

    @Test(arguments: [(0, 2), (1, 2), (2, 2), (3, 3), (4, 3), (5, 3), (6, 6), (7, 6), (8, 6), (9, 9), (-1, 2)])
    func lengths(_ most: Int, _ end: Int) {
        // One of a byte, an empty one, and two of two.
        #expect(Self.end([1, 7, 0, 2, 7, 7, 2, 7, 7], most, .lengths) == end)
    }

    @Test func longLengths() {
        let message = [0x80, 0x01] + [UInt8](repeating: 1, count: 128)
        #expect(Self.end(message + message, 130, .lengths) == 130 && Self.end(message + message, 259, .lengths) == 130)
    }

    /// What is no message is not taken apart.
    @Test(
        arguments: [
            [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1], [0x80], [0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 1], [9, 1],
        ] as [[UInt8]])
    func whatCannotBeTakenApart(_ bytes: [UInt8]) {
        #expect(Self.end(bytes, 0, .lengths) == bytes.count && Self.end(bytes, 0, .records) == bytes.count)
        #expect(Self.end(bytes, 0, .frames) == bytes.count)
    }
}
