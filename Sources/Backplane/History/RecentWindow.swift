package import Codec

/// The newest publications of one channel in the order of their positions, without a hole: so that many who come back
/// at once are answered without asking the backplane for each.
package struct RecentWindow {
    private var publications: [Publication] = []
    /// Index of the oldest one that counts; those before it are let go in batches.
    private var start = 0
    private var bytes = 0

    /// Publications, and bytes of payload, kept at the most.
    package static let maximumPublications = 256
    package static let maximumBytes = 256 * 1024

    private let size: Int

    /// - Parameter size: Publications kept, if that is less than `maximumPublications`.
    package init(size: Int = maximumPublications) { self.size = min(size, Self.maximumPublications) }

    package var count: Int { publications.count - start }

    /// The one after the newest; a hole, or one without a position, makes the window begin anew.
    package mutating func append(_ publication: Publication) {
        guard let position = publication.position else { return removeAll() }
        if let last = publications.last?.position, last.offset + 1 != position.offset { removeAll() }
        publications.append(publication)
        bytes += publication.payload.count
        while count > size || (bytes > Self.maximumBytes && count > 1) {
            bytes -= publications[start].payload.count
            start += 1
        }
        if start >= size {
            publications.removeFirst(start)
            start = 0
        }
    }

    package mutating func removeAll() {
        publications = []
        start = 0
        bytes = 0
    }

    /// Older ones, in the order of their positions, read from history: what of them lies right before the window, up to its
    /// size.
    ///
    /// - Parameter top: Where the channel is now; the window ends there, or is empty.
    package mutating func prepend(_ older: [Publication], top: Position) {
        let before = count > 0 ? publications[start].position?.offset ?? 0 : top.offset + 1
        var kept = older.filter { ($0.position?.offset ?? .max) < before }
        guard var expected = kept.last?.position?.offset, expected + 1 == before else { return }
        if count == 0, kept.last?.position != top { return }
        // Only what follows one another, counted from the end.
        var first = kept.count
        while first > 0, kept[first - 1].position?.offset == expected {
            first -= 1
            expected &-= 1
        }
        kept.removeFirst(first)
        let newer = publications[start...]
        removeAll()
        for publication in kept + newer { append(publication) }
    }

    package var last: Publication? { publications.last }

    /// What came after a position; nil if that is not all here.
    ///
    /// - Parameter top: Where the channel is now.
    package func since(_ position: Position, top: Position) -> [Publication]? {
        if position == top { return [] }
        guard position.offset < top.offset, let last = publications.last?.position, last == top else { return nil }
        let missing = Int(clamping: top.offset - position.offset)
        let first = publications.count - missing
        // Across an epoch only the backplane knows whether the old one ended there.
        guard first >= start, publications[first].position?.epoch == position.epoch else { return nil }
        return Array(publications[first...])
    }
}
