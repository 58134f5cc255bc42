/// What is taken out of a queue again because its session does not keep up.
///
/// Nothing of which a byte is on its way is ever touched: that is the first piece when it is begun, and as many pieces
/// as TLS has encrypted already (`committed` bytes). Only sessions that are behind come here.
extension Outbound {
    package struct Dropped: Equatable {
        package var bytes = 0
        package var publications = 0
        /// Nothing of the channel is left that could be dropped.
        package var isExhausted = false
        /// A notice says so now, in the place of what was dropped.
        package var isAnnounced = false

        mutating func add(_ piece: Piece) {
            bytes += piece.count
            publications += Int(piece.mark.publications)
        }
    }

    /// Pieces looked at for one that may be dropped, before more than needed is dropped to make up for the search.
    private static var searched: Int { 64 }

    /// Where in `rest` the first piece is that may still be dropped, and whether the head may.
    func firstFree(committed: Int) -> (head: Bool, rest: Int) {
        guard let head else { return (false, 0) }
        let isHeadFree = committed == 0 && !head.isBegun
        guard let rest else { return (isHeadFree, 0) }
        var offset = head.count
        var index = rest.pointee.first
        while index < rest.pointee.end, offset < committed {
            offset += rest.pointee.pieces[index].count
            index += 1
        }
        return (isHeadFree, index)
    }

    /// Bytes of channels that may lose publications, and of which nothing is on its way.
    package func droppableBytes(committed: Int) -> Int {
        guard let head, lossyBytes > 0 else { return 0 }
        let free = firstFree(committed: committed)
        var guarded = free.head || !head.mark.isLossy ? 0 : head.count
        if let rest {
            for index in rest.pointee.first..<free.rest where rest.pointee.pieces[index].mark.isLossy {
                guarded += rest.pointee.pieces[index].count
            }
        }
        return lossyBytes - guarded
    }

    /// Drops the oldest pieces of a `drop_oldest` channel until so many bytes are gone, or nothing is left of it.
    ///
    /// Costs what is in front of the last dropped piece. Where that is much, `slack` more bytes are dropped, so that it
    /// is not paid for every publication.
    ///
    /// - Parameter notice: Put where something was dropped, unless one is there already.
    package mutating func dropOldest(
        of channel: UInt32, bytes wanted: Int, slack: Int = 0, committed: Int, notice: Block? = nil
    ) -> Dropped {
        var dropped = Dropped()
        guard let first = head else {
            dropped.isExhausted = true
            return dropped
        }
        let free = firstFree(committed: committed)
        let isHeadDropped = free.head && first.mark.channel == channel && first.mark.kind == .dropOldest
        // Whether the client reads a notice at the hole, and nothing of the channel in between.
        var isKnown = first.mark.channel == channel && first.mark.kind == .notice
        if isHeadDropped {
            dropped.add(first)
            first.block.release()
        }
        var wanted = wanted
        var stop = 0
        if let rest {
            let start = rest.pointee.first
            stop = start
            while stop < rest.pointee.end, dropped.bytes < wanted {
                let piece = rest.pointee.pieces[stop]
                if piece.mark.channel == channel {
                    if stop >= free.rest, piece.mark.kind == .dropOldest {
                        dropped.add(piece)
                        piece.block.release()
                    } else {
                        isKnown = piece.mark.kind == .notice
                    }
                }
                stop += 1
                if stop - start == Self.searched, wanted < .max { wanted += slack }
            }
        }
        dropped.isExhausted = dropped.bytes < wanted
        bytes -= dropped.bytes
        lossyBytes -= dropped.bytes
        guard dropped.publications > 0 else { return dropped }

        var sign: Piece?
        if let notice, !isKnown {
            notice.retain()
            bytes += notice.count
            dropped.isAnnounced = true
            sign = Piece(
                block: notice, start: 0, end: notice.count,
                mark: Mark(kind: .notice, publications: 0, channel: channel))
        }
        closeHoles(before: stop, of: channel, free: free.rest, with: &sign)
        // What is dropped from `rest` leaves room for the notice there; else it was the head that was dropped.
        if isHeadDropped { head = sign ?? takeFromRest() }
        return dropped
    }

    /// Moves what is left before a place in `rest` up to it, which costs no more than the search that found the holes.
    private mutating func closeHoles(before stop: Int, of channel: UInt32, free: Int, with sign: inout Piece?) {
        guard let rest else { return }
        let pieces = rest.pointee.pieces
        var filled = stop
        for index in (rest.pointee.first..<stop).reversed() {
            let piece = pieces[index]
            if index >= free, piece.mark.channel == channel, piece.mark.kind == .dropOldest {
                guard let last = sign else { continue }
                filled -= 1
                pieces[filled] = last
                sign = nil
            } else {
                filled -= 1
                pieces[filled] = piece
            }
        }
        rest.pointee.first = filled
        if filled == rest.pointee.end { freeRest() }
    }

    /// Whether the last thing a client will read of a channel says that something was dropped.
    package func endsWithNotice(of channel: UInt32) -> Bool {
        if let rest {
            for index in (rest.pointee.first..<rest.pointee.end).reversed()
            where rest.pointee.pieces[index].mark.channel == channel {
                return rest.pointee.pieces[index].mark.kind == .notice
            }
        }
        return head.map { $0.mark.channel == channel && $0.mark.kind == .notice } ?? false
    }
}
