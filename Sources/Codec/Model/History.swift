/// How much of a channel is kept, and for how long.
package struct HistorySettings: Hashable, Sendable {
    /// Publications kept at the most, the newest.
    package var size: Int
    /// After the last publication everything is forgotten when this is over, in milliseconds.
    package var timeToLive: Int64

    package init(size: Int, timeToLive: Int64) {
        self.size = size
        self.timeToLive = timeToLive
    }
}

/// What somebody wants to know of a channel's history.
package struct HistoryQuery: Hashable, Sendable {
    package var channel: ChannelName
    package var settings: HistorySettings
    /// Only what came after it (or before it, in reverse); nil for everything there is.
    package var since: Position?
    /// Publications at the most; 0 asks for the end alone.
    package let limit: Int
    /// Bytes of them at the most, payloads with their envelopes. The first publication is given whatever its size.
    package let bytes: Int
    /// Newest first.
    package var isReverse: Bool

    /// What `limit` can be at the most.
    package static let maximumPublications = 1000
    /// What `bytes` can be at the most. A reply of Redis then stays far below the limit of `RESPReader`, also with the largest
    /// message that can be configured behind it.
    package static let maximumBytes = 4 << 20
    /// Bytes of a page, unless the asker says something else.
    package static let pageBytes = 256 << 10

    package init(
        channel: ChannelName, settings: HistorySettings, since: Position? = nil, limit: Int, bytes: Int = pageBytes,
        isReverse: Bool = false
    ) {
        self.channel = channel
        self.settings = settings
        self.since = since
        self.limit = min(max(limit, 0), Self.maximumPublications)
        self.bytes = min(max(bytes, 1), Self.maximumBytes)
        self.isReverse = isReverse
    }

    /// The same question, from a position on.
    package func after(_ position: Position) -> HistoryQuery {
        var query = self
        query.since = position
        return query
    }
}

/// A part of a channel's history.
package struct HistoryPage: Sendable {
    /// In the order of their positions, or the other way round when asked for.
    package var publications: [Publication]
    /// The position of the newest publication there ever was; offset 0 before the first.
    package var top: Position { lineage.top }
    /// Which positions lead to `top`.
    package var lineage: EpochLineage
    /// Whether `since` was a position of this channel's past, so that `publications` go on from there. Always, if none
    /// was asked for.
    package var isContinuous: Bool
    /// `since` was given once, and history went on without it, which nobody has noted there yet: it lies beyond the end of its
    /// epoch, or nothing is known of that. A server was replaced by one that did not have it.
    package var isFork: Bool
    /// The page was full before the history ended: more follows after the last publication (or lies before it, in reverse).
    package var isCut: Bool
    /// How long everything is kept yet, in milliseconds, if nothing more is published; nil when nothing is kept, or when that
    /// is not known.
    package var remaining: Int64?

    package init(
        publications: [Publication], lineage: EpochLineage, isContinuous: Bool, isFork: Bool = false,
        isCut: Bool = false,
        remaining: Int64? = nil
    ) {
        self.remaining = remaining
        self.isFork = isFork
        self.isCut = isCut
        self.publications = publications
        self.lineage = lineage
        self.isContinuous = isContinuous
    }

    /// The position from which the next page goes on; nil when there is none.
    package var next: Position? { isCut ? publications.last?.position : nil }
}

extension Position: CustomStringConvertible {
    /// `4f3c2b1a09876543:17`, and the way back: what event streams have as `id`.
    package var description: String { "\(epochText):\(offset)" }

    /// 16 hexadecimal digits.
    package var epochText: String {
        let digits = String(epoch, radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    package init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let epoch = Self.epoch(String(parts[0])), let offset = Offset(decimal: parts[1].utf8)
        else {
            return nil
        }
        self.init(epoch: epoch, offset: offset)
    }

    package static func epoch(_ text: String) -> UInt64? {
        guard text.utf8.count == 16, text.utf8.allSatisfy(\.isHexadecimalDigit) else { return nil }
        return UInt64(text, radix: 16)
    }
}

extension UInt8 {
    fileprivate var isHexadecimalDigit: Bool { (0x30...0x39).contains(self) || (0x61...0x66).contains(self) }
}
