/// Reads numbers and bytes one behind the other.
struct PackedBytes {
    private let bytes: [UInt8]
    private var index = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func byte() -> UInt8? {
        guard index < bytes.count else { return nil }
        index += 1
        return bytes[index - 1]
    }

    mutating func short() -> Int? {
        guard bytes.count - index >= 2 else { return nil }
        index += 2
        return Int(bytes[index - 2]) << 8 | Int(bytes[index - 1])  // trap-ok: bytes become wider
    }

    mutating func number() -> UInt64? {
        guard bytes.count - index >= 8 else { return nil }
        index += 8
        // trap-ok: bytes become wider
        return bytes[(index - 8)..<index].reduce(0) { $0 << 8 | UInt64($1) }
    }

    mutating func bytes(_ count: Int) -> [UInt8]? {
        guard count <= bytes.count - index else { return nil }
        index += count
        return Array(bytes[(index - count)..<index])
    }

    mutating func all() -> [UInt8] {
        defer { index = bytes.count }
        return Array(bytes[index...])
    }
}
