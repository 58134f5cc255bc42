import Testing

@testable import Codec

@Suite struct ByteSearchTests {
    /// Eight bytes are looked at as one number, where a borrow can reach from one byte into the next: every byte beside every
    /// other, at every place.
    @Test func findsTheFirstByteOfMany() {
        for before in UInt8.min...UInt8.max {
            for found in [
                0x00, 0x1F, 0x20, 0x21, 0x22, 0x23, 0x5B, 0x5C, 0x5D, 0x0A, 0x0D, 0x0B, 0x80, 0xA2, 0xDC, 0xFF,
            ] as [UInt8] {
                for place in 0..<20 {
                    var bytes = [UInt8](repeating: UInt8(ascii: "x"), count: 24)
                    bytes[place] = found
                    bytes[(place + 1) % 24] = before
                    bytes.withUnsafeBytes { bytes in
                        for start in [0, place, place + 1] {
                            let special = bytes[start...].firstIndex { $0 < 0x20 || $0 == 0x22 || $0 == 0x5C } ?? 24
                            #expect(bytes.jsonSpecial(from: start) == special)
                            let lineBreak = bytes[start...].firstIndex { $0 == 0x0A || $0 == 0x0D } ?? 24
                            #expect(bytes.lineBreak(from: start) == lineBreak)
                        }
                    }
                }
            }
        }
    }
}
