import Codec

/// Up to where this node followed epochs that are over. So it can tell whether a position that another node got, and that
/// history knows nothing of any more, was ever delivered or announced as lost here.
struct PastEpochs {
    /// How many are remembered, as many as Redis remembers.
    static let maximum = 8

    /// The last position of each, oldest first.
    private var ends: [Position] = []

    /// An epoch is over, or something of it is known to be lost: this is how far its publications were delivered here, or
    /// subscribers were told of a loss.
    mutating func ended(at position: Position) {
        if let index = ends.firstIndex(where: { $0.epoch == position.epoch }) {
            if ends[index].offset < position.offset { ends[index] = position }
            return
        }
        if ends.count == Self.maximum { ends.removeFirst() }
        ends.append(position)
    }

    /// Whether a position was delivered or announced as lost here. One of an epoch that was never seen here was not:
    /// subscribers may have come while it was given elsewhere.
    func covers(_ position: Position) -> Bool {
        ends.contains { $0.epoch == position.epoch && $0.offset >= position.offset }
    }
}
