/// How a publication's `data` is written for a subscription (Centrifuge client protocol v2: `delta` of Publication).
package enum CentrifugeData {
    /// As it was published: the subscription has no deltas.
    case plain
    /// Whole, where the subscription has deltas. In JSON it is a string that holds the JSON value: what the next delta is a
    /// delta of.
    case whole
    /// A delta, in the Fossil format, of the publication before it in the channel. In JSON it is a string.
    case delta(UnsafeRawBufferPointer)

    /// The data of a publication for subscribers with deltas whose last one of this channel was `previous`, or who have had
    /// none yet.
    ///
    /// In JSON, only publications that are one JSON value each have deltas: others come whole.
    ///
    /// - Parameter scratch: Where a delta is written. It has to stay as it is until the data has been used.
    package static func of(
        _ publication: Publication, after previous: Publication?, as encoding: CentrifugeEncoding, scratch: ByteWriter
    ) -> CentrifugeData {
        guard let previous else { return .whole }
        let start = scratch.count
        let isText = encoding == .json
        let isDelta = previous.payload.withUnsafeBytes { source in
            publication.payload.withUnsafeBytes { target in
                guard !isText || (isValue(previous.kind, source) && isValue(publication.kind, target)) else {
                    return false
                }
                guard FossilDelta.write(from: source, to: target, keepsCharacters: isText, into: scratch) else {
                    return false
                }
                let delta = UnsafeRawBufferPointer(rebasing: scratch.bytes[start...])
                return !isText || JSONWriter.stringBytes(delta) < JSONWriter.stringBytes(target)
            }
        }
        guard isDelta else {
            scratch.removeLast(scratch.count - start)
            return .whole
        }
        return .delta(UnsafeRawBufferPointer(rebasing: scratch.bytes[start...]))
    }

    private static func isValue(_ kind: PayloadKind, _ payload: UnsafeRawBufferPointer) -> Bool {
        kind != .binary && JSONScanner.isValid(payload)
    }
}
