import Testing

@testable import Codec

/// Counting what a server has framed.
@Suite struct FrameWalkTests {
    private static func frames(_ messages: [Int]) -> [UInt8] {
        let writer = ByteWriter()
        for (index, count) in messages.enumerated() {
            Array(repeating: UInt8(ascii: "x"), count: count).withUnsafeBytes {
                // A control frame is not counted, wherever it is.
                if index % 2 == 1 { FrameWriter.write(.pong, UnsafeRawBufferPointer(rebasing: $0[..<0]), to: writer) }
                FrameWriter.write(index % 3 == 0 ? .binary : .text, $0, to: writer)
            }
        }
        return Array(writer.bytes)
    }

    @Test(arguments: [[], [0], [1, 2, 3], [125, 126, 127], [65535, 65536, 1], [5, 70000, 0, 0, 300]])
    func messagesAreCounted(_ sizes: [Int]) {
        let bytes = Self.frames(sizes)
        bytes.withUnsafeBytes { all in
            #expect(FrameWalk.messages(in: all) == sizes.count)
            #expect(FrameWalk.end(of: sizes.count, in: all) == all.count)
            for count in 0..<sizes.count {
                #expect(FrameWalk.end(of: count, in: all) == Self.frames(Array(sizes[..<count])).count)
            }
        }
    }

    /// Nothing traps, whatever the bytes are, and a frame that is not whole is none.
    @Test func whatIsCutIsNotCounted() {
        let bytes = Self.frames([3, 130])
        for end in 0..<bytes.count {
            bytes[..<end].withUnsafeBytes { #expect(FrameWalk.messages(in: $0) < 2) }
        }
        let long: [UInt8] = [0x81, 127] + Array(repeating: 0xFF, count: 8) + [1, 2, 3]
        long.withUnsafeBytes { #expect(FrameWalk.messages(in: $0) == 0) }
        for length in 1..<10 { long[..<length].withUnsafeBytes { #expect(FrameWalk.end(of: 1, in: $0) == 0) } }
    }
}
