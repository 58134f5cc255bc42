package import Codec

/// What the record of a session says: enough to go on with it on another node, where histories have what it was sent since.
///
///     version (1) · taken (8) · acknowledged (8) · where the session began: node (8), place (8) · channels:
///     length (2) · name · whether it has a place (1), and that: epoch (8), offset (8)
///
/// Numbers are big-endian.
package struct RecordedSession: Equatable, Sendable {
    package struct Channel: Equatable, Sendable {
        package let name: ChannelName
        /// Where it was behind the last message that the client has; nil of a channel without history.
        package let place: Position?
    }

    /// The number of the last message of the client that was carried out.
    package let taken: UInt64
    /// That of the last one that the client has; what follows it is in the histories.
    package let acknowledged: UInt64
    /// The id at the node where it was opened.
    package let origin: SessionID
    package let channels: [Channel]

    private static var version: UInt8 { 1 }

    package init(taken: UInt64, acknowledged: UInt64, origin: SessionID, channels: [Channel]) {
        self.taken = taken
        self.acknowledged = acknowledged
        self.origin = origin
        self.channels = channels
    }

    package var bytes: [UInt8] {
        let writer = ByteWriter(capacity: 64 + channels.count * 48)
        writer.append(Self.version)
        for number in [taken, acknowledged, origin.node.value, origin.locator] { writer.append(bigEndian: number) }
        for channel in channels {
            writer.append(bigEndian: UInt16(clamping: channel.name.bytes.count))
            writer.append(channel.name.bytes)
            writer.append(channel.place == nil ? 0 : 1)
            guard let place = channel.place else { continue }
            writer.append(bigEndian: place.epoch)
            writer.append(bigEndian: place.offset.value)
        }
        return Array(writer.bytes)
    }

    /// - Parameter id: That of the session.
    /// - Returns: Nil for what is none.
    package init?(_ bytes: [UInt8], of id: SessionID.Secret) {
        var rest = PackedBytes(bytes)
        guard rest.byte() == Self.version, let taken = rest.number(), let acknowledged = rest.number(),
            let node = rest.number(), let place = rest.number()
        else { return nil }
        self.taken = taken
        self.acknowledged = acknowledged
        origin = SessionID(node: NodeID(node), locator: place, secret: id)
        var channels: [Channel] = []
        while let length = rest.short() {
            guard length > 0, length <= ChannelName.maximumBytes, let name = rest.bytes(length),
                let hasPlace = rest.byte(), hasPlace < 2
            else { return nil }
            var place: Position?
            if hasPlace == 1 {
                guard let epoch = rest.number(), let offset = rest.number().flatMap({ Offset(exactly: $0) }) else {
                    return nil
                }
                place = Position(epoch: epoch, offset: offset)
            }
            channels.append(Channel(name: ChannelName(trusted: name), place: place))
        }
        guard rest.all().isEmpty, Set(channels.map(\.name)).count == channels.count else { return nil }
        self.channels = channels
    }

    /// Whose session it is and what is spoken with it: who comes back has to be the same.
    package static func owner(_ variant: Variant, _ user: ForeignText?) -> [UInt8] {
        [
            variant.dialect.rawValue, variant.encoding.rawValue, variant.transport.rawValue,
            variant.compression.rawValue, user == nil ? 0 : 1,
        ] + Array((user ?? "").utf8)
    }
}
