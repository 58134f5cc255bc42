/// What operators do not see of messages of the centrifuge dialect: tokens of commands, headers that stand for those of a request
/// (`Authorization`, `Cookie`), and what opens a session to commands that come in requests of their own.
enum CentrifugeRedaction {
    private static let incomingKeys = ["token", "headers"]
    private static let outgoingKeys = ["session"]

    /// - Parameter message: A message of a client, or its beginning.
    static func incoming(_ message: [UInt8], in encoding: Variant.Encoding) -> Redacted {
        switch CentrifugeEncoding(encoding) {
        case .json: JSONRedaction.redact(message, keys: incomingKeys)
        case .protobuf: blotted(message, { command, blots in incoming(command, &blots) })
        }
    }

    /// - Parameter message: What the node sent, in whatever carries it.
    static func outgoing(_ message: [UInt8], as variant: Variant) -> Redacted {
        // Only the replies to those whose commands come in requests have something that opens a session.
        guard variant.traits.takesCommandRequests else { return Redacted(message) }
        switch CentrifugeEncoding(variant.encoding) {
        case .json: return JSONRedaction.redact(message, keys: outgoingKeys)
        case .protobuf: return blotted(message, { reply, blots in outgoing(reply, &blots) })
        }
    }

    /// Blots out parts of the messages in a message; all of it when it is not understood.
    private static func blotted(
        _ message: [UInt8], _ find: (_ one: UnsafeRawBufferPointer, _ blots: inout [UnsafeRawBufferPointer]) -> Bool
    ) -> Redacted {
        var result = Redacted(message)
        let isUnderstood = message.withUnsafeBytes { bytes in
            var reader = ProtobufReader(bytes)
            var blots: [UnsafeRawBufferPointer] = []
            while !reader.isAtEnd {
                guard let one = reader.delimited(), find(one, &blots) else { return false }
            }
            guard let base = bytes.baseAddress else { return true }
            for blot in blots {
                guard let start = blot.baseAddress, !blot.isEmpty else { continue }
                for offset in (start - base)..<(start - base + blot.count) { result.bytes[offset] = Redacted.blot }
                result.isChanged = true
            }
            return true
        }
        return isUnderstood ? result : .withheld
    }

    /// Every method that a command has: of several only one is carried out, and all of them are seen.
    private static func incoming(_ command: UnsafeRawBufferPointer, _ blots: inout [UnsafeRawBufferPointer]) -> Bool {
        var found: [UnsafeRawBufferPointer] = []
        var reader = ProtobufReader(command)
        let isWhole = reader.fields { field, reader in
            guard let method = CentrifugeCommand.Method(field: field.number), field.type == .bytes else {
                return reader.skip(field)
            }
            guard let message = reader.bytes(field) else { return false }
            return Self.find(in: message, of: method, &found)
        }
        blots += found
        return isWhole
    }

    private static func find(
        in message: UnsafeRawBufferPointer, of method: CentrifugeCommand.Method,
        _ found: inout [UnsafeRawBufferPointer]
    ) -> Bool {
        let token: UInt32
        switch method {
        case .connect, .refresh: token = 1
        case .subscribe, .subRefresh: token = 2
        default: return true
        }
        var blots: [UnsafeRawBufferPointer] = []
        var reader = ProtobufReader(message)
        let isWhole = reader.fields { field, reader in
            guard field.type == .bytes else { return reader.skip(field) }
            guard let value = reader.bytes(field) else { return false }
            switch (method, field.number) {
            case (_, token): blots.append(value)
            // Channels that it knows, by name: each may have a token.
            case (.connect, 3):
                guard let entry = CentrifugeEntry(value) else { return false }
                return Self.find(in: entry.value, of: .subscribe, &blots)
            case (.connect, 6):
                guard let entry = CentrifugeEntry(value) else { return false }
                blots.append(entry.value)
            default: break
            }
            return true
        }
        found += blots
        return isWhole
    }

    /// The `session` (9) of a reply (5) to `connect`.
    private static func outgoing(_ reply: UnsafeRawBufferPointer, _ blots: inout [UnsafeRawBufferPointer]) -> Bool {
        var found: [UnsafeRawBufferPointer] = []
        var reader = ProtobufReader(reply)
        let isWhole = reader.fields { field, reader in
            guard field.number == 5, field.type == .bytes else { return reader.skip(field) }
            guard let message = reader.bytes(field) else { return false }
            var inner = ProtobufReader(message)
            return inner.fields { field, inner in
                guard field.number == 9, field.type == .bytes else { return inner.skip(field) }
                guard let session = inner.bytes(field) else { return false }
                found.append(session)
                return true
            }
        }
        blots += found
        return isWhole
    }
}
