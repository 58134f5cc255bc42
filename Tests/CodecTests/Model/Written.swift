import Codec

/// What an encoder wrote.
enum Written {
    static func bytes(_ body: (ByteWriter) -> Void) -> [UInt8] {
        let writer = ByteWriter(capacity: 64)
        body(writer)
        return Array(writer.bytes)
    }

    static func text(_ body: (ByteWriter) -> Void) -> String {
        String(decoding: bytes(body), as: UTF8.self)
    }

    /// The payload of the one text frame that was written, or nil when it is anything else.
    static func textFrame(_ body: (ByteWriter) -> Void) -> String? {
        let bytes = bytes(body)
        guard bytes.count >= 2, bytes[0] == 0x81 else { return nil }
        let (header, length): (Int, Int) =
            switch bytes[1] {
            case 126: (4, bytes[2..<4].reduce(0) { $0 << 8 | Int($1) })
            case 127: (10, bytes[2..<10].reduce(0) { $0 << 8 | Int($1) })
            default: (2, Int(bytes[1]))
            }
        guard bytes.count == header + length else { return nil }
        return String(validating: bytes[header...], as: UTF8.self)
    }
}

/// The same numbers in each run (SplitMix64), so that what fails once can be found.
struct SeededNumbers: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8.random(in: 0...255, using: &self) }
    }
}
