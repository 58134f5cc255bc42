package import Codec

/// The newest end of one history channel, as this node has delivered it: notices what is missing before it would be
/// missed, and remembers enough for those who come back.
///
/// A pure state machine: its owner reads history when told to, and delivers what it is given, in that order.
package struct ChannelTail {
    /// What to do with something that arrived.
    package enum Arrival: Equatable {
        /// It is the next one.
        case deliver
        /// It was delivered before.
        case repeated
        /// It is kept until history was read; if `read`, that is to begin now, from this position on (nil: only the end).
        case heldBack(read: Bool)
    }

    /// What a read of history brought.
    package struct Healed {
        /// To be delivered now, in this order.
        package var publications: [Publication] = []
        /// Something cannot be had any more: whoever relies on this channel has to be told.
        package var isLost = false
        /// What was held back could not all be kept: history has to be read again.
        package var readsAgain = false
    }

    private enum State {
        /// The end is not known yet.
        case opening
        case following
        /// History is being read.
        case healing
    }

    private var state = State.opening
    /// The last publication delivered here; nil until the end is known.
    package private(set) var top: Position?
    /// What was read last of the positions that lead to the present. Epochs change only by being read, so it holds until then.
    private var lineage: EpochLineage?
    private var window: RecentWindow
    /// What came while history was being read.
    private var heldBack: [Publication] = []
    private var heldBytes = 0
    private var hasOverflowed = false
    /// How many of those came before the read that is under way began.
    private var overdue = 0

    /// Publications, and their bytes, that wait for a read at the most.
    package static let heldPublications = 1024
    package static let heldPayloadBytes = 1 << 20

    /// - Parameter size: Publications that are kept of the channel.
    package init(size: Int = RecentWindow.maximumPublications) { window = RecentWindow(size: size) }

    package var isReading: Bool { state != .following }

    /// So many publications are kept of the channel from now on.
    package mutating func use(size: Int) { window.use(size: size) }

    /// The channel keeps nothing any more: what waits for a read has to be delivered without one, in this order.
    package mutating func takeHeldBack() -> [Publication] {
        defer { dropHeldBack() }
        return heldBack
    }

    /// A publication arrived over the link.
    package mutating func arrived(_ publication: Publication) -> Arrival {
        guard let position = publication.position else { return .deliver }
        guard state == .following, let top else {
            holdBack(publication)
            return .heldBack(read: false)
        }
        if position.epoch == top.epoch {
            if position.offset.follows(top.offset) {
                append(publication, position)
                return .deliver
            }
            if position.offset <= top.offset { return .repeated }
        }
        // Something is missing, or another server keeps the history now and has to say how it goes on.
        holdBack(publication)
        state = .healing
        return .heldBack(read: true)
    }

    /// What follows from a doubt.
    package enum Doubted: Equatable, Sendable {
        /// A read has to begin.
        case read
        /// It has already.
        case waits
    }

    /// What follows from the end of history.
    package enum Confirmed: Equatable, Sendable {
        case goOn
        /// The end is somewhere else, and history has to be read.
        case doubt
    }

    /// Deliveries may have been lost, or a check is due: history is to be read from `top` on.
    ///
    package mutating func doubted() -> Doubted {
        guard state == .following else { return .waits }
        state = .healing
        return .read
    }

    /// History went on without what was delivered here last: a server that did not have it took over.
    package func abandoned(by page: HistoryPage) -> Position? { page.isFork ? top : nil }

    /// History was read from `top` on, or only its end when there was no top.
    package mutating func read(_ page: HistoryPage) -> Healed {
        var healed = Healed()
        lineage = page.lineage
        if let top {
            if page.isContinuous {
                for publication in page.publications {
                    guard let position = publication.position, position.offset > (self.top?.offset ?? .zero) else {
                        continue
                    }
                    append(publication, position)
                    healed.publications.append(publication)
                }
                // The end may have another epoch without a publication of it.
                if let last = self.top, last.offset == page.top.offset { self.top = page.top }
                // More than one page is missing.
                if let last = self.top, last.offset < page.top.offset { healed.readsAgain = true }
            } else {
                healed.isLost = page.top != top
                startAnew(at: page.top)
            }
        } else {
            startAnew(at: page.top)
        }
        if healed.readsAgain || hasOverflowed {
            // What was held back is in history too.
            dropHeldBack()
            healed.readsAgain = true
            state = .healing
            return healed
        }
        state = .following
        let waiting = heldBack
        let known = overdue
        dropHeldBack()
        for (index, publication) in waiting.enumerated() {
            // Offsets go up whatever the epoch: up to the end that was read, everything is in history, or was given up.
            guard let position = publication.position, position.offset > self.top?.offset ?? .zero else { continue }
            // What came before the read began and is not in history was said by a server that does not keep it.
            if index < known,
                position.epoch != self.top?.epoch || !position.offset.follows(self.top?.offset ?? .zero)
            {
                continue
            }
            switch arrived(publication) {
            case .deliver: healed.publications.append(publication)
            case .repeated: break
            case .heldBack:
                for later in waiting[(index + 1)...] { holdBack(later) }
                overdue = heldBack.count
                healed.readsAgain = true
                return healed
            }
        }
        return healed
    }

    /// The end was looked up and is where it was, or has another epoch without a publication of it.
    ///
    package mutating func confirmed(_ page: HistoryPage) -> Confirmed {
        guard let top, state == .following, page.top.offset == top.offset, page.lineage.leads(from: top) else {
            return .doubt
        }
        lineage = page.lineage
        self.top = page.top
        return .goOn
    }

    /// Which positions lead to `top`, as far as it was read; nil when that is not known.
    package var present: EpochLineage? {
        guard let top, var lineage, lineage.top.epoch == top.epoch else { return nil }
        lineage.top = top
        return lineage
    }

    /// How many publications came after a position that somebody had; nil when it does not lead here, which takes no reading.
    package func missing(since seen: SeenPosition) -> Int? {
        guard let present, let position = present.position(of: seen) else { return nil }
        return position.offset.count(to: present.top.offset)
    }

    /// What came after a position, if this node still has all of it.
    package func recent(since position: Position) -> [Publication]? {
        guard let top, state == .following else { return nil }
        return window.since(position, top: top)
    }

    /// The newest publications, if this node still has them, whatever their epochs.
    package func recent(_ count: Int) -> [Publication]? {
        guard let top, state == .following else { return nil }
        return window.newest(count, top: top)
    }

    /// Publications up to `top` were read, oldest first: for those who come back.
    package mutating func remember(_ older: [Publication]) {
        guard let top, state == .following else { return }
        window.prepend(older, top: top)
    }

    /// What came before is not kept any more.
    package mutating func forgetRecent() { window.removeAll() }

    /// History was removed up to an offset: whoever comes back with an earlier position has to ask it.
    package mutating func remove(upTo offset: Offset) { window.remove(upTo: offset) }

    /// The publication at `top`, if it is at hand.
    package var newest: Publication? {
        guard let top, state == .following else { return nil }
        return window.last.flatMap { $0.position == top ? $0 : nil }
    }

    private mutating func append(_ publication: Publication, _ position: Position) {
        top = position
        window.append(publication)
    }

    private mutating func startAnew(at position: Position) {
        top = position
        window.removeAll()
    }

    private mutating func holdBack(_ publication: Publication) {
        guard !hasOverflowed else { return }
        guard heldBack.count < Self.heldPublications,
            heldBytes + publication.weight <= Self.heldPayloadBytes
        else {
            dropHeldBack()
            hasOverflowed = true
            return
        }
        heldBack.append(publication)
        heldBytes += publication.weight
    }

    private mutating func dropHeldBack() {
        heldBack = []
        heldBytes = 0
        overdue = 0
        hasOverflowed = false
    }
}
