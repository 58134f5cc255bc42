package import Codec

/// What a pass has beside the one block for each variant, where some subscribers take deltas or filter.
package final class PassForms {
    /// What the first publication of the batch may be a delta of.
    package let base: DeltaBase?
    /// The batch without deltas, for subscribers of the variant being served who do not know what a delta is of.
    private(set) var whole: Pass.Encoded?

    /// A part of the batch that has holes.
    private struct Cut {
        let wanted: UInt64
        let block: Block
    }

    /// Parts that are kept for the next who want the same, of the variant being served.
    private var cuts: [Cut] = []
    private var nextCut = 0
    private static let keptCuts = 16

    package init(base: DeltaBase?) { self.base = base }

    /// Gives the blocks back.
    package func release() {
        whole?.block.release()
        whole = nil
        for cut in cuts { cut.block.release() }
        cuts.removeAll(keepingCapacity: true)
        nextCut = 0
    }

    package func whole(_ make: () -> Pass.Encoded) -> Pass.Encoded {
        if let whole { return whole }
        let made = make()
        whole = made
        return made
    }

    /// The publications of a batch that are wanted, as a block of their own: made once for all who want the same, as long as
    /// there are not many kinds of them.
    ///
    /// - Parameter wanted: A bit for each publication.
    /// - Returns: Valid until `release`, or until the next call: whoever needs it longer holds it.
    package func cut(_ wanted: UInt64, of encoded: Pass.Encoded, keepsEnds: Bool, with writer: ByteWriter) -> Block {
        for cut in cuts where cut.wanted == wanted { return cut.block }
        writer.removeAll()
        var ends: [Int] = []
        var start = 0
        var bit: UInt64 = 1
        for end in encoded.ends {
            if wanted & bit != 0 {
                writer.append(UnsafeRawBufferPointer(start: encoded.block.start + start, count: end - start))
                ends.append(writer.count)
            }
            start = end
            bit <<= 1
        }
        let cut = Cut(wanted: wanted, block: Block(copying: writer.bytes, ends: keepsEnds ? ends : []))
        if cuts.count < Self.keptCuts {
            cuts.append(cut)
        } else {
            cuts[nextCut].block.release()
            cuts[nextCut] = cut
            nextCut = (nextCut + 1) % Self.keptCuts
        }
        return cut.block
    }
}
