/// What a queue consists of.
extension Outbound {
    /// What may become of a piece when its session does not keep up.
    package enum Kind: UInt8 {
        /// It is sent, or the session ends.
        case kept
        /// Publications of a channel whose oldest may be dropped.
        case dropOldest
        /// Publications of a channel of which only the newest counts.
        case latest
        /// Says that publications of its channel were dropped here.
        case notice
    }

    /// What is in a piece, for those who decide what is dropped.
    package struct Mark {
        package let kind: Kind
        package var publications: UInt32
        package let channel: UInt32

        package static let kept = Mark(kind: .kept, publications: 0, channel: .max)

        @inline(__always)
        package init(kind: Kind, publications: UInt32, channel: UInt32) {
            self.kind = kind
            self.publications = publications
            self.channel = channel
        }

        @inline(__always)
        var isLossy: Bool { kind == .dropOldest || kind == .latest }
    }

    /// A part of a block.
    package struct Piece {
        package let block: Block
        private var from: UInt32
        private var to: UInt32
        package private(set) var mark: Mark
        /// Part of it is on its way already, so the rest has to follow.
        var isBegun = false

        @inline(__always)
        init(block: Block, start: Int, end: Int, mark: Mark) {
            self.block = block
            from = UInt32(start)
            to = UInt32(end)
            self.mark = mark
        }

        @inline(__always)
        package var start: Int { Int(from) }
        @inline(__always)
        package var end: Int { Int(to) }
        @inline(__always)
        var count: Int { Int(to &- from) }

        @inline(__always)
        mutating func consume(_ sent: Int) {
            from += UInt32(sent)
            isBegun = isBegun || sent > 0
        }

        /// A part of it, which is begun where it is.
        func part(_ range: Range<Int>, publications: UInt32? = nil) -> Piece {
            var part = self
            part.from = UInt32(range.lowerBound)
            part.to = UInt32(range.upperBound)
            if let publications { part.mark.publications = publications }
            return part
        }
    }
}
