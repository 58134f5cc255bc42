package import Codec

/// One of the queues in which events for one receiver wait until it has acknowledged them. Each receiver has `parts` of them, so
/// that what happens in one channel stays in order while others are sent beside it.
package struct OutboxPart: Hashable, Sendable {
    /// Twelve hexadecimal digits that stand for the receiver: the same on all nodes.
    package let receiver: String
    /// 0 to `parts` - 1.
    package let number: Int

    /// A part of a receiver, on all nodes and in all versions: another number would put the events of a channel in two queues.
    package static let parts = 8

    package init(receiver: String, number: Int) {
        self.receiver = receiver
        self.number = number
    }
}

/// An event on its way into a part.
package struct OutboxEvent: Equatable, Sendable {
    package enum Kind: Equatable, Sendable {
        /// Appended as it is.
        case plain
        /// A channel is occupied, or is not any more. Of these the part keeps only changes of what it said last, and a channel that is
        /// occupied again within the grace was never vacated.
        case occupied(ChannelName, order: UInt64)
        case vacated(ChannelName, order: UInt64)
    }

    package let kind: Kind
    /// What the receiver gets; empty where it only has to be known which channels are occupied.
    package let body: [UInt8]

    package init(_ kind: Kind, body: [UInt8]) {
        self.kind = kind
        self.body = body
    }

    /// What an event counts against `OutboxLimits.bytes` beyond its body.
    package static let overhead = 64
    /// What it counts, in bytes.
    package var weight: Int { body.count + Self.overhead }
}

/// Bounds of one part.
package struct OutboxLimits: Equatable, Sendable {
    /// Bytes of events that wait, and once more of those that were given up.
    package var bytes: Int
    /// How long a vacated channel may take to be occupied again without anybody being told, in milliseconds.
    package var grace: Int64

    package init(bytes: Int, grace: Int64) {
        self.bytes = bytes
        self.grace = grace
    }
}

/// Where an event is in its part: greater ones came later. In Redis the id of an entry of a stream.
package struct OutboxID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// When it was appended, in milliseconds since 1970 by the clock of whoever keeps the part.
    package let time: UInt64
    package let number: UInt64

    package init(time: UInt64, number: UInt64) {
        self.time = time
        self.number = number
    }

    /// Reads `1700000000000-3`.
    package init?(_ text: String) {
        let parts = text.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        guard parts.count == 2, let time = UInt64(String(decoding: parts[0], as: UTF8.self)),
            let number = UInt64(String(decoding: parts[1], as: UTF8.self))  // trap-ok: reads text, and fails with nil
        else { return nil }
        self.init(time: time, number: number)
    }

    package var description: String { "\(time)-\(number)" }

    package static func < (left: OutboxID, right: OutboxID) -> Bool {
        left.time == right.time ? left.number < right.number : left.time < right.time
    }
}

/// An event that waits in a part.
package struct OutboxEntry: Equatable, Sendable {
    package let id: OutboxID
    package let body: [UInt8]

    package init(id: OutboxID, body: [UInt8]) {
        self.id = id
        self.body = body
    }
}

/// An event that was given up.
package struct OutboxLetter: Equatable, Sendable {
    package let id: OutboxID
    package let body: [UInt8]
    /// Why the last attempt failed.
    package let reason: String

    package init(id: OutboxID, body: [UInt8], reason: String) {
        self.id = id
        self.body = body
        self.reason = reason
    }
}

/// Who sends what waits in a part: one node at a time. Whoever lets it run out has nothing to say any more.
package struct OutboxLease: Equatable, Sendable {
    /// A text that nobody else has.
    package let token: String
    /// In milliseconds.
    package let duration: Int64

    package init(token: String, duration: Int64) {
        self.token = token
        self.duration = duration
    }
}

/// What can be done with a part, each in one step.
package enum OutboxRequest: Sendable {
    /// Appends events in order, as far as there is room.
    case append([OutboxEvent])
    /// Takes the lease, or renews it, and reads the first events; without any, the lease is given back.
    case take(OutboxLease)
    /// The receiver has these: they are removed. Says whether the lease still held; if not, nothing happened.
    case acknowledge([OutboxID], OutboxLease)
    /// An attempt failed: that is noted, and the lease renewed.
    case failed(reason: String, OutboxLease)
    /// These are given up; the oldest of earlier ones make room for them.
    case bury([OutboxID], reason: String, OutboxLease)
    /// The lease is given back.
    case release(OutboxLease)
    case state
    /// Events that were given up, oldest first, behind an id: as many as fit into `batchBytes`, and one at least.
    case letters(after: OutboxID, limit: Int)
    /// Puts some events that were given up at the end of what waits, oldest first.
    case resend(limit: Int)
    /// Removes events that were given up.
    case purge

    /// Events read at a time, and bytes after which no more are read.
    package static let batch = 100
    package static let batchBytes = 256 * 1024
    /// Events that are moved from one place to another in one step.
    package static let portion = 256
}

package enum OutboxAnswer: Equatable, Sendable {
    /// How many had no room.
    case appended(dropped: Int)
    case taken(OutboxTaken)
    /// - Parameters:
    ///   - isHeld: Whether the lease still held; if not, nothing happened.
    ///   - lost: Events given up earlier that had to go.
    case settled(isHeld: Bool, lost: Int)
    case state(OutboxState)
    /// - Parameter isLast: Whether no others follow.
    case letters([OutboxLetter], isLast: Bool)
    /// How many were resent or removed.
    case moved(Int)
}

package enum OutboxTaken: Equatable, Sendable {
    /// Another node has the lease.
    case others
    /// Nothing waits, and nobody has the lease.
    case nothing
    /// - Parameter now: By the clock of `OutboxID.time`.
    case events([OutboxEntry], now: UInt64)
}

/// How a part is doing.
package struct OutboxState: Equatable, Sendable {
    package var waiting = 0
    /// Of those that wait.
    package var bytes = 0
    /// How long the first one has waited, in milliseconds; nil when none waits.
    package var oldest: UInt64?
    /// Events that were given up and are still there.
    package var dead = 0
    /// Since when attempts have failed, in milliseconds since 1970; nil when the last one did not.
    package var failingSince: UInt64?
    package var reason = ""

    package init() {}
}
