/// In what form a subscriber gets the publications of a channel.
package enum SubscriptionForm: Hashable, Sendable {
    /// All of them, whole.
    case all
    /// All of them, each as a delta of the one before it where that can be.
    case deltas
    /// Those that a filter wants, whole: which of the channel's (`ChannelFilters`).
    case filtered(by: UInt32)

    package enum Kind: UInt8, Sendable {
        case all, deltas, filtered
    }

    package var kind: Kind {
        switch self {
        case .all: .all
        case .deltas: .deltas
        case .filtered: .filtered
        }
    }
}
