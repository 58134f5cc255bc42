import Glibc
package import Reactor

/// What one session has yet to be sent: pieces of shared blocks, in order.
///
/// Nearly always there is nothing here or one piece, sent whole at the end of the slice; so one piece is held inline
/// and memory is taken only while a second one waits behind it. A plain struct with explicit `removeAll()`, because it
/// lives in the slab of session slots.
package struct Outbound {
    /// A part of a block.
    package struct Piece {
        package let block: Block
        package var start: Int
        package let end: Int
        /// Part of it is on its way already, so the rest has to follow.
        var isBegun = false

        @inline(__always)
        var count: Int { end - start }
    }

    /// The pieces behind the first one: a growing array with a moving start.
    private struct Rest {
        var pieces: UnsafeMutablePointer<Piece>
        var capacity: Int
        var first: Int
        var end: Int
    }

    private var head: Piece?
    private var rest: UnsafeMutablePointer<Rest>?
    /// Bytes that wait.
    package private(set) var bytes = 0

    /// The most pieces handed to one `writev`.
    private static let gathered = 16

    package init() {}

    @inline(__always)
    package var isEmpty: Bool { head == nil }

    /// How many pieces wait.
    package var pieces: Int {
        guard head != nil else { return 0 }
        guard let rest else { return 1 }
        return 1 + rest.pointee.end - rest.pointee.first
    }

    /// Puts a part of a block behind what waits already, and holds the block.
    @inline(__always)
    package mutating func append(_ block: Block, from start: Int, to end: Int) {
        guard end > start else { return }
        block.retain()
        bytes += end - start
        let piece = Piece(block: block, start: start, end: end)
        if head == nil {
            head = piece
        } else {
            appendToRest(piece)
        }
    }

    @inline(never)
    private mutating func appendToRest(_ piece: Piece) {
        let queue: UnsafeMutablePointer<Rest>
        if let rest {
            queue = rest
        } else {
            queue = .allocate(capacity: 1)
            queue.initialize(to: Rest(pieces: .allocate(capacity: 4), capacity: 4, first: 0, end: 0))
            rest = queue
        }
        if queue.pointee.end == queue.pointee.capacity {
            let waiting = queue.pointee.end - queue.pointee.first
            if queue.pointee.first >= queue.pointee.capacity / 2 {
                queue.pointee.pieces.update(from: queue.pointee.pieces + queue.pointee.first, count: waiting)
            } else {
                let larger = UnsafeMutablePointer<Piece>.allocate(capacity: queue.pointee.capacity * 2)
                larger.initialize(from: queue.pointee.pieces + queue.pointee.first, count: waiting)
                queue.pointee.pieces.deallocate()
                queue.pointee.pieces = larger
                queue.pointee.capacity *= 2
            }
            queue.pointee.first = 0
            queue.pointee.end = waiting
        }
        (queue.pointee.pieces + queue.pointee.end).initialize(to: piece)
        queue.pointee.end += 1
    }

    package enum FlushResult: Equatable {
        case done
        /// The socket takes no more now.
        case blocked
        case failed(Int32)
    }

    /// Sends what waits until nothing is left or the socket takes no more.
    @inline(__always)
    package mutating func flush(to stream: Stream) -> FlushResult {
        guard let piece = head else { return .done }
        if rest == nil {
            let waiting = UnsafeRawBufferPointer(start: piece.block.start + piece.start, count: piece.count)
            switch stream.send(waiting) {
            case .bytes(let sent) where sent == piece.count:
                bytes = 0
                head = nil
                piece.block.release()
                return .done
            case .bytes(let sent):
                consume(sent)
                return .blocked
            case .wouldBlock:
                return .blocked
            case .failed(let code):
                return .failed(code)
            }
        }
        return flushGathered(to: stream)
    }

    @inline(never)
    private mutating func flushGathered(to stream: Stream) -> FlushResult {
        while let first = head {
            var vectors: [iovec] = []
            vectors.reserveCapacity(Self.gathered)
            var offered = 0
            func offer(_ piece: Piece) {
                vectors.append(
                    iovec(
                        iov_base: UnsafeMutableRawPointer(mutating: piece.block.start + piece.start),
                        iov_len: piece.count))
                offered += piece.count
            }
            offer(first)
            if let rest {
                var index = rest.pointee.first
                while index < rest.pointee.end, vectors.count < Self.gathered {
                    offer(rest.pointee.pieces[index])
                    index += 1
                }
            }
            let result = vectors.withUnsafeBufferPointer { stream.writev($0.baseAddress!, Int32($0.count)) }
            switch result {
            case .bytes(let sent):
                consume(sent)
                if sent < offered { return .blocked }
            case .wouldBlock:
                return .blocked
            case .failed(let code):
                return .failed(code)
            }
        }
        return .done
    }

    /// Forgets the first `sent` bytes.
    private mutating func consume(_ sent: Int) {
        bytes -= sent
        var left = sent
        while var piece = head {
            if left < piece.count {
                piece.start += left
                piece.isBegun = piece.isBegun || left > 0
                head = piece
                return
            }
            left -= piece.count
            piece.block.release()
            head = takeFromRest()
        }
    }

    private mutating func takeFromRest() -> Piece? {
        guard let rest else { return nil }
        let piece = rest.pointee.pieces[rest.pointee.first]
        rest.pointee.first += 1
        if rest.pointee.first == rest.pointee.end { freeRest() }
        return piece
    }

    private mutating func freeRest() {
        guard let rest else { return }
        rest.pointee.pieces.deallocate()
        rest.deallocate()
        self.rest = nil
    }

    /// Drops everything but a piece of which a part was already sent, so that what follows begins at a frame.
    ///
    /// - Returns: How many bytes were dropped.
    @discardableResult
    package mutating func dropUnsent(committed: Int = 0) -> Int {
        guard let piece = head else { return 0 }
        let before = bytes
        guard piece.isBegun || committed > 0 else {
            removeAll()
            return before
        }
        var kept = piece.count
        if let rest {
            var index = rest.pointee.first
            while index < rest.pointee.end, kept < committed {
                kept += rest.pointee.pieces[index].count
                index += 1
            }
            for dropped in index..<rest.pointee.end { rest.pointee.pieces[dropped].block.release() }
            if index == rest.pointee.first { freeRest() } else { rest.pointee.end = index }
        }
        bytes = kept
        return before - kept
    }

    /// Drops everything and gives all memory back.
    package mutating func removeAll() {
        while let piece = head {
            piece.block.release()
            head = takeFromRest()
        }
        bytes = 0
    }
}
