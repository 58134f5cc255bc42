import Testing

@testable import Codec

/// However a stream is cut, what comes out is the same.
@Suite struct FrameCutTests {
    static let text = Array("grüße, 世界 🎉".utf8)

    static let streams: [(name: String, bytes: [UInt8])] = [
        (
            "everything",
            frame(0x81, text) + frame(0x01, Array(text[..<3])) + frame(0x89, [1, 2])
                + frame(0x00, Array(text[3..<9])) + frame(0x8A, []) + frame(0x80, Array(text[9...]))
                + frame(0x82, Array(repeating: 7, count: 300)) + frame(0x02, []) + frame(0x80, [])
                + frame(0x88, goodbye(1000, Array("bye".utf8))) + frame(0x81, text)
        ),
        ("bad text in a fragment", frame(0x01, text) + frame(0x00, [0xC3]) + frame(0x89, []) + frame(0x00, [0x28])),
        ("text cut off", frame(0x01, [0xF0, 0x9F]) + frame(0x80, [0x98])),
        ("bad reason", frame(0x81, text) + frame(0x88, goodbye(1000, [0xFF]))),
        ("over the limit", frame(0x02, Array(repeating: 1, count: 200)) + frame(0x80, Array(repeating: 1, count: 200))),
        ("noise after a ping", frame(0x89, [1]) + [0x00, 0x00, 0x81, 0x80]),
    ]
    static let limits = FrameLimits(messageBytes: 320, fragments: 6)

    @Test func theWholeStreamSaysEverything() {
        #expect(
            hear([Self.streams[0].bytes], limits: Self.limits) == [
                .message(.text, Self.text), .ping([1, 2]), .pong([]), .message(.text, Self.text),
                .message(.binary, Array(repeating: 7, count: 300)), .message(.binary, []), .close(1000, "bye"),
            ])
    }

    @Test(arguments: streams.indices)
    func oneCutAnywhere(index: Int) {
        let stream = Self.streams[index].bytes
        let expected = hear([stream], limits: Self.limits)
        for cut in 0...stream.count {
            let heard = hear([Array(stream[..<cut]), Array(stream[cut...])], limits: Self.limits)
            #expect(heard == expected, "\(Self.streams[index].name), cut at \(cut)")
        }
    }

    @Test(arguments: streams.indices)
    func oneByteAtATime(index: Int) {
        let stream = Self.streams[index].bytes
        #expect(hear(stream.map { [$0] }, limits: Self.limits) == hear([stream], limits: Self.limits))
    }

    /// Random streams in random pieces, against a reader that is too simple to be wrong.
    @Test(arguments: 1...60 as ClosedRange<UInt64>)
    func anyCutsOfAnything(seed: UInt64) {
        var random = SeededNumbers(state: seed)
        for _ in 0..<20 {
            let stream = Self.stream(&random)
            let expected = SimpleReader.events(of: stream, limits: Self.limits)
            #expect(hear([stream], limits: Self.limits) == expected)
            let pieces = stream.cut(longest: [1, 3, 17, 150].randomElement(using: &random) ?? 1, &random)
            #expect(hear(pieces, limits: Self.limits) == expected)
        }
    }

    /// Random bytes: never a crash, and nothing after the first failure.
    @Test(arguments: 1...40 as ClosedRange<UInt64>)
    func survivesNoise(seed: UInt64) {
        var random = SeededNumbers(state: seed)
        for _ in 0..<50 {
            var noise = random.bytes(200)
            // Otherwise most noise fails at its first byte.
            noise[0] = [0x01, 0x02, 0x81, 0x82, 0x88, 0x89].randomElement(using: &random) ?? 0
            noise[1] |= 0x80
            let expected = SimpleReader.events(of: noise, limits: Self.limits)
            #expect(hear([noise], limits: Self.limits) == expected)
            #expect(hear(noise.cut(longest: 20, &random), limits: Self.limits) == expected)
            #expect(expected.dropLast().allSatisfy { !$0.isLast })
        }
    }

    /// Mostly right frames, some damaged.
    private static func stream(_ random: inout SeededNumbers) -> [UInt8] {
        var bytes: [UInt8] = []
        var isInMessage = false
        for _ in 0..<Int.random(in: 1...12, using: &random) {
            let key = random.bytes(4)
            var first: UInt8
            var payload: [UInt8]
            if Int.random(in: 0..<4, using: &random) == 0 {
                first = [0x89, 0x8A, 0x89, 0x88].randomElement(using: &random) ?? 0x89
                payload = random.bytes(Int.random(in: 0...20, using: &random))
                if first == 0x88 { payload = goodbye(1000 + UInt16.random(in: 0...20, using: &random)) }
            } else {
                let isFinal = Bool.random(using: &random)
                first = (isFinal ? 0x80 : 0) | (isInMessage ? 0 : UInt8.random(in: 1...2, using: &random))
                isInMessage = !isFinal
                let characters = ["a", "ß", "世", "🎉", "0123456789"]
                let text = (0..<Int.random(in: 0...30, using: &random)).map { _ in
                    characters.randomElement(using: &random) ?? ""
                }
                payload = Array(text.joined().utf8)
            }
            var whole = frame(first, payload, key: key)
            if Int.random(in: 0..<15, using: &random) == 0 {
                whole[Int.random(in: 0..<whole.count, using: &random)] ^= 1 << UInt8.random(in: 0...7, using: &random)
            }
            bytes += whole
        }
        return bytes
    }
}
