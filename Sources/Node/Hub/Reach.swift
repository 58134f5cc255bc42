package import Backplane
import Codec

/// How far what is published here gets now: in which channels the node is linked to the others.
package struct Reach: Equatable, Sendable {
    /// Publications of these channels reach the other nodes, and come from there.
    package var linked: PartitionSet
    /// Publishers of these channels had better wait: more is under way than should be.
    package var congested: PartitionSet
    /// Clients are welcome.
    package var isReady: Bool

    package init(linked: PartitionSet, congested: PartitionSet = .none, isReady: Bool) {
        self.linked = linked
        self.congested = congested
        self.isReady = isReady
    }

    package static let everywhere = Reach(linked: .all, isReady: true)
    package static let nowhere = Reach(linked: .none, isReady: false)

    /// Whether other nodes can be reached at all.
    var isUp: Bool { !linked.isEmpty }

    @inline(__always) func includes(_ channel: ChannelName) -> Bool { linked.contains(channel) }

    @inline(__always)
    func isCongested(for channel: ChannelName) -> Bool { !congested.isEmpty && congested.contains(channel) }

    /// Whether it reaches further than before, or has room where there was none.
    func isBetter(than before: Reach) -> Bool {
        !linked.subtracting(before.linked).isEmpty || !before.congested.subtracting(congested).isEmpty
    }
}
