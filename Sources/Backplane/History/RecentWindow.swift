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

    private var size: Int
    /// Publications up to here are not handed out: history was removed after them. Should offsets ever begin anew, those of the
    /// new history are read from it until they are beyond this.
    private var removed = Offset.zero

    /// - Parameter size: Publications kept, if that is less than `maximumPublications`.
    package init(size: Int = maximumPublications) { self.size = min(size, Self.maximumPublications) }

    package var count: Int { publications.count - start }

    /// So many are kept from now on; the newest of those that are here stay.
    package mutating func use(size next: Int) {
        size = max(1, min(next, Self.maximumPublications))
        while count > size {
            bytes -= publications[start].weight
            start += 1
        }
        publications.removeFirst(start)
        start = 0
    }

    /// The one after the newest; a hole, or one without a position, makes the window begin anew.
    package mutating func append(_ publication: Publication) {
        guard let position = publication.position, position.offset > removed else { return removeAll() }
        if let last = publications.last?.position, !position.offset.follows(last.offset) { removeAll() }
        publications.append(publication)
        bytes += publication.weight
        while count > size || (bytes > Self.maximumBytes && count > 1) {
            bytes -= publications[start].weight
            start += 1
        }
        if start >= size {
            publications.removeFirst(start)
            start = 0
        }
    }

    /// History was removed up to an offset: nothing up to there is handed out any more, what is being read now included.
    package mutating func remove(upTo offset: Offset) {
        removed = max(removed, offset)
        while count > 0, let oldest = publications[start].position, oldest.offset <= removed {
            bytes -= publications[start].weight
            start += 1
        }
        if count == 0 { removeAll() }
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
        let oldest = count > 0 ? publications[start].position?.offset : nil
        var kept = older.filter { one in
            guard let offset = one.position?.offset else { return false }
            return offset > removed && (oldest.map { offset < $0 } ?? (offset <= top.offset))
        }
        if let oldest {
            guard kept.last?.position.map({ oldest.follows($0.offset) }) ?? false else { return }
        } else if kept.last?.position != top {
            return
        }
        // Only what follows one another, counted from the end.
        var expected = kept.last?.position?.offset
        var first = kept.count
        while first > 0, let offset = expected, kept[first - 1].position?.offset == offset {
            first -= 1
            expected = offset.previous
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
        guard position.offset < top.offset,
            // Across an epoch only the backplane knows whether the old one ended there.
            let newest = newest(position.offset.count(to: top.offset), top: top),
            newest.first?.position?.epoch == position.epoch
        else { return nil }
        return newest
    }

    /// The newest publications; nil if they are not all here.
    package func newest(_ missing: Int, top: Position) -> [Publication]? {
        if missing == 0 { return [] }
        guard missing <= count, let last = publications.last?.position, last == top else { return nil }
        return Array(publications.suffix(missing))
    }
}
