package import Codec
import Glibc
package import Reactor

/// What one session has yet to be sent: pieces of shared blocks, in order.
///
/// Nearly always there is nothing here or one piece, sent whole at the end of the slice; so one piece is held inline
/// and memory is taken only while a second one waits behind it. A plain struct with explicit `removeAll()`, because it
/// lives in the slab of session slots.
package struct Outbound {
    /// The pieces behind the first one: a growing array with a moving start.
    struct Rest {
        var pieces: UnsafeMutablePointer<Piece>
        var capacity: Int
        var first: Int
        var end: Int
    }

    // In this order they take 48 bytes.
    var head: Piece?
    /// More than one publication of a `latest` channel may wait.
    package internal(set) var needsTrim = false
    /// Bytes of channels that may lose publications.
    private var lossy: UInt32 = 0
    var rest: UnsafeMutablePointer<Rest>?
    /// Bytes that wait.
    package internal(set) var bytes = 0

    /// The most pieces handed to one `writev`.
    private static let gathered = 16

    package init() {}

    @inline(__always)
    package var isEmpty: Bool { head == nil }

    /// How many of `bytes` are of channels that may lose publications.
    @inline(__always)
    package internal(set) var lossyBytes: Int {
        get { Int(lossy) }
        set { lossy = UInt32(newValue) }
    }

    /// How many pieces wait.
    package var pieces: Int {
        guard head != nil else { return 0 }
        guard let rest else { return 1 }
        return 1 + rest.pointee.end - rest.pointee.first
    }

    /// Puts a part of a block behind what waits already, and holds the block.
    @inline(__always)
    package mutating func append(_ block: Block, from start: Int, to end: Int, as mark: Mark = .kept) {
        guard end > start else { return }
        block.retain()
        bytes += end - start
        if mark.isLossy {
            lossyBytes += end - start
            needsTrim = needsTrim || mark.kind == .latest
        }
        let piece = Piece(block: block, start: start, end: end, mark: mark)
        if head == nil {
            head = piece
        } else {
            appendToRest(piece)
        }
    }

    @inline(never)
    mutating func appendToRest(_ piece: Piece) {
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
            return settle(stream.send(waiting), of: piece)
        }
        return flushGathered(to: stream)
    }

    /// What waits, if it is one piece: it may be sent by somebody else, who says with `settle` what became of that before anything is
    /// changed here.
    @inline(__always)
    package var only: UnsafeRawBufferPointer? {
        guard rest == nil, let piece = head else { return nil }
        return UnsafeRawBufferPointer(start: piece.block.start + piece.start, count: piece.count)
    }

    /// What `only` offered was sent, or was not.
    @inline(__always)
    package mutating func settle(_ result: WriteResult) -> FlushResult {
        guard let piece = head else { return .done }
        return settle(result, of: piece)
    }

    @inline(__always)
    private mutating func settle(_ result: WriteResult, of piece: Piece) -> FlushResult {
        switch result {
        case .bytes(let sent) where sent == piece.count:
            bytes = 0
            lossy = 0
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
            if piece.mark.isLossy { lossyBytes -= min(left, piece.count) }
            if left < piece.count {
                piece.consume(left)
                head = piece
                return
            }
            left -= piece.count
            piece.block.release()
            head = takeFromRest()
        }
    }

    /// Takes out what waits, as a copy: as many whole messages as fit, and one at least.
    ///
    /// - Parameter most: Bytes.
    package mutating func take(most: Int, of separation: MessageSeparation) -> [UInt8] {
        var taken: [UInt8] = []
        while let piece = head {
            let part = UnsafeRawBufferPointer(start: piece.block.start + piece.start, count: piece.count)
            let room = most - taken.count
            var end = part.count
            if end > room {
                end = separation.end(in: part, most: room)
                if end > room, !taken.isEmpty { break }
            }
            taken += part[..<end]
            consume(end)
            if end < part.count { break }
        }
        return taken
    }

    mutating func takeFromRest() -> Piece? {
        guard let rest else { return nil }
        let piece = rest.pointee.pieces[rest.pointee.first]
        rest.pointee.first += 1
        if rest.pointee.first == rest.pointee.end { freeRest() }
        return piece
    }

    mutating func freeRest() {
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
        var keptLossy = piece.mark.isLossy ? piece.count : 0
        if let rest {
            var index = rest.pointee.first
            while index < rest.pointee.end, kept < committed {
                let next = rest.pointee.pieces[index]
                kept += next.count
                if next.mark.isLossy { keptLossy += next.count }
                index += 1
            }
            for dropped in index..<rest.pointee.end { rest.pointee.pieces[dropped].block.release() }
            if index == rest.pointee.first { freeRest() } else { rest.pointee.end = index }
        }
        bytes = kept
        lossyBytes = keptLossy
        return before - kept
    }

    /// Drops everything and gives all memory back.
    package mutating func removeAll() {
        while let piece = head {
            piece.block.release()
            head = takeFromRest()
        }
        bytes = 0
        lossy = 0
        needsTrim = false
    }
}
