import Testing

@testable import Codec

@Suite struct SentMessagesTests {
    /// In pieces of this size.
    private func take(
        _ bytes: [UInt8], _ separation: MessageSeparation, keeping: Int = 100, pieces: Int
    ) -> [SentMessages.Message] {
        var messages = SentMessages(separation, keeping: keeping)
        var found: [SentMessages.Message] = []
        for start in stride(from: 0, to: bytes.count, by: pieces) {
            Array(bytes[start..<min(bytes.count, start + pieces)]).withUnsafeBytes {
                messages.take($0) { found.append($0) }
            }
        }
        return found
    }

    private func frame(_ first: UInt8, _ payload: [UInt8]) -> [UInt8] {
        if payload.count < 126 { return [first, UInt8(payload.count)] + payload }
        if payload.count < 65_536 {
            return [first, 126, UInt8(payload.count >> 8), UInt8(payload.count & 0xFF)] + payload
        }
        return [
            first, 127, 0, 0, 0, 0, 0, UInt8(payload.count >> 16), UInt8(payload.count >> 8 & 0xFF),
            UInt8(payload.count & 0xFF),
        ]
            + payload
    }

    @Test(arguments: [1, 2, 3, 7, 1000, 1_000_000])
    func framesHoweverTheyAreCut(pieces: Int) {
        let long = Array(repeating: UInt8(ascii: "x"), count: 70_000)
        let middle = Array(repeating: UInt8(ascii: "y"), count: 300)
        let bytes =
            frame(0x81, Array("hello".utf8)) + frame(0x89, []) + frame(0xC2, middle) + frame(0x82, long)
            + frame(0x88, [3, 232])
        let found = take(bytes, .frames, pieces: pieces)
        #expect(found.map(\.opcode) == [.text, .ping, .binary, .binary, .close])
        #expect(found.map(\.bytes) == [5, 0, 300, 70_000, 2])
        #expect(found.map(\.isCompressed) == [false, false, true, false, false])
        #expect(found.map(\.kept.count) == [5, 0, 100, 100, 2] && found[0].kept == Array("hello".utf8))
    }

    @Test(arguments: [1, 2, 5, 1000])
    func eventsAndLines(pieces: Int) {
        let events = Array("id: 1\ndata: a\n\n:\n\ndata: b\ndata: c\n\nda".utf8)
        let found = take(events, .events, pieces: pieces)
        #expect(
            found.map { String(decoding: $0.kept, as: UTF8.self) } == [
                "id: 1\ndata: a\n\n", ":\n\n", "data: b\ndata: c\n\n",
            ])
        let lines = take(Array("{}\n{\"id\":1}\n{".utf8), .lines, pieces: pieces)
        #expect(lines.map { String(decoding: $0.kept, as: UTF8.self) } == ["{}\n", "{\"id\":1}\n"])
        #expect(take(Array("a\nb\n".utf8), .lines, keeping: 1, pieces: pieces).map(\.bytes) == [2, 2])
    }

    @Test(arguments: [1, 2, 5, 1000])
    func lengths(pieces: Int) {
        let long = Array(repeating: UInt8(1), count: 300)
        let found = take([2, 8, 1] + [0] + [0xAC, 0x02] + long, .lengths, pieces: pieces)
        #expect(
            found.map(\.bytes) == [3, 1, 302] && found[0].kept == [2, 8, 1] && found[2].kept.prefix(3) == [0xAC, 2, 1])
    }
}
