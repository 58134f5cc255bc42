package import Codec

/// What nodes ask each other when a client comes back to another node than the one that has its session.
///
///     mark 0x03 · what (1) · id of the session (16) · fence (8)
///     claim: next (8) · dialect, encoding, transport, compression (1 each) · user (1: whether there is one; bytes to the end)
///     fetch: number of the first message (8)
///
/// Numbers are big-endian. Other questions of nodes begin with other bytes.
package struct HandoverQuestion: Equatable, Sendable {
    package enum What: Equatable, Sendable {
        /// Whoever has the session hands it over, to a client that sends the message of this number next.
        case claim(next: UInt64, variant: Variant, user: [UInt8]?)
        /// What the client has not acknowledged, from this message on; answered when all of it is there.
        case fetch(from: UInt64)
    }

    package let id: SessionID.Secret
    /// Marks the handover: 64 random bits that the asking node chose.
    package let fence: UInt64
    package let what: What

    package init(id: SessionID.Secret, fence: UInt64, _ what: What) {
        self.id = id
        self.fence = fence
        self.what = what
    }

    private static var mark: UInt8 { 0x03 }

    package static func isOne(_ question: [UInt8]) -> Bool { question.first == mark }

    package var bytes: [UInt8] {
        let writer = ByteWriter(capacity: 64)
        writer.append(Self.mark)
        switch what {
        case .claim: writer.append(1)
        case .fetch: writer.append(2)
        }
        writer.append(bigEndian: id.high)
        writer.append(bigEndian: id.low)
        writer.append(bigEndian: fence)
        switch what {
        case .claim(let next, let variant, let user):
            writer.append(bigEndian: next)
            writer.append(variant.dialect.rawValue)
            writer.append(variant.encoding.rawValue)
            writer.append(variant.transport.rawValue)
            writer.append(variant.compression.rawValue)
            writer.append(user == nil ? 0 : 1)
            writer.append(user ?? [])
        case .fetch(let first): writer.append(bigEndian: first)
        }
        return Array(writer.bytes)
    }

    /// - Returns: Nil for what is none.
    package init?(_ bytes: [UInt8]) {
        var rest = PackedBytes(bytes)
        guard rest.byte() == Self.mark, let what = rest.byte(), let high = rest.number(), let low = rest.number(),
            let fence = rest.number(), let number = rest.number()
        else { return nil }
        switch what {
        case 1:
            guard let dialect = rest.byte().flatMap(Dialect.init(rawValue:)),
                let encoding = rest.byte().flatMap(Variant.Encoding.init(rawValue:)),
                let transport = rest.byte().flatMap(Transport.init(rawValue:)),
                let compression = rest.byte().flatMap(Variant.Compression.init(rawValue:)), let hasUser = rest.byte()
            else { return nil }
            let user = rest.all()
            guard hasUser == 1 || (hasUser == 0 && user.isEmpty) else { return nil }
            self.what = .claim(
                next: number, variant: Variant(dialect, in: encoding, over: transport, compression),
                user: hasUser == 1 ? user : nil)
        case 2:
            guard rest.all().isEmpty else { return nil }
            self.what = .fetch(from: number)
        default: return nil
        }
        id = SessionID.Secret(high: high, low: low)
        self.fence = fence
    }
}

/// What a node says to that.
///
///     0: it has no such session, or cannot hand it over
///     1: taken (8) · acknowledged (8) · handovers (8) · where the session began: node (8), place (8) · channels: length (2) · name
///     2: messages (8) · whether it is all (1) · bytes
package enum HandoverAnswer: Equatable, Sendable {
    case refused
    /// The session does nothing any more but keep what comes for it.
    ///
    /// - taken: The number of the last message of the client that was carried out.
    /// - acknowledged: That of the last one that the client has.
    /// - generation: How often the session has gone to another node before.
    /// - origin: The id of the session at the node where it was opened.
    case claimed(
        taken: UInt64, acknowledged: UInt64, generation: UInt64, origin: SessionID, channels: [ChannelName])
    /// Messages as they were written for the client, one behind the other.
    case page(messages: UInt64, isLast: Bool, bytes: [UInt8])

    package var bytes: [UInt8] {
        let writer = ByteWriter(capacity: 256)
        switch self {
        case .refused: writer.append(0)
        case .claimed(let taken, let acknowledged, let generation, let origin, let channels):
            writer.append(1)
            writer.append(bigEndian: taken)
            writer.append(bigEndian: acknowledged)
            writer.append(bigEndian: generation)
            writer.append(bigEndian: origin.node.value)
            writer.append(bigEndian: origin.locator)
            for channel in channels {
                writer.append(bigEndian: UInt16(clamping: channel.bytes.count))
                writer.append(channel.bytes)
            }
        case .page(let messages, let isLast, let bytes):
            writer.append(2)
            writer.append(bigEndian: messages)
            writer.append(isLast ? 1 : 0)
            writer.append(bytes)
        }
        return Array(writer.bytes)
    }

    /// - Parameter id: That of the session, which the question named.
    /// - Returns: Nil for what is none.
    package init?(_ bytes: [UInt8], about id: SessionID.Secret) {
        var rest = PackedBytes(bytes)
        switch rest.byte() {
        case 0: self = .refused
        case 1:
            guard let taken = rest.number(), let acknowledged = rest.number(),
                let generation = rest.number(), let node = rest.number(), let place = rest.number()
            else { return nil }
            let origin = SessionID(node: NodeID(node), locator: place, secret: id)
            var channels: [ChannelName] = []
            while let length = rest.short() {
                guard let bytes = rest.bytes(length), let name = ChannelName(ofClient: bytes) else { return nil }
                channels.append(name)
            }
            guard rest.all().isEmpty else { return nil }
            self = .claimed(
                taken: taken, acknowledged: acknowledged, generation: generation, origin: origin, channels: channels)
        case 2:
            guard let messages = rest.number(), let isLast = rest.byte(), isLast < 2 else { return nil }
            self = .page(messages: messages, isLast: isLast == 1, bytes: rest.all())
        default: return nil
        }
    }
}
