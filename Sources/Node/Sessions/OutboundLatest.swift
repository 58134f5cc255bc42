/// Channels of which only the newest publication counts: one at the most waits, in the place of the one it replaces, so
/// that a channel that changes faster than the session reads does get its turn.
extension Outbound {
    /// How many bytes of a `latest` channel could be replaced; 0 where nothing could.
    package func replaceableBytes(of channel: UInt32, committed: Int) -> Int {
        guard let index = replaceable(of: channel, committed: committed) else { return 0 }
        return piece(at: index).count
    }

    /// Where a piece is: -1 is the head.
    private func replaceable(of channel: UInt32, committed: Int) -> Int? {
        guard let head, lossyBytes > 0 else { return nil }
        let free = firstFree(committed: committed)
        if free.head, head.mark.channel == channel, head.mark.kind == .latest { return -1 }
        guard let rest else { return nil }
        for index in free.rest..<rest.pointee.end {
            let mark = rest.pointee.pieces[index].mark
            if mark.channel == channel, mark.kind == .latest { return index }
        }
        return nil
    }

    private func piece(at index: Int) -> Piece {
        index < 0 ? head! : rest!.pointee.pieces[index]
    }

    /// Puts a publication in the place of the one of its channel that waits, or behind everything.
    package mutating func replace(
        with block: Block, from start: Int, to end: Int, as mark: Mark, committed: Int
    ) -> Dropped {
        var dropped = Dropped()
        guard let index = replaceable(of: mark.channel, committed: committed) else {
            let needsTrim = needsTrim
            append(block, from: start, to: end, as: mark)
            self.needsTrim = needsTrim
            return dropped
        }
        let old = piece(at: index)
        dropped.add(old)
        block.retain()
        let new = Piece(block: block, start: start, end: end, mark: mark)
        if index < 0 { head = new } else { rest!.pointee.pieces[index] = new }
        old.block.release()
        bytes += new.count - old.count
        lossyBytes += new.count - old.count
        return dropped
    }

    /// Leaves of every `latest` channel what is on its way, to the end of that publication, and the newest behind it.
    ///
    /// Once when a session begins to fall behind: from then on `replace` keeps it so.
    package mutating func trim(committed: Int, dropped note: (_ channel: UInt32, _ dropped: Dropped) -> Void) {
        needsTrim = false
        var kept: [Piece] = []
        /// Where in `kept` the publication is that waits for a channel.
        var waiting: [UInt32: Int] = [:]
        var offset = 0
        while let piece = head {
            head = takeFromRest()
            let ahead = max(0, committed - offset)
            offset += piece.count
            guard piece.mark.kind == .latest else {
                kept.append(piece)
                continue
            }
            // What is on its way is sent to the end of its publication; at an end nothing of the next one is.
            var end = piece.start
            if ahead > 0 || piece.isBegun { end = min(piece.end, piece.block.end(from: piece.start + ahead)) }
            if end > piece.start {
                piece.block.retain()
                kept.append(piece.part(piece.start..<end))
            }
            guard end < piece.end else {
                piece.block.release()
                continue
            }
            let newest = piece.block.newest(in: end..<piece.end)
            var dropped = Dropped()
            dropped.bytes = newest.start - end
            dropped.publications = newest.publications - 1
            var last = piece.part(newest.start..<piece.end, publications: 1)
            last.isBegun = false
            if let index = waiting[piece.mark.channel] {
                dropped.add(kept[index])
                kept[index].block.release()
                kept[index] = last
            } else {
                waiting[piece.mark.channel] = kept.count
                kept.append(last)
            }
            bytes -= dropped.bytes
            lossyBytes -= dropped.bytes
            note(piece.mark.channel, dropped)
        }
        for piece in kept {
            if head == nil { head = piece } else { appendToRest(piece) }
        }
    }
}
