/// Which positions belong to the past of a channel, so that what follows them is known.
///
/// An epoch is exact: of its positions those up to its end are good. Only a channel without any publication has no epoch of its own
/// yet, because reading creates nothing. Its subscribers are told a position of offset 0 in one of the epochs that are
/// reserved for that, and keep that epoch while the first publications arrive.
package struct EpochLineage: Hashable, Sendable {
    /// Those of the reserved epochs that go on with the first epoch the channel really had.
    package struct First: Hashable, Sendable {
        package let aliases: ClosedRange<UInt64>
        package let epoch: UInt64

        package init(aliases: ClosedRange<UInt64>, epoch: UInt64) {
            self.aliases = aliases
            self.epoch = epoch
        }
    }

    /// The newest publication's; offset 0 before the first.
    package var top: Position
    /// Where earlier epochs ended.
    package let ends: [Position]
    /// Reserved epochs of which offset 0 is the beginning of this channel.
    package let beginnings: [ClosedRange<UInt64>]
    package let first: First?

    package init(
        top: Position, ends: [Position] = [], beginnings: [ClosedRange<UInt64>] = [], first: First? = nil
    ) {
        self.top = top
        self.ends = ends
        self.beginnings = beginnings
        self.first = first
    }

    /// The last good offset of an epoch; nil for one that does not lead here.
    package func end(of epoch: UInt64) -> Offset? {
        if let end = exactEnd(of: epoch) { return end }
        if let first, first.aliases.contains(epoch), let end = exactEnd(of: first.epoch) { return end }
        return beginnings.contains { $0.contains(epoch) } ? .zero : nil
    }

    private func exactEnd(of epoch: UInt64) -> Offset? {
        epoch == top.epoch ? top.offset : ends.first { $0.epoch == epoch }?.offset
    }

    /// Whether what follows a position is what follows its offset in this channel.
    package func leads(from position: Position) -> Bool {
        end(of: position.epoch).map { position.offset <= $0 } ?? false
    }
}
