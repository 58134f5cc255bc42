/// What operators do not see of messages of the signalr dialect: headers of calls, in which some clients send their token.
enum SignalRRedaction {
    /// - Parameter message: A message of a client, or its beginning.
    static func incoming(_ message: [UInt8], in encoding: Variant.Encoding) -> Redacted {
        switch SignalREncoding(encoding) {
        case .json: JSONRedaction.redact(message, keys: ["headers"])
        case .messagePack: packed(message)
        }
    }

    /// Blots out the headers that are not empty; everything when that is not understood.
    private static func packed(_ message: [UInt8]) -> Redacted {
        // The handshake is JSON.
        if message.first == UInt8(ascii: "{") { return JSONRedaction.redact(message, keys: ["headers"]) }
        var result = Redacted(message)
        let isUnderstood = message.withUnsafeBytes { bytes in
            var start = 0
            while start < bytes.count {
                var index = start
                while index < bytes.count, bytes[index] & 0x80 != 0 { index += 1 }
                guard index < bytes.count, index - start < 5 else { return false }
                index += 1
                var scanner = MessagePackScanner(UnsafeRawBufferPointer(rebasing: bytes[index...]))
                guard let count = scanner.arrayCount(), count > 0, case .unsigned? = scanner.head() else {
                    return false
                }
                var left = count - 1
                if left > 0 {
                    left -= 1
                    let begin = index + scanner.index
                    var headers = scanner
                    guard scanner.skipValue() else { return false }
                    if case .map(let pairs)? = headers.head(), pairs > 0 {
                        for offset in begin..<(index + scanner.index) { result.bytes[offset] = Redacted.blot }
                        result.isChanged = true
                    }
                }
                while left > 0 {
                    // The end of a message may not have been kept.
                    guard scanner.skipValue() else { return true }
                    left -= 1
                }
                start = index + scanner.index
            }
            return true
        }
        return isUnderstood ? result : .withheld
    }
}
