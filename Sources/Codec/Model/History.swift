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
    package var limit: Int
    /// Newest first.
    package var isReverse: Bool

    package init(
        channel: ChannelName, settings: HistorySettings, since: Position? = nil, limit: Int, isReverse: Bool = false
    ) {
        self.channel = channel
        self.settings = settings
        self.since = since
        self.limit = limit
        self.isReverse = isReverse
    }
}

/// A part of a channel's history.
package struct HistoryPage: Sendable {
    /// In the order of their positions, or the other way round when asked for.
    package var publications: [Publication]
    /// The position of the newest publication there ever was; offset 0 before the first.
    package var top: Position
    /// Whether `since` was a position of this channel's past, so that `publications` go on from there. Always, if none
    /// was asked for.
    package var isContinuous: Bool
    /// `since` was given once, and history went on without it, which nobody has noted there yet: it lies beyond the end of its
    /// epoch, or nothing is known of that. A server was replaced by one that did not have it.
    package var isFork: Bool

    package init(publications: [Publication], top: Position, isContinuous: Bool, isFork: Bool = false) {
        self.isFork = isFork
        self.publications = publications
        self.top = top
        self.isContinuous = isContinuous
    }
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
        guard parts.count == 2, let epoch = Self.epoch(String(parts[0])), let offset = Self.offset(parts[1]) else {
            return nil
        }
        self.init(epoch: epoch, offset: offset)
    }

    package static func epoch(_ text: String) -> UInt64? {
        guard text.utf8.count == 16, text.utf8.allSatisfy(\.isHexadecimalDigit) else { return nil }
        return UInt64(text, radix: 16)
    }

    private static func offset(_ text: Substring) -> UInt64? {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return UInt64(text)
    }
}

extension UInt8 {
    fileprivate var isHexadecimalDigit: Bool { (0x30...0x39).contains(self) || (0x61...0x66).contains(self) }
}
