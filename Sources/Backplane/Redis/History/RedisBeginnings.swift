package import Codec

/// The epochs that are told of channels nobody published to: 48 random bits that belong to the server Redis runs on, and
/// the day (since 1970, UTC) on which they were told.
///
/// Reading creates nothing, so it is not one key for each channel that remembers what was told but one for the cluster. The
/// first publication of a channel takes over the bits, and its own day. What was told on an earlier day leads there too, as
/// long as it is certain that nothing was forgotten in between: what a publication leaves behind is kept for 30 days.
///
/// - When Redis lost everything the key is gone too. New bits begin, and no position of before is good.
/// - When another server, or the same started anew, keeps the history, new bits begin. Those of before are remembered:
///   their offset 0 is still the beginning. Nothing but that, because offsets that were given may have been lost.
package struct RedisBeginnings: Sendable {
    /// The bits, in the upper part of a word, newest first.
    package let bases: [UInt64]

    /// Bytes of the random bits, and of a day.
    static let baseBytes = 6
    static let dayBytes = 2
    /// Servers that are remembered.
    static let remembered = 32
    /// What was told so many days ago is still good. One less than what is kept, for clocks that differ.
    static let days: UInt64 = 28
    /// How far the clock of another node may be ahead.
    private static let ahead: UInt64 = 1

    /// Reads what Redis keeps.
    ///
    /// - Returns: Nil when it is not that.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count % Self.baseBytes == 0, bytes.count <= Self.baseBytes * Self.remembered else { return nil }
        bases = stride(from: 0, to: bytes.count, by: Self.baseBytes).map { start in
            bytes[start..<(start + Self.baseBytes)].reduce(0) { $0 << 8 | UInt64($1) } << 16
        }
    }

    /// The number of a day, from milliseconds since 1970; there are 65,536 of them.
    package static func day(_ wallClock: UInt64) -> UInt64 { min(wallClock / 86_400_000, UInt64(UInt16.max)) }

    static func base(_ epoch: UInt64) -> UInt64 { epoch & ~UInt64(UInt16.max) }
    static func day(of epoch: UInt64) -> UInt64 { epoch & UInt64(UInt16.max) }

    /// What is told today of a channel without a publication.
    package func position(today: UInt64) -> Position? {
        bases.first.map { Position(epoch: $0 | min(today, UInt64(UInt16.max)), offset: .zero) }
    }

    /// The epochs of one server that may have been told and be good today, up to a day.
    private static func epochs(_ base: UInt64, today: UInt64, until last: UInt64 = .max) -> ClosedRange<UInt64>? {
        let first = today > days ? today - days : 0
        let last = min(today + ahead, last, UInt64(UInt16.max))
        return first <= last ? (base | first)...(base | last) : nil
    }

    /// What positions lead to the end of a channel.
    ///
    /// - Parameters:
    ///   - isWhole: Nothing was disowned in it, so it goes back to its first publication.
    ///   - isYoung: It has had one epoch only, and that began on the server of now.
    package func lineage(
        _ top: Position, ends: [Position], isWhole: Bool, isYoung: Bool, today: UInt64
    ) -> EpochLineage {
        let beginnings = isWhole ? bases.compactMap { Self.epochs($0, today: today) } : []
        let epoch = ends.last?.epoch ?? top.epoch
        var aliases: ClosedRange<UInt64>?
        if bases.contains(Self.base(epoch)) {
            aliases = Self.epochs(Self.base(epoch), today: today, until: Self.day(of: epoch) + Self.ahead)
        } else if isYoung, let base = bases.first {
            // A node of the version before began it, with an epoch of its own.
            aliases = Self.epochs(base, today: today)
        }
        return EpochLineage(
            top: top, ends: ends, beginnings: beginnings, first: aliases.map { .init(aliases: $0, epoch: epoch) })
    }
}
