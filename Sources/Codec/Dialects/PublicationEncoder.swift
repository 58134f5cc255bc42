/// Publications as the bytes a variant's subscribers get, framing included.
package enum PublicationEncoder {
    /// Writes nothing for a change of presence in a dialect that has no words for it.
    ///
    /// - Parameter showsEpoch: Whether clients have not heard yet of the epoch of its position.
    @inline(__always)
    package static func write(
        _ publication: Publication, as variant: Variant, showsEpoch: Bool = false, packing: Packing,
        to writer: ByteWriter
    ) {
        let start = writer.count
        if let change = publication.extras?.change {
            variant.write(change.0, change.1, in: publication.channel, to: writer)
        } else {
            variant.write(publication, showsEpoch: showsEpoch, to: writer)
        }
        pack(variant, from: start, packing, writer)
    }

    /// Writes a publication, which is no change of presence, for subscribers with deltas.
    ///
    /// - Parameters:
    ///   - previous: The publication before it; nil where it has to be whole.
    ///   - scratch: What it holds is lost.
    /// - Returns: Whether it is a delta.
    package static func write(
        _ publication: Publication, after previous: Publication?, as variant: Variant, showsEpoch: Bool,
        packing: Packing, scratch: ByteWriter, to writer: ByteWriter
    ) -> Bool {
        let start = writer.count
        scratch.removeAll()
        let isDelta = variant.write(
            publication, after: previous, showsEpoch: showsEpoch, scratch: scratch, to: writer)
        pack(variant, from: start, packing, writer)
        return isDelta
    }

    @inline(__always)
    private static func pack(_ variant: Variant, from start: Int, _ packing: Packing, _ writer: ByteWriter) {
        if variant.compression != .none, writer.count > start {
            packing.pack(variant.compression, from: start, in: writer)
        }
    }

    /// The most bytes that `write` makes of a publication, compression apart: what waits for a client is counted against its
    /// limits first, and produced only when there is room.
    ///
    /// - Parameter hasDeltas: Whether it is for a subscriber with deltas.
    package static func maximumBytes(
        _ publication: Publication, as variant: Variant, hasDeltas: Bool = false
    ) -> Int {
        if let (_, member) = publication.extras?.change {
            return variant.maximumBytes(of: member) + JSONWriter.stringBytes(publication.channel.bytes)
        }
        return variant.maximumBytes(of: publication, hasDeltas: hasDeltas)
    }
}
