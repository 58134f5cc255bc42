/// The masking of RFC 6455 5.3: each byte combined with the key's byte of its place.
enum Masking {
    /// Masks or unmasks in place. `offset` is the place of the first byte in its frame; the key is as on the wire.
    static func apply(_ key: UInt32, to bytes: UnsafeMutableRawBufferPointer, offset: Int) {
        guard key != 0 else { return }
        // The key turned so that its lowest byte belongs to the first byte here.
        let turn = UInt32(offset & 3) * 8
        let turned = turn == 0 ? key : key >> turn | key << (32 - turn)
        let wide = UInt64(turned) | UInt64(turned) << 32
        var index = 0
        while index + 8 <= bytes.count {
            let value = bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self) ^ wide
            bytes.storeBytes(of: value, toByteOffset: index, as: UInt64.self)
            index += 8
        }
        var rest = wide
        while index < bytes.count {
            bytes[index] ^= UInt8(truncatingIfNeeded: rest)
            rest >>= 8
            index += 1
        }
    }
}
