/// The slots of Redis Cluster: which keys are together on one server, whatever servers there are (Redis Cluster specification,
/// "Key distribution model").
package enum RedisSlot {
    package static let count = 16_384

    /// CRC16 as Redis uses it: polynomial 0x1021, beginning with 0 (XMODEM). Python has it as `binascii.crc_hqx`.
    @inline(__always)
    package static func checksum(_ bytes: UnsafeRawBufferPointer) -> UInt16 {
        var checksum: UInt16 = 0
        for byte in bytes { checksum = checksum << 8 ^ table[Int((checksum >> 8) ^ UInt16(byte))] }
        return checksum
    }

    /// Made once and never freed, so that to look something up counts no reference.
    private nonisolated(unsafe) static let table: UnsafePointer<UInt16> = {
        let table = UnsafeMutablePointer<UInt16>.allocate(capacity: 256)
        for index in 0..<256 {
            table[index] = (0..<8).reduce(UInt16(index) << 8) { value, _ in
                value & 0x8000 == 0 ? value << 1 : value << 1 ^ 0x1021
            }
        }
        return UnsafePointer(table)
    }()

    /// The slot of a key or of a shard channel: that of the part between the first `{` and the next `}`, unless that is empty.
    package static func of(_ key: [UInt8]) -> Int {
        var hashed = key[...]
        if let open = key.firstIndex(of: UInt8(ascii: "{")),
            let close = key[(open + 1)...].firstIndex(of: UInt8(ascii: "}")), close > open + 1
        {
            hashed = key[(open + 1)..<close]
        }
        return hashed.withUnsafeBytes { Int(checksum($0)) % count }
    }
}
