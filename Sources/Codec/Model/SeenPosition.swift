/// An offset as a protocol shows it whose publications carry no epoch (centrifuge): the number says the epoch too.
///
/// Such a client is told an epoch when it subscribes, and only offsets from then on. When a new epoch begins while it is
/// connected (Redis was started anew), it keeps the old one, and comes back with an old epoch and a new offset. So the upper 16
/// of 53 bits have the first 16 bits of the epoch, its tag, and the lower 37 bits the offset. The tag of a channel's first epoch
/// is 0 where nothing came before it, so that offsets look like plain numbers until Redis is started anew. A counter in
/// place of the tag would not do: after a failover that lost publications, two epochs have the same predecessor.
///
/// Offsets of 2^37 and more (1,000 publications a second for four years) are shown as they are.
package struct ClientOffset: Hashable, Sendable {
    /// At most 2^53-1.
    package let value: UInt64

    private static let offsetBits: UInt64 = 37
    private static var largestOffset: UInt64 { 1 << offsetBits - 1 }

    package init(_ position: Position) {
        let offset = position.offset.value
        // Offset 0 is before any publication, in whatever epoch was told beside it.
        guard offset > 0, offset <= Self.largestOffset else {
            value = offset
            return
        }
        value = Self.tag(of: position.epoch) << Self.offsetBits | offset
    }

    /// What a client sent; takes 2^53-1 for everything beyond it.
    package init(clamping value: UInt64) { self.value = Offset(clamping: value).value }

    /// 0 says: the epoch that was told at the subscription.
    var tag: UInt64 { value >> Self.offsetBits }
    /// The offset beside a tag.
    var tagged: Offset { Offset(clamping: value & Self.largestOffset) }
    /// The offset if there is no tag.
    var plain: Offset { Offset(clamping: value) }

    static func tag(of epoch: UInt64) -> UInt64 { epoch >> 48 }
}

extension ClientOffset: CustomStringConvertible {
    package var description: String { String(value) }
}

/// Where a client says it is in a channel, in the words of a protocol that tells an epoch beside offsets.
package struct ClientPosition: Hashable, Sendable {
    /// Empty is any.
    package let epoch: [UInt8]
    package let offset: ClientOffset

    package init(epoch: [UInt8], offset: ClientOffset) {
        self.epoch = epoch
        self.offset = offset
    }
}

/// Where a client says it is in a channel.
package enum SeenPosition: Hashable, Sendable {
    /// It knows the epoch of the last publication it got (event streams, the API).
    case exact(Position)
    /// It knows the epoch of its subscription, and an offset.
    case counted(epoch: UInt64, ClientOffset)
    /// It knows an offset and no epoch: any will do (Centrifuge protocol, recovery from an empty epoch).
    case anyEpoch(ClientOffset)
    /// Nobody knows where it is.
    case unknown

    /// An epoch that is none of ours is one that is over.
    package init(_ said: ClientPosition) {
        guard !said.epoch.isEmpty else {
            self = .anyEpoch(said.offset)
            return
        }
        self =
            Position.epoch(String(decoding: said.epoch, as: UTF8.self)).map { .counted(epoch: $0, said.offset) }
            ?? .unknown
    }
}

extension EpochLineage {
    /// The position in this channel's past that a client means; nil when what it says does not lead here.
    package func position(of seen: SeenPosition) -> Position? {
        let found: Position?
        switch seen {
        case .exact(let position): found = position
        case .counted(let epoch, let offset):
            // Whatever came later, the subscription began in this channel's past.
            guard end(of: epoch) != nil else { return nil }
            found =
                offset.tag == 0
                ? Position(epoch: epoch, offset: offset.plain)
                : tagged(offset) ?? Position(epoch: epoch, offset: offset.plain)
        case .anyEpoch(let offset):
            found = Position(epoch: top.epoch, offset: tagged(offset)?.offset ?? offset.plain)
        case .unknown: found = nil
        }
        return found.flatMap { leads(from: $0) ? $0 : nil }
    }

    private func tagged(_ offset: ClientOffset) -> Position? {
        guard offset.tag > 0 else { return nil }
        for epoch in [top.epoch] + ends.map(\.epoch) where ClientOffset.tag(of: epoch) == offset.tag {
            let position = Position(epoch: epoch, offset: offset.tagged)
            if leads(from: position) { return position }
        }
        return nil
    }
}
