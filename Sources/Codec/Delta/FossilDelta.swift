/// Deltas in the Fossil format (fossil-scm.org, "Fossil Delta Format" and "Fossil Delta Encoding Algorithm"): how a text is made
/// of an earlier one, for clients that negotiated `delta: fossil`.
///
///     size of the target · line feed
///     commands: COUNT @ OFFSET , copies from the source · COUNT : BYTES inserts
///     checksum of the target · ;
///
/// Numbers are `FossilNumber`s.
package enum FossilDelta {
    /// The largest source and the largest target, in bytes; what is larger is published whole.
    package static let maximumBytes = 256 << 10
    /// Places of the source that are tried for one place of the target, so that texts that repeat themselves cost no more time
    /// than others.
    package static let maximumTries = 16
    /// Bytes that are looked for at once; shorter pieces are not found.
    static let blockBytes = 16

    /// Writes the delta from one text to another one behind what was written before.
    ///
    /// It takes time in proportion to both texts, and memory of 8 bytes for each block of the source.
    ///
    /// - Parameter keepsCharacters: Whether what is inserted has to be whole characters, for texts (UTF-8) whose delta is sent
    ///   as text.
    /// - Returns: False, and nothing is written, when the delta would not be smaller than the target, or a text is too large.
    package static func write(
        from source: UnsafeRawBufferPointer, to target: UnsafeRawBufferPointer, keepsCharacters: Bool,
        into writer: ByteWriter
    ) -> Bool {
        guard source.count <= maximumBytes, target.count <= maximumBytes, source.count >= blockBytes,
            target.count >= blockBytes
        else { return false }
        let start = writer.count
        var maker = FossilDeltaMaker(
            source: source, target: target, keepsCharacters: keepsCharacters, start: start, writer: writer)
        let blocks = source.count / blockBytes
        let size = FossilBlocks.size(blocks)
        let isSmaller = withUnsafeTemporaryAllocation(of: Int32.self, capacity: size + blocks) { table in
            var blocks = FossilBlocks(source, table: table, size: size)
            return maker.make(&blocks)
        }
        if !isSmaller { writer.removeLast(writer.count - start) }
        return isSmaller
    }

    /// Makes a text of an earlier one and a delta, which may have come from anybody.
    ///
    /// - Parameter limit: The most bytes the text may have.
    /// - Returns: Nil when it is no delta, or none of this source.
    package static func apply(
        _ delta: UnsafeRawBufferPointer, to source: UnsafeRawBufferPointer, limit: Int = maximumBytes
    ) -> [UInt8]? {
        var index = 0
        guard let size = FossilNumber.read(delta, &index).map({ Int($0) }), size <= limit,
            skip(UInt8(ascii: "\n"), delta, &index)
        else { return nil }
        var target: [UInt8] = []
        target.reserveCapacity(min(size, source.count + delta.count))
        while let number = FossilNumber.read(delta, &index), index < delta.count {
            let count = Int(number)
            let command = delta[index]
            index += 1
            switch command {
            case UInt8(ascii: "@"):
                guard let offset = FossilNumber.read(delta, &index).map({ Int($0) }),
                    skip(UInt8(ascii: ","), delta, &index), count <= size - target.count,
                    offset <= source.count, count <= source.count - offset
                else { return nil }
                target.append(contentsOf: source[offset..<(offset + count)])
            case UInt8(ascii: ":"):
                guard count <= size - target.count, count <= delta.count - index else { return nil }
                target.append(contentsOf: delta[index..<(index + count)])
                index += count
            case UInt8(ascii: ";"):
                let isRight = target.count == size && target.withUnsafeBytes { FossilNumber.checksum($0) } == number
                return isRight && index == delta.count ? target : nil
            default: return nil
            }
        }
        return nil
    }

    private static func skip(_ byte: UInt8, _ delta: UnsafeRawBufferPointer, _ index: inout Int) -> Bool {
        guard index < delta.count, delta[index] == byte else { return false }
        index += 1
        return true
    }
}
