/// Finds what a target has in common with its source, and writes the commands.
///
/// A window of one block goes over the target. Where its hash is that of a block of the source, and the bytes are the same, the
/// piece is made as long as it can be in both directions, and copied.
struct FossilDeltaMaker {
    private let source: UnsafeRawBufferPointer
    private let target: UnsafeRawBufferPointer
    private let keepsCharacters: Bool
    /// Where the delta begins in the writer.
    private let start: Int
    private let writer: ByteWriter
    /// What of the target has been written.
    private var done = 0

    /// A piece that both have.
    private struct Piece {
        var source: Int
        var target: Int
        var count: Int
    }

    init(
        source: UnsafeRawBufferPointer, target: UnsafeRawBufferPointer, keepsCharacters: Bool, start: Int,
        writer: ByteWriter
    ) {
        self.source = source
        self.target = target
        self.keepsCharacters = keepsCharacters
        self.start = start
        self.writer = writer
    }

    /// - Returns: Whether the delta is smaller than the target.
    mutating func make(_ blocks: inout FossilBlocks) -> Bool {
        write(target.count)
        writer.append(UInt8(ascii: "\n"))
        let size = FossilDelta.blockBytes
        var hash = FossilHash(target, at: 0)
        var index = 0
        while index + size <= target.count {
            if let piece = longest(at: index, blocks.first(hash.value), blocks) {
                insert(upTo: piece.target)
                copy(piece)
                guard writer.count - start < target.count else { return false }
                index = done
                if index + size <= target.count { hash = FossilHash(target, at: index) }
            } else {
                guard index + size < target.count else { break }
                hash.roll(out: target[index], in: target[index + size])
                index += 1
            }
        }
        insert(upTo: target.count)
        FossilNumber.write(FossilNumber.checksum(target), to: writer)
        writer.append(UInt8(ascii: ";"))
        return writer.count - start < target.count
    }

    /// The longest piece that covers the window at a place of the target, if copying it is worth its command.
    private func longest(at index: Int, _ first: Int32, _ blocks: FossilBlocks) -> Piece? {
        var best: Piece?
        var block = first
        var tries = 0
        while block >= 0, tries < FossilDelta.maximumTries {
            tries += 1
            let origin = Int(block) * FossilDelta.blockBytes
            block = blocks.next(block)
            var piece = Piece(source: origin, target: index, count: 0)
            while piece.source + piece.count < source.count, piece.target + piece.count < target.count,
                source[piece.source + piece.count] == target[piece.target + piece.count]
            {
                piece.count += 1
            }
            guard piece.count >= FossilDelta.blockBytes else { continue }
            while piece.source > 0, piece.target > done, source[piece.source - 1] == target[piece.target - 1] {
                piece.source -= 1
                piece.target -= 1
                piece.count += 1
            }
            if keepsCharacters { cutToCharacters(&piece) }
            if piece.count > best?.count ?? cost(piece) { best = piece }
        }
        return best
    }

    /// Bytes of the command that copies a piece, and of the one that inserts what is before it.
    private func cost(_ piece: Piece) -> Int {
        2 + FossilNumber.width(UInt32(clamping: piece.count)) + FossilNumber.width(UInt32(clamping: piece.source))
            + 1 + FossilNumber.width(UInt32(clamping: piece.target - done))
    }

    /// Leaves characters that are only partly in the piece to what is inserted around it.
    private func cutToCharacters(_ piece: inout Piece) {
        while piece.count > 0, isWithinCharacter(piece.target) {
            piece.source += 1
            piece.target += 1
            piece.count -= 1
        }
        while piece.count > 0, isWithinCharacter(piece.target + piece.count) { piece.count -= 1 }
    }

    /// Whether a byte of the target continues a character (RFC 3629 3).
    private func isWithinCharacter(_ index: Int) -> Bool { index < target.count && target[index] & 0xC0 == 0x80 }

    private mutating func insert(upTo end: Int) {
        guard end > done else { return }
        write(end - done)
        writer.append(UInt8(ascii: ":"))
        writer.append(UnsafeRawBufferPointer(rebasing: target[done..<end]))
        done = end
    }

    private mutating func copy(_ piece: Piece) {
        write(piece.count)
        writer.append(UInt8(ascii: "@"))
        write(piece.source)
        writer.append(UInt8(ascii: ","))
        done = piece.target + piece.count
    }

    private func write(_ number: Int) { FossilNumber.write(UInt32(clamping: number), to: writer) }
}

/// A hash of one block that goes on by one byte in no time.
struct FossilHash {
    private var sum: UInt16 = 0
    private var weighted: UInt16 = 0

    init(_ bytes: UnsafeRawBufferPointer, at start: Int) {
        for index in 0..<FossilDelta.blockBytes {
            sum &+= UInt16(bytes[start + index])
            weighted &+= sum
        }
    }

    var value: UInt32 { UInt32(sum) | UInt32(weighted) << 16 }

    mutating func roll(out old: UInt8, in new: UInt8) {
        sum = sum &- UInt16(old) &+ UInt16(new)
        weighted = weighted &- UInt16(old) &* UInt16(FossilDelta.blockBytes) &+ sum
    }
}

/// Where the blocks of a source are, by their hashes: chains through one table.
struct FossilBlocks {
    /// The first block of each hash, then for each block the next one with the same; -1 for none.
    private let table: UnsafeMutableBufferPointer<Int32>
    private let size: Int

    /// How many hashes are told apart: a power of 2.
    static func size(_ blocks: Int) -> Int {
        var size = 16
        while size < blocks { size *= 2 }
        return size
    }

    /// - Parameter table: Room for `size` and all blocks.
    init(_ source: UnsafeRawBufferPointer, table: UnsafeMutableBufferPointer<Int32>, size: Int) {
        self.table = table
        self.size = size
        table.initialize(repeating: -1)
        // The last one first, so that chains begin with the first.
        var block = source.count / FossilDelta.blockBytes - 1
        while block >= 0 {
            let slot = slot(FossilHash(source, at: block * FossilDelta.blockBytes).value)
            table[size + block] = table[slot]
            table[slot] = Int32(clamping: block)
            block -= 1
        }
    }

    private func slot(_ hash: UInt32) -> Int { Int((hash &* 0x9E37_79B1) >> 7) & (size - 1) }

    func first(_ hash: UInt32) -> Int32 { table[slot(hash)] }

    func next(_ block: Int32) -> Int32 { table[size + Int(block)] }
}
