import Codec

/// Makes of what a reactor saw what operators see: unpacked, without tokens, and cut. Not on a reactor.
struct TraceReading {
    let variant: Variant
    /// Bytes of a message that are shown.
    let limit: Int
    private let inflater = Inflater()

    init(_ variant: Variant, limit: Int) {
        self.variant = variant
        self.limit = limit
    }

    func item(_ item: SessionTrace.Item) -> TraceItem {
        switch item {
        case .record(let record): .message(entry(record))
        case .leftOut(let left): .leftOut(left)
        case .ended(let reason): .ended(PlainText(reason))
        }
    }

    private func entry(_ record: SessionTrace.Record) -> TraceEntry {
        let (shown, isRedacted) = shown(record)
        return TraceEntry(
            direction: record.isIncoming ? "in" : "out", time: Count(record.time),
            opcode: record.opcode.map { PlainText($0.text) }, kind: record.kind.map { PlainText($0.description) },
            shown: shown, redacted: isRedacted)
    }

    private func shown(_ record: SessionTrace.Record) -> (ShownBytes, isRedacted: Bool) {
        if record.opcode?.isControl == true { return (control(record), false) }
        guard let unpacked = unpacked(record) else {
            return (ShownBytes([], isText: true, count: record.bytes, limit: limit), false)
        }
        let (bytes, count) = unpacked
        let redacted =
            record.isIncoming ? variant.redacted(incoming: bytes) : variant.redacted(outgoing: bytes)
        let isText = record.opcode.map { $0 == .text } ?? variant.isText
        var shown = ShownBytes(
            redacted.bytes, isText: isText, count: count - bytes.count + redacted.bytes.count, limit: limit)
        // How long it is says what was sent, and not what is left of it.
        shown.bytes = Count(count)
        return (shown, redacted.isChanged)
    }

    /// A message that is compressed and longer than what is kept cannot be shown.
    private func unpacked(_ record: SessionTrace.Record) -> (bytes: [UInt8], count: Int)? {
        guard record.isCompressed else { return (record.kept, record.bytes) }
        guard record.kept.count == record.bytes else { return nil }
        return record.kept.withUnsafeBytes { packed in
            guard case .message(let message) = inflater.inflate(packed, limit: Self.maximumUnpacked) else { return nil }
            return (Array(message.prefix(SessionTrace.maximumKept)), message.count)
        }
    }

    /// What one message may unpack to: more than any publication may have.
    private static let maximumUnpacked = 64 << 20

    /// A close frame's code and reason are shown as text (RFC 6455 5.5.1).
    private func control(_ record: SessionTrace.Record) -> ShownBytes {
        guard record.opcode == .close, record.kept.count >= 2 else {
            return ShownBytes(record.kept, isText: true, count: record.bytes, limit: limit)
        }
        let code = UInt16(record.kept[0]) << 8 | UInt16(record.kept[1])
        var shown = ShownBytes(Array("\(code) ".utf8) + record.kept[2...], isText: true, limit: limit)
        shown.bytes = Count(record.bytes)
        return shown
    }
}

extension Opcode {
    fileprivate var text: String {
        switch self {
        case .continuation: "continuation"
        case .text: "text"
        case .binary: "binary"
        case .close: "close"
        case .ping: "ping"
        case .pong: "pong"
        }
    }
}
