package import Codec

/// One walk over a channel's rosters that sends a batch of its publications: where it is, and the bytes it sends.
///
/// An object, because a walk reads it from several functions and its blocks are to be released once: one allocation for a batch,
/// beside those of its publications and of its block.
package final class Pass {
    /// The batch as the subscribers of one variant get it.
    package struct Encoded {
        package let block: Block
        /// Where each publication ends in the block.
        package let ends: [Int]
        /// Whether the first publication can be read without the one before the batch.
        package let isFirstWhole: Bool
        /// How many publications are deltas.
        package let deltas: Int
    }

    /// A publication that some session does not get.
    package struct Exception {
        package let locator: Locator
        package let publication: Int
    }

    package let publications: [Publication]
    /// The sequence number of the first publication.
    package let firstSequence: UInt64
    /// The variant being served.
    package private(set) var variant = 0
    package private(set) var encoded: Encoded?
    package let exceptions: [Exception]
    /// What becomes of the batch where a subscriber does not keep up.
    package let kind: Outbound.Kind
    private let channel: UInt32
    /// The epoch of the last publication before the batch; 0 where nobody knows.
    private let lastEpoch: UInt64
    /// What subscribers need who take deltas or filter; nil where there are none.
    package let forms: PassForms?

    package init(
        publications: [Publication], firstSequence: UInt64, kind: Outbound.Kind, channel: UInt32, reactor: UInt8,
        node: NodeID, lastEpoch: UInt64 = 0, forms: PassForms? = nil,
        fences: [(session: Locator, sequence: UInt64)] = []
    ) {
        self.lastEpoch = lastEpoch
        self.forms = forms
        self.kind = kind
        self.channel = channel
        self.publications = publications
        self.firstSequence = firstSequence
        var exceptions: [Exception] = []
        for (index, publication) in publications.enumerated() {
            guard let extras = publication.extras else { continue }
            for id in extras.except where id.node == node {
                let locator = Locator(id.locator)
                if locator.reactor == reactor { exceptions.append(Exception(locator: locator, publication: index)) }
            }
        }
        for fence in fences {
            // Numbers wrap, and less than half of them are between any two that are compared.
            let begin = max(0, Int(clamping: Int64(bitPattern: fence.sequence &- firstSequence)))
            for index in min(begin, publications.count)..<publications.count {
                exceptions.append(Exception(locator: fence.session, publication: index))
            }
        }
        // Whoever takes holes takes them from the front.
        if !fences.isEmpty { exceptions.sort { $0.publication < $1.publication } }
        self.exceptions = exceptions
    }

    /// Whether history has all of it; changes of presence need not be kept, for they are no messages. Asked for by few.
    package lazy var areAllKept = publications.allSatisfy { $0.position != nil || $0.extras?.change != nil }

    /// Where the publications up to a place in a block end in the history of the channel.
    ///
    /// - Returns: Nil where that is not known.
    package func position(at end: Int, of block: Block) -> Position? {
        guard let encoded, encoded.ends.last == block.count else { return nil }
        var index = encoded.ends.count - 1
        while index >= 0, encoded.ends[index] > end { index -= 1 }
        while index >= 0 {
            if let position = publications[index].position { return position }
            index -= 1
        }
        return nil
    }

    /// The sequence number behind the last publication.
    package var end: UInt64 { firstSequence &+ UInt64(publications.count) }

    /// Frames the batch for a variant, once for all its subscribers.
    ///
    /// - Parameter keepsEnds: Whether the block may have to be taken apart.
    package func encode(
        for variant: Variant, packing: Packing, with writer: ByteWriter, keepsEnds: Bool
    ) -> Encoded {
        let result = make(keepsEnds: keepsEnds, with: writer) { publication, showsEpoch in
            PublicationEncoder.write(
                publication, as: variant, showsEpoch: showsEpoch, packing: packing, to: writer)
            return false
        }
        keep(result)
        return result
    }

    /// Frames the batch for those subscribers of a variant who take deltas.
    ///
    /// - Parameter most: Bytes of the largest publication that a delta is made of.
    package func encodeDeltas(
        for variant: Variant, most: Int, packing: Packing, scratch: ByteWriter, with writer: ByteWriter,
        keepsEnds: Bool
    ) -> Encoded {
        var previous = forms?.base?.publication
        // Of what waits in a `latest` channel only the last publication may be left: it is whole, unless it is the only one.
        var untilWhole = kind == .latest ? publications.reduce(0) { $0 + ($1.extras?.change == nil ? 1 : 0) } : 0
        if untilWhole == 1 { untilWhole = 0 }
        let result = make(keepsEnds: keepsEnds, with: writer) { publication, showsEpoch in
            guard publication.extras?.change == nil else {
                PublicationEncoder.write(publication, as: variant, packing: packing, to: writer)
                return false
            }
            untilWhole -= 1
            let isTried = publication.payload.count <= most && untilWhole != 0
            defer { previous = publication.payload.count <= most ? publication : nil }
            return PublicationEncoder.write(
                publication, after: isTried ? previous : nil, as: variant, showsEpoch: showsEpoch, packing: packing,
                scratch: scratch, to: writer)
        }
        keep(result)
        return result
    }

    /// The batch for those who take deltas and do not know what the first of them is of. Once for all of a variant.
    ///
    /// - Returns: Nil before `encodeDeltas`.
    package func whole(
        for variant: Variant, packing: Packing, scratch: ByteWriter, with writer: ByteWriter, keepsEnds: Bool
    ) -> Encoded? {
        guard let forms, let encoded else { return nil }
        return forms.whole {
            if encoded.deltas == 0 {
                encoded.block.retain()
                return encoded
            }
            return make(keepsEnds: keepsEnds, with: writer) { publication, showsEpoch in
                guard publication.extras?.change == nil else {
                    PublicationEncoder.write(publication, as: variant, packing: packing, to: writer)
                    return false
                }
                return PublicationEncoder.write(
                    publication, after: nil, as: variant, showsEpoch: showsEpoch, packing: packing, scratch: scratch,
                    to: writer)
            }
        }
    }

    /// - Parameter write: Returns whether it wrote a delta.
    @inline(__always)
    private func make(
        keepsEnds: Bool, with writer: ByteWriter, _ write: (_ publication: Publication, _ showsEpoch: Bool) -> Bool
    ) -> Encoded {
        writer.removeAll()
        var ends: [Int] = []
        ends.reserveCapacity(publications.count)
        var epoch = lastEpoch
        var deltas = 0
        var isFirstWhole: Bool?
        for publication in publications {
            var showsEpoch = false
            if let position = publication.position, position.epoch != epoch {
                showsEpoch = true
                epoch = position.epoch
            }
            let isDelta = write(publication, showsEpoch)
            if isDelta { deltas += 1 }
            if isFirstWhole == nil, publication.extras?.change == nil { isFirstWhole = !isDelta }
            ends.append(writer.count)
        }
        return Encoded(
            block: Block(copying: writer.bytes, ends: keepsEnds ? ends : []), ends: ends,
            isFirstWhole: isFirstWhole ?? true, deltas: deltas)
    }

    private func keep(_ result: Encoded) {
        encoded?.block.release()
        encoded = result
    }

    @inline(__always)
    package func mark(_ publications: Int) -> Outbound.Mark {
        Outbound.Mark(kind: kind, publications: UInt32(truncatingIfNeeded: publications), channel: channel)
    }

    /// Everybody of a variant is served: its blocks are released.
    package func variantServed() {
        variant += 1
        releaseBlocks()
    }

    private func releaseBlocks() {
        encoded?.block.release()
        encoded = nil
        forms?.release()
    }

    deinit { releaseBlocks() }
}
