import Codec

/// The walk over subscribers who do not get a batch as it is: as deltas, or what their filters want of it.
extension FanOut {
    /// Hands deltas to the subscribers who have what they are of. The others get the batch whole: whoever has just joined, is
    /// behind where publications may be dropped, or did not get what came before.
    func deliverDeltas(
        _ encoded: Pass.Encoded, of pass: Pass, to slice: Range<Int>,
        of entry: UnsafeMutablePointer<RosterList.Entry>
    ) {
        let io: SessionIO = self.io
        guard encoded.block.count > 0 else { return }
        let count = encoded.ends.count
        let base = pass.forms?.base
        let mayDrop = pass.kind != .kept
        let mark = pass.mark(count)
        var delivered = 0
        flagExceptions(of: pass)
        for index in slice {
            let subscriber = entry.pointee.roster.entries[index]
            guard isMember(subscriber) else { continue }
            let skipped = subscriber.skipped(from: pass.firstSequence)
            guard skipped < count else { continue }
            let session = session(subscriber.slot)
            let isExcepted = session.pointee.flags.contains(.excepted)
            var knows = encoded.isFirstWhole
            if !knows, let base { knows = subscriber.skipped(from: base.sequence) <= 0 }
            if skipped <= 0, knows, !isExcepted, !mayDrop || session.pointee.outbound.isEmpty {
                io.append(encoded.block, from: 0, to: encoded.block.count, as: mark, for: subscriber.slot)
                delivered += count
                continue
            }
            let whole =
                pass.whole(
                    for: entry.pointee.variant, packing: context.packing, scratch: deltaWriter, with: writer,
                    keepsEnds: pass.kind == .latest) ?? encoded
            appendWithHoles(whole, of: pass, from: max(0, skipped), for: subscriber.slot)
            delivered += count - max(0, skipped)
            // It may be the last one that was not for it.
            if isExcepted { entry.pointee.roster.begin(anew: pass.end, at: index) }
        }
        unflagExceptions(of: pass)
        context.counters.deliveries &+= UInt64(delivered)
    }

    /// Hands each subscriber the publications that its filter wants, in one piece.
    func deliverFiltered(
        _ encoded: Pass.Encoded, of pass: Pass, in channel: ShardChannel, to slice: Range<Int>,
        of entry: UnsafeMutablePointer<RosterList.Entry>
    ) {
        let count = encoded.ends.count
        guard encoded.block.count > 0, let filters = channel.filters, let numbers = entry.pointee.roster.filters else {
            return
        }
        guard count <= ChannelFilters.batchPublications else { return fault("a batch is too long to be filtered") }
        let all = UInt64.max >> UInt64(ChannelFilters.batchPublications - count)
        var delivered = 0
        var filtered = 0
        flagExceptions(of: pass)
        for index in slice {
            let subscriber = entry.pointee.roster.entries[index]
            let skipped = max(0, subscriber.skipped(from: pass.firstSequence))
            guard isMember(subscriber), skipped < count else { continue }
            var meant = all & UInt64.max << UInt64(skipped)
            if session(subscriber.slot).pointee.flags.contains(.excepted) {
                for exception in pass.exceptions where exception.locator.slot == subscriber.slot {
                    meant &= ~(1 << UInt64(exception.publication))
                }
            }
            let wanted = meant & filters.wanted(numbers[index], of: pass.publications)
            filtered += (meant ^ wanted).nonzeroBitCount
            guard wanted != 0 else { continue }
            append(wanted, of: encoded, in: pass, for: subscriber.slot)
            delivered += wanted.nonzeroBitCount
        }
        unflagExceptions(of: pass)
        context.counters.deliveries &+= UInt64(delivered)
        context.counters.filtered &+= UInt64(filtered)
    }

    /// Hands one subscriber some publications of a batch, a bit for each: a part of the block if they lie side by side.
    @inline(__always)
    private func append(_ wanted: UInt64, of encoded: Pass.Encoded, in pass: Pass, for slot: UInt32) {
        let count = wanted.nonzeroBitCount
        let first = wanted.trailingZeroBitCount
        let last = UInt64.bitWidth - 1 - wanted.leadingZeroBitCount
        let mark = pass.mark(count)
        if last - first + 1 == count {
            let start = first == 0 ? 0 : encoded.ends[first - 1]
            return io.append(encoded.block, from: start, to: encoded.ends[last], as: mark, for: slot)
        }
        guard let block = pass.forms?.cut(wanted, of: encoded, keepsEnds: pass.kind == .latest, with: writer) else {
            return fault("a pass with filters has no forms")
        }
        io.append(block, from: 0, to: block.count, as: mark, for: slot)
    }
}
