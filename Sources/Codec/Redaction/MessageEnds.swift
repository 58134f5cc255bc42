extension MessageSeparation {
    /// How many bytes of messages that follow one another fit: whole ones only, and the first one however long it is.
    ///
    /// - Parameters:
    ///   - bytes: Begins with a message. What cannot be taken apart is one message.
    ///   - most: So many bytes fit.
    package func end(in bytes: UnsafeRawBufferPointer, most: Int) -> Int {
        guard bytes.count > most else { return bytes.count }
        switch self {
        case .records:
            if let last = bytes.prefix(max(0, most)).lastIndex(of: Self.record) { return last + 1 }
            return bytes.firstIndex(of: Self.record).map { $0 + 1 } ?? bytes.count
        case .lengths:
            var end = 0
            while let next = Self.measured(bytes, at: end), end == 0 || next <= most { end = next }
            return end == 0 ? bytes.count : end
        case .frames, .events, .lines: return bytes.count
        }
    }

    private static var record: UInt8 { 0x1E }

    /// Where a message ends that has its length in front of it: 7 bits a byte, the lowest first, at most five bytes.
    ///
    /// - Returns: Nil where no whole message follows.
    private static func measured(_ bytes: UnsafeRawBufferPointer, at start: Int) -> Int? {
        var length = 0
        for index in 0..<5 {
            guard index < bytes.count - start else { return nil }
            let byte = bytes[start + index]
            // trap-ok: a byte becomes wider, and is shifted by 28 bits at most
            length |= Int(byte & 0x7F) << (7 * index)
            guard byte & 0x80 == 0 else { continue }
            let rest = bytes.count - start - index - 1
            return length <= rest ? start + index + 1 + length : nil
        }
        return nil
    }
}
