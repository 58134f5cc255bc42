import Codec
import Reactor

/// What is kept of one channel in memory.
struct MemoryStream {
    let channel: ChannelName
    let epoch: UInt64
    /// Of the newest publication there ever was.
    var offset = Offset.zero
    /// Oldest first, one offset after the other; those before `start` are gone.
    private var entries: [Publication] = []
    private var start = 0
    /// What the publications count, payloads and overhead.
    private(set) var bytes = 0
    var expiresAt: MonotonicTime

    /// What a publication counts beyond its payload.
    static let entryOverhead = 128
    /// What a channel counts beyond its publications: its name, and its places in tables.
    static let overhead = 512

    init(channel: ChannelName, epoch: UInt64, expiresAt: MonotonicTime) {
        self.channel = channel
        self.epoch = epoch
        self.expiresAt = expiresAt
    }

    var top: Position { Position(epoch: epoch, offset: offset) }
    var kept: ArraySlice<Publication> { entries[start...] }
    var isEmpty: Bool { start == entries.count }

    static func size(of publication: Publication) -> Int { publication.weight + entryOverhead }

    /// Adds the newest one, and gives up the oldest beyond a number.
    mutating func append(_ publication: Publication, keeping size: Int) {
        entries.append(publication)
        bytes += Self.size(of: publication)
        while entries.count - start > size {
            bytes -= Self.size(of: entries[start])
            start += 1
        }
        if start > 64, start * 2 > entries.count {
            entries.removeFirst(start)
            start = 0
        }
    }

    mutating func removeAll() {
        entries = []
        start = 0
        bytes = 0
    }

    /// What follows an offset; nil if that is not all here.
    func following(_ since: Offset) -> ArraySlice<Publication>? {
        let missing = since.count(to: offset)
        return missing <= kept.count ? entries[(entries.count - missing)...] : nil
    }

    /// What lies before an offset.
    func preceding(_ since: Offset) -> ArraySlice<Publication> {
        guard let previous = since.previous else { return [] }
        return kept.dropLast(previous.count(to: offset))
    }
}
