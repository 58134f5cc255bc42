/// The NATS client protocol as far as a subscriber needs it: `MSG subject sid [reply] size`, PING, PONG, INFO and -ERR.
enum NATSStream {
    enum Item {
        case message(UnsafeRawBufferPointer)
        case ping
        case pong
        case error(String)
        case other
    }

    /// Calls back for what is complete.
    ///
    /// - Returns: How many bytes were used; nil when it is not the protocol.
    static func parse(_ bytes: UnsafeRawBufferPointer, _ item: (Item) -> Void) -> Int? {
        var at = 0
        while at < bytes.count {
            let rest = UnsafeRawBufferPointer(rebasing: bytes[at...])
            guard let end = rest.firstIndex(of: 0x0A) else { return rest.count > 8192 ? nil : at }
            let line = UnsafeRawBufferPointer(rebasing: rest[..<end])
            at += end + 1
            guard line.count >= 3 else { continue }
            switch (line[0], line[1]) {
            case (UInt8(ascii: "M"), _):
                guard let size = trailingNumber(line), size <= 1 << 26 else { return nil }
                guard bytes.count - at >= size + 2 else { return at - end - 1 }
                item(.message(UnsafeRawBufferPointer(rebasing: bytes[at..<(at + size)])))
                at += size + 2
            case (UInt8(ascii: "P"), UInt8(ascii: "I")): item(.ping)
            case (UInt8(ascii: "P"), UInt8(ascii: "O")): item(.pong)
            case (UInt8(ascii: "-"), _): item(.error(String(decoding: line, as: UTF8.self)))
            default: item(.other)
            }
        }
        return at
    }

    private static func trailingNumber(_ line: UnsafeRawBufferPointer) -> Int? {
        var value = 0
        var unit = 1
        var index = line.count - 1
        while index >= 0, line[index] == 0x0D { index -= 1 }
        let last = index
        while index >= 0, line[index] >= 0x30, line[index] <= 0x39, last - index < 9 {
            value += Int(line[index] - 0x30) * unit
            unit *= 10
            index -= 1
        }
        return index == last ? nil : value
    }
}
