import Backplane

/// What the exchange has to tell the shard of one reactor, in order.
///
/// Most of it is that a publication was accepted. Such a ticket holds no references, so it waits apart from the rest: a `Notice` is
/// large, and to copy and to destroy one asks first which case it is.
struct NoticeQueue: Sendable {
    private enum Entry: Sendable {
        case notice(Exchange.Notice)
        /// So many of the accepted publications that wait come next.
        case accepted(Int)
    }

    private var entries: [Entry] = []
    private var accepted: [PublishTicket] = []
    /// Accepted publications since the last entry.
    private var unlisted = 0

    /// Room for so many is kept from turn to turn.
    private static let kept = 1024
    /// Of the tickets, which are small.
    private static let keptTickets = 16 * 1024

    var isEmpty: Bool { entries.isEmpty && unlisted == 0 }

    mutating func append(_ notice: Exchange.Notice) {
        listAccepted()
        entries.append(.notice(notice))
    }

    /// A publication was accepted, and has no position.
    @inline(__always)
    mutating func append(accepted ticket: PublishTicket) {
        accepted.append(ticket)
        unlisted += 1
    }

    private mutating func listAccepted() {
        guard unlisted > 0 else { return }
        entries.append(.accepted(unlisted))
        unlisted = 0
    }

    /// Tells a shard everything, and is empty afterwards; on the shard's reactor.
    mutating func tell(_ shard: Shard) {
        listAccepted()
        var next = 0
        for entry in entries {
            switch entry {
            case .notice(let notice): shard.received(notice)
            case .accepted(let count):
                for index in next..<(next + count) { shard.accepted(accepted[index]) }
                next += count
            }
        }
        entries.removeAll(keepingCapacity: entries.count <= Self.kept)
        accepted.removeAll(keepingCapacity: accepted.count <= Self.keptTickets)
    }
}
