import Codec
import Testing

@testable import Client

struct KnownBlocksTests {
    private static let payload = SequencedPayload(bytes: 768, kind: .json, run: 7)

    private static func packed(_ sequence: UInt32, of payload: SequencedPayload = payload, level: Int = 3) -> [UInt8] {
        let writer = ByteWriter()
        payload.write(sequence, to: writer)
        return deflated(Array(writer.bytes), level: level)
    }

    private func sequence(_ blocks: KnownBlocks, _ packed: [UInt8], expected: UInt32) -> UInt32? {
        packed.withUnsafeBytes { blocks.sequence(of: $0, expected: expected, in: Self.payload) }
    }

    @Test func theSameBytesAreInflatedOnce() {
        let blocks = KnownBlocks()
        for receiver in 0..<3 {
            for number: UInt32 in 0..<5 {
                #expect(sequence(blocks, Self.packed(number), expected: number) == number, "\(receiver)")
            }
        }
        #expect(blocks.inflated == 5)
    }

    @Test func whatIsNotExpectedIsInflated() {
        let blocks = KnownBlocks()
        #expect(sequence(blocks, Self.packed(3), expected: 3) == 3)
        // Comes after a gap: still itself.
        #expect(sequence(blocks, Self.packed(3), expected: 1) == 3)
        #expect(blocks.inflated == 2)
    }

    @Test func otherBytesOfTheSamePublicationAreInflated() {
        let blocks = KnownBlocks()
        #expect(Self.packed(1, level: 1) != Self.packed(1, level: 9))
        for level in [1, 9, 1] { #expect(sequence(blocks, Self.packed(1, level: level), expected: 1) == 1) }
        #expect(blocks.inflated == 3)
    }

    @Test func anotherRunIsNotTakenForThisOne() {
        let other = SequencedPayload(bytes: 768, kind: .json, run: 8)
        #expect(sequence(KnownBlocks(), Self.packed(0, of: other), expected: 0) == nil)
    }

    @Test func aChangedByteIsFound() {
        let writer = ByteWriter()
        Self.payload.write(0, to: writer)
        for place in [0, 8, 24, 400, 767] {
            var bytes = Array(writer.bytes)
            bytes[place] ^= 1
            #expect(sequence(KnownBlocks(), deflated(bytes), expected: 0) == nil, "byte \(place)")
        }
    }

    @Test func whatIsLongerShorterOrNoDeflateIsNot() {
        let blocks = KnownBlocks()
        for bytes in [767, 769, 4000] {
            let other = SequencedPayload(bytes: bytes, kind: .json, run: 7)
            #expect(sequence(blocks, Self.packed(0, of: other), expected: 0) == nil)
        }
        #expect(sequence(blocks, [], expected: 0) == nil)
        #expect(sequence(blocks, [0xFF, 0xFF, 0xFF], expected: 0) == nil)
        #expect(sequence(blocks, Array(Self.packed(0).dropLast(9)), expected: 0) == nil)
    }

    @Test func anotherRunForgets() {
        let blocks = KnownBlocks()
        _ = sequence(blocks, Self.packed(0), expected: 0)
        blocks.removeAll()
        _ = sequence(blocks, Self.packed(0), expected: 0)
        #expect(blocks.inflated == 2)
    }
}
