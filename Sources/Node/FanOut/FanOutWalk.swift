import Codec

/// The walk over a slice of a roster.
extension FanOut {
    /// Hands a block to the subscribers in a slice. The only loop whose cost is paid per delivery.
    func deliver(
        _ encoded: Pass.Encoded, of pass: Pass, to slice: Range<Int>,
        of entries: UnsafeMutablePointer<Roster.Entry>
    ) {
        let io: SessionIO = self.io
        let firstSequence = pass.firstSequence
        let block = encoded.block
        let bytes = block.count
        // Some changes are nothing in some dialects.
        guard bytes > 0 else { return }
        let publications = encoded.ends.count
        let mark = pass.mark(publications)
        var delivered = 0
        for index in slice {
            let entry = entries[index]
            guard isMember(entry) else { continue }
            // Publications that arrived before it joined are not for it.
            let skipped = entry.skipped(from: firstSequence)
            if skipped <= 0 {
                io.append(block, from: 0, to: bytes, as: mark, for: entry.slot)
                delivered += publications
            } else if skipped < publications, encoded.ends[skipped - 1] < bytes {
                io.append(
                    block, from: encoded.ends[skipped - 1], to: bytes, as: pass.mark(publications - skipped),
                    for: entry.slot)
                delivered += publications - skipped
            }
        }
        context.counters.deliveries &+= UInt64(delivered)
    }

    /// The same walk when some publication of the batch has sessions that do not get it: those few get the block in
    /// pieces, everybody else as ever.
    func deliverWithExceptions(
        _ encoded: Pass.Encoded, of pass: Pass, to slice: Range<Int>,
        of entries: UnsafeMutablePointer<Roster.Entry>
    ) {
        flagExceptions(of: pass)
        for index in slice {
            let entry = entries[index]
            let skipped = max(0, entry.skipped(from: pass.firstSequence))
            guard isMember(entry), skipped < encoded.ends.count else { continue }
            appendWithHoles(encoded, of: pass, from: skipped, for: entry.slot)
            context.counters.deliveries &+= UInt64(encoded.ends.count - skipped)
        }
        unflagExceptions(of: pass)
    }

    func flagExceptions(of pass: Pass) {
        for exception in pass.exceptions {
            context.table.find(exception.locator.slot, generation: exception.locator.generation)?
                .pointee.flags.insert(.excepted)
        }
    }

    func unflagExceptions(of pass: Pass) {
        for exception in pass.exceptions {
            context.table.find(exception.locator.slot, generation: exception.locator.generation)?
                .pointee.flags.remove(.excepted)
        }
    }

    /// Hands a block to one subscriber, from a publication on, without what is not for it.
    func appendWithHoles(_ encoded: Pass.Encoded, of pass: Pass, from skipped: Int, for slot: UInt32) {
        let io: SessionIO = self.io
        var start = skipped == 0 ? 0 : encoded.ends[skipped - 1]
        var next = skipped
        if session(slot).pointee.flags.contains(.excepted) {
            for exception in pass.exceptions where exception.locator.slot == slot && exception.publication >= next {
                let hole = exception.publication == 0 ? 0 : encoded.ends[exception.publication - 1]
                if hole > start {
                    io.append(
                        encoded.block, from: start, to: hole, as: pass.mark(exception.publication - next), for: slot)
                }
                start = encoded.ends[exception.publication]
                next = exception.publication + 1
            }
        }
        if start < encoded.block.count {
            io.append(
                encoded.block, from: start, to: encoded.block.count, as: pass.mark(encoded.ends.count - next),
                for: slot)
        }
    }

    /// Whether the session of an entry is still there and open. It always is, because sessions leave their rosters before
    /// they end; if that ever fails, nobody else gets what was meant for it.
    @inline(__always)
    func isMember(_ entry: Roster.Entry) -> Bool {
        let session = session(entry.slot)
        if entry.isOf(generation: session.pointee.generation), session.pointee.phase == .open { return true }
        fault("a roster has a session that is over")
        return false
    }
}
