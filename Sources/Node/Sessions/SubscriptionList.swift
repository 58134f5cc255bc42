/// What one session is subscribed to: the channel's index on this reactor and the session's place in its roster.
///
/// Two are held inline (every session has "all", most have one more); only from the third on memory is taken.
/// A plain struct with explicit `removeAll()`, because it lives in the slab of session slots.
package struct SubscriptionList {
    package struct Subscription: Equatable {
        package let channel: UInt32
        package var rosterIndex: UInt32

        package init(channel: UInt32, rosterIndex: UInt32) {
            self.channel = channel
            self.rosterIndex = rosterIndex
        }
    }

    private static let inline = 2

    private var first = Subscription(channel: .max, rosterIndex: 0)
    private var second = Subscription(channel: .max, rosterIndex: 0)
    private var more: UnsafeMutablePointer<Subscription>?
    private var moreCapacity: UInt16 = 0
    private var storedCount: UInt16 = 0

    package init() {}

    package var count: Int { Int(storedCount) }

    package subscript(index: Int) -> Subscription {
        get {
            switch index {
            case 0: first
            case 1: second
            default: more![index - Self.inline]
            }
        }
        set {
            switch index {
            case 0: first = newValue
            case 1: second = newValue
            default: more![index - Self.inline] = newValue
            }
        }
    }

    /// The most a list can hold.
    package static let maximum = Int(UInt16.max) - 1

    package mutating func append(_ subscription: Subscription) {
        precondition(count < Self.maximum)
        let index = count
        storedCount += 1
        if index >= Self.inline, index - Self.inline == Int(moreCapacity) {
            let larger = UnsafeMutablePointer<Subscription>.allocate(capacity: max(4, Int(moreCapacity) * 2))
            if let more {
                larger.initialize(from: more, count: Int(moreCapacity))
                more.deallocate()
            }
            more = larger
            moreCapacity = max(4, moreCapacity * 2)
        }
        self[index] = subscription
    }

    package func index(of channel: UInt32) -> Int? {
        for index in 0..<count where self[index].channel == channel { return index }
        return nil
    }

    /// Takes one out; the order of the others is kept, so that the first channel stays the first.
    package mutating func remove(at index: Int) {
        for next in index + 1..<max(count, index + 1) { self[next - 1] = self[next] }
        storedCount -= 1
        if storedCount <= Self.inline { freeMore() }
    }

    /// Notes that the session has another place in the roster of a channel.
    @inline(__always)
    package mutating func move(channel: UInt32, to rosterIndex: UInt32) {
        if first.channel == channel {
            first.rosterIndex = rosterIndex
        } else if second.channel == channel {
            second.rosterIndex = rosterIndex
        } else if let index = index(of: channel) {
            self[index].rosterIndex = rosterIndex
        }
    }

    package mutating func removeAll() {
        freeMore()
        storedCount = 0
        first = Subscription(channel: .max, rosterIndex: 0)
        second = first
    }

    private mutating func freeMore() {
        more?.deallocate()
        more = nil
        moreCapacity = 0
    }
}
