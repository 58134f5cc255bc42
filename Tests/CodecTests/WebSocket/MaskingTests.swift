import Testing

@testable import Codec

@Suite struct MaskingTests {
    @Test(arguments: [0, 1, 2, 3, 4, 7, 8, 9, 64, 1000])
    func masksFromAnyPlace(offset: Int) {
        let key: UInt32 = 0xA1B2_C3D4
        let keyBytes: [UInt8] = [0xD4, 0xC3, 0xB2, 0xA1]
        for count in [0, 1, 3, 7, 8, 9, 31] {
            var bytes = [UInt8](repeating: 0, count: count)
            bytes.withUnsafeMutableBytes { Masking.apply(key, to: $0, offset: offset) }
            #expect(bytes == (0..<count).map { keyBytes[($0 + offset) % 4] })
        }
    }

    /// Twice is not at all, wherever the bytes lie in memory and wherever they are cut.
    @Test func isItsOwnOpposite() {
        var random = SeededNumbers(state: 11)
        for _ in 0..<200 {
            let plain = random.bytes(Int.random(in: 0...100, using: &random))
            let key = UInt32.random(in: 0...UInt32.max, using: &random)
            let cut = Int.random(in: 0...plain.count, using: &random)
            var bytes = plain
            bytes.withUnsafeMutableBytes {
                Masking.apply(key, to: $0, offset: 0)
                Masking.apply(key, to: UnsafeMutableRawBufferPointer(rebasing: $0[..<cut]), offset: 0)
                Masking.apply(key, to: UnsafeMutableRawBufferPointer(rebasing: $0[cut...]), offset: cut)
            }
            #expect(bytes == plain)
        }
    }
}
