import CZlib
import Testing

@testable import Codec

@Suite struct DeflateTests {
    /// RFC 7692 7.2.3.1 to 7.2.3.5, the messages that do not need the window of the one before.
    static let examples: [([UInt8], String)] = [
        ([0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00], "Hello"),
        ([0x00, 0x05, 0x00, 0xFA, 0xFF, 0x48, 0x65, 0x6C, 0x6C, 0x6F, 0x00], "Hello"),
        ([0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00], "Hello"),
        ([0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00], "Hello"),
        ([0x00], ""),
        ([], ""),
        // Two blocks that both say they are the last.
        ([0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00], "HelloHello"),
    ]

    @Test(arguments: examples)
    func inflatesTheExamplesOfTheStandard(_ compressed: [UInt8], _ text: String) {
        #expect(inflated(compressed, by: Inflater()) == .message(Array(text.utf8)))
    }

    @Test func deflatesTheExampleOfTheStandard() {
        let deflater = Deflater(windowBits: 15, level: 3)
        #expect(deflated(Array("Hello".utf8), by: deflater) == [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00])
        #expect(deflated([], by: deflater) == [0x00])
        // No window is kept: the second time is as the first.
        #expect(deflated(Array("Hello".utf8), by: deflater) == [0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00])
    }

    @Test(arguments: [UInt8(9), 10, 15], [1, 3, 6, 9])
    func everyWindowAndLevelComesBack(_ bits: UInt8, _ level: Int) {
        let deflater = Deflater(windowBits: bits, level: level)
        let inflater = Inflater()
        var random = SeededNumbers(state: 7)
        for count in [1, 2, 255, 256, 16_383, 16_384, 16_385, 40_000, 5] {
            for alphabet in [UInt8(0), 3, 255] {
                let payload = (0..<count).map { _ in UInt8.random(in: 0...alphabet, using: &random) }
                let packed = deflated(payload, by: deflater)
                #expect(inflated(packed, by: inflater, limit: count) == .message(payload))
                #expect(inflated(packed, by: inflater, limit: count - 1) == .tooLarge)
            }
        }
    }

    /// More than what is kept from one message to the next.
    @Test func largeMessagesComeBack() {
        let payload = [UInt8]((0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 20) })
        let deflater = Deflater(windowBits: 15, level: 1)
        let inflater = Inflater()
        for _ in 0..<2 {
            let packed = deflated(payload, by: deflater)
            #expect(inflated(packed, by: inflater, limit: payload.count) == .message(payload))
        }
    }

    /// A client that asked for a small window has no more: an inflater with that window has to understand it.
    @Test(arguments: [UInt8(9), 15])
    func staysWithinTheWindow(_ bits: UInt8) {
        var random = SeededNumbers(state: 3)
        let block = (0..<600).map { _ in UInt8.random(in: 0...255, using: &random) }
        let payload = Array(repeatElement(block, count: 100).joined())
        let packed = deflated(payload, by: Deflater(windowBits: bits, level: 6)) + [0, 0, 0xFF, 0xFF]
        // The block is longer than the small window, so only the large one finds it again.
        #expect((packed.count < payload.count / 10) == (bits == 15))
        var stream = z_stream()
        #expect(inflateInit2_(&stream, -Int32(bits), ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size)) == Z_OK)
        defer { inflateEnd(&stream) }
        var input = packed
        var output = [UInt8](repeating: 0, count: payload.count + 1)
        let status = input.withUnsafeMutableBufferPointer { source in
            output.withUnsafeMutableBufferPointer { target in
                stream.next_in = source.baseAddress
                stream.avail_in = UInt32(source.count)
                stream.next_out = target.baseAddress
                stream.avail_out = UInt32(target.count)
                return inflate(&stream, Z_SYNC_FLUSH)
            }
        }
        #expect(status == Z_OK)
        #expect(Array(output[..<payload.count]) == payload)
    }

    @Test func aBombCostsItsLimitAndOneStep() {
        let inflater = Inflater()
        let bomb = deflated([UInt8](repeating: 0, count: 64 << 20), by: Deflater(windowBits: 15, level: 9))
        #expect(bomb.count < 70_000)
        for limit in [0, 1, 64 << 10, 1 << 20] {
            #expect(inflated(bomb, by: inflater, limit: limit) == .tooLarge)
            #expect(inflater.lastBytes <= limit + Inflater.stepBytes)
        }
        // And the next message is none the worse for it.
        #expect(inflated([0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00], by: inflater) == .message(Array("Hello".utf8)))
    }

    static let malformed: [[UInt8]] = [
        // A block of the reserved type, lengths that do not agree, a distance before the beginning.
        [0x06], [0x00, 0x05, 0x00, 0xFA, 0xFE, 0x48], [0x4A, 0x04, 0x02, 0x00],
        // Cut off in the middle of a block.
        [0xF2, 0x48, 0xCD], [0x00, 0x06, 0x00, 0xF9, 0xFF, 0x48],
        [0xFF, 0xFF, 0xFF, 0xFF],
    ]

    @Test(arguments: malformed)
    func refusesWhatIsNotDeflate(_ bytes: [UInt8]) {
        #expect(inflated(bytes, by: Inflater()) == .malformed)
    }

    /// The window of one message is not there for the next, whatever that one says.
    @Test func keepsNothingBetweenMessages() {
        let inflater = Inflater()
        #expect(inflated([0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00], by: inflater) == .message(Array("Hello".utf8)))
        // RFC 7692 7.2.3.2: "Hello" again, as a reference into the message before.
        #expect(inflated([0xF2, 0x00, 0x11, 0x00, 0x00], by: inflater) == .malformed)
    }

    @Test func anyBytesEndInOneOfThree() {
        let inflater = Inflater()
        var random = SeededNumbers(state: 11)
        for _ in 0..<20_000 {
            let bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            if case .message(let message) = inflated(bytes, by: inflater, limit: 1000) {
                #expect(message.count <= 1000)
            }
        }
    }
}

enum Inflated: Equatable {
    case message([UInt8])
    case tooLarge
    case malformed
}

func inflated(_ bytes: [UInt8], by inflater: Inflater, limit: Int = 1 << 20) -> Inflated {
    bytes.withUnsafeBytes { bytes in
        switch inflater.inflate(bytes, limit: limit) {
        case .message(let message): .message(Array(message))
        case .tooLarge: .tooLarge
        case .malformed: .malformed
        }
    }
}

func deflated(_ payload: [UInt8], by deflater: Deflater) -> [UInt8] {
    payload.withUnsafeBytes { Array(deflater.deflate($0)) }
}
