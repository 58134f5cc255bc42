package import Codec
package import Reactor

/// How much of something that may be too much is shown in a second: decides for each piece, and counts what is left out. Pure.
package struct ShowingRate {
    private let limit: RateLimit
    private var bucket = TokenBucket()
    /// Since the last one that was shown.
    private var leftOut = LeftOut()

    /// - Parameter perSecond: So many are shown in a second.
    package init(perSecond: Int) { limit = RateLimit(perSecond: perSecond, burst: perSecond) }

    /// - Parameter bytes: What it would have shown.
    /// - Returns: Whether it is shown.
    package mutating func shows(_ bytes: Int, now: MonotonicTime) -> Bool {
        if bucket.take(limit, now: now.nanoseconds) { return true }
        leftOut.count += 1
        leftOut.bytes += Count(bytes)
        return false
    }

    /// Counts something that cannot be shown.
    package mutating func leaveOut(_ bytes: Int) {
        leftOut.count += 1
        leftOut.bytes += Count(bytes)
    }

    /// What was left out since the last call; nil for nothing.
    package mutating func takeLeftOut() -> LeftOut? {
        guard leftOut.count > 0 else { return nil }
        defer { leftOut = LeftOut() }
        return leftOut
    }
}

/// What is not shown.
package struct LeftOut: Codable, Equatable, Sendable {
    package var count: Count = 0
    package var bytes: Count = 0

    package init(count: Count = 0, bytes: Count = 0) {
        self.count = count
        self.bytes = bytes
    }
}

/// Bytes as operators see them: text as it is, everything else in base64, and only the beginning of what is long.
package struct ShownBytes: Codable, Equatable, Sendable {
    /// How many there are, of which `data` may be the beginning.
    package var bytes: Count
    /// text or base64.
    package var encoding: PlainText
    package var data: String
    package var truncated: Bool

    /// - Parameters:
    ///   - count: How many there are, if `bytes` is only their beginning.
    ///   - limit: How many are shown.
    package init(_ bytes: [UInt8], isText: Bool, count: Int? = nil, limit: Int) {
        var shown = bytes[..<min(limit, bytes.count)]
        let total = max(count ?? bytes.count, bytes.count)
        self.bytes = Count(total)
        truncated = shown.count < total
        if isText {
            // A character is shown whole or not at all.
            if truncated { shown = shown.dropLast(Self.incomplete(shown)) }
            if let text = String(validating: shown, as: UTF8.self) {
                encoding = "text"
                data = text
                return
            }
        }
        encoding = "base64"
        data = Base64.encode(Array(shown))
    }

    /// How many bytes at the end begin a character that is not whole (RFC 3629).
    private static func incomplete(_ bytes: ArraySlice<UInt8>) -> Int {
        for (behind, byte) in bytes.reversed().prefix(4).enumerated() {
            if byte & 0xC0 == 0x80 { continue }
            let length = byte < 0x80 ? 1 : byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2
            return length > behind + 1 ? behind + 1 : 0
        }
        return 0
    }

    /// `,"bytes":5,"encoding":"text","data":"hello","truncated":false`
    func writeFields(to writer: ByteWriter) {
        writer.append(",\"bytes\":")
        writer.append(decimal: bytes.value)
        writer.append(",\"encoding\":")
        JSONWriter.writeString(encoding.text, to: writer)
        writer.append(",\"data\":")
        JSONWriter.writeString(data, to: writer)
        writer.append(truncated ? ",\"truncated\":true" : ",\"truncated\":false")
    }
}
