package import Codec

/// One walk over a channel's rosters that sends a batch of its publications: where it is, and the bytes it sends.
package struct Pass {
    /// The batch as the subscribers of one variant get it.
    package struct Encoded {
        package let block: Block
        /// Where each publication ends in the block.
        package let ends: [Int]
    }

    /// A publication that some session does not get.
    package struct Exception {
        package let locator: Locator
        package let publication: Int
    }

    package let publications: [Publication]
    /// The sequence number of the first publication.
    package let firstSequence: UInt32
    /// The variant being served.
    package var variant = 0
    package var encoded: Encoded?
    package let exceptions: [Exception]
    /// What becomes of the batch where a subscriber does not keep up.
    package let kind: Outbound.Kind
    private let channel: UInt32

    package init(
        publications: [Publication], firstSequence: UInt32, kind: Outbound.Kind, channel: UInt32, reactor: UInt8,
        node: NodeID
    ) {
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
        self.exceptions = exceptions
    }

    /// Frames the batch for a variant, once for all its subscribers.
    ///
    /// - Parameter keepsEnds: Whether the block may have to be taken apart.
    package mutating func encode(
        for variant: Variant, packing: Packing, with writer: ByteWriter, keepsEnds: Bool
    ) -> Encoded {
        encoded?.block.release()
        writer.removeAll()
        var ends: [Int] = []
        ends.reserveCapacity(publications.count)
        for publication in publications {
            PublicationEncoder.write(publication, as: variant, packing: packing, to: writer)
            ends.append(writer.count)
        }
        let result = Encoded(block: Block(copying: writer.bytes, ends: keepsEnds ? ends : []), ends: ends)
        encoded = result
        return result
    }

    @inline(__always)
    package func mark(_ publications: Int) -> Outbound.Mark {
        Outbound.Mark(kind: kind, publications: UInt32(truncatingIfNeeded: publications), channel: channel)
    }

    /// Gives the block back.
    package mutating func deinitialize() {
        encoded?.block.release()
        encoded = nil
    }
}
