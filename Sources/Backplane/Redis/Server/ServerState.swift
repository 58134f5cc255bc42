/// How far this node has come with one server. Pure: it is told what happened.
///
/// The two connections come up independently. Both together are not a link yet: that is what they are when a beat this node
/// published comes back to it.
package enum ServerState: Equatable, Sendable {
    /// Not begun, or ended.
    case stopped
    /// At least one of the connections cannot be used for all it is for.
    case joining(commands: Bool, subscriptions: Subscriptions)
    /// Both can, but what this node publishes does not come back, or has not for a while.
    case unheard
    case linked
    /// Linked, and publications wait: the master is being replaced.
    case holding

    package enum Subscriptions: Equatable, Sendable {
        case away
        /// The node hears beats, and what is meant for it alone.
        case own
        /// And what is meant for everybody.
        case joined
        /// All that was wanted when it connected is confirmed too.
        case complete
    }

    /// What whoever looks at the whole node has to hear.
    package enum Change: Equatable, Sendable {
        case up, down
    }

    package init() { self = .stopped }

    package var isRunning: Bool { self != .stopped }
    /// What this node publishes comes back, so the others hear it.
    package var isLinked: Bool { self == .linked || self == .holding }
    /// The command connection has said who it is and talks to a master.
    package var takesCommands: Bool {
        switch self {
        case .stopped: false
        case .joining(let commands, _): commands
        case .unheard, .linked, .holding: true
        }
    }
    package var subscriptions: Subscriptions {
        switch self {
        case .stopped: .away
        case .joining(_, let subscriptions): subscriptions
        case .unheard, .linked, .holding: .complete
        }
    }

    // MARK: What happened

    package mutating func started() { if self == .stopped { self = .joining(commands: false, subscriptions: .away) } }
    package mutating func stopped() { self = .stopped }

    /// The server says that it is a master, and which names are used is known.
    ///
    /// - Returns: Whether that is news.
    package mutating func commandsReady() -> Bool {
        guard isRunning, !takesCommands else { return false }
        join(commands: true, subscriptions)
        return true
    }

    package mutating func commandsLost() { change { $0.join(commands: false, $0.subscriptions) } }

    /// The node hears beats, and what is meant for it alone.
    package mutating func heardItsOwn() {
        if subscriptions == .away { change { $0.join(commands: $0.takesCommands, .own) } }
    }

    /// The node hears what is meant for everybody.
    package mutating func joined() {
        if subscriptions == .own { change { $0.join(commands: $0.takesCommands, .joined) } }
    }

    /// All that was wanted is confirmed.
    ///
    /// - Returns: Whether that is news.
    package mutating func caughtUp() -> Bool {
        guard subscriptions == .joined else { return false }
        join(commands: takesCommands, .complete)
        return true
    }

    package mutating func subscriberLost() { change { $0.join(commands: $0.takesCommands, .away) } }

    /// Compares what is with what was said.
    ///
    /// - Parameter isHeard: An own beat came back lately, over this subscriber connection.
    package mutating func reviewed(isHeard: Bool) -> Change? {
        switch self {
        case .unheard where isHeard:
            self = .linked
            return .up
        case .linked where !isHeard, .holding where !isHeard:
            self = .unheard
            return .down
        default: return nil
        }
    }

    /// The master is being replaced.
    ///
    /// - Returns: Whether publications wait from now on, and did not before.
    package mutating func hold() -> Bool {
        guard self == .linked else { return false }
        self = .holding
        return true
    }

    /// It is as good as it was.
    ///
    /// - Returns: Whether publications had waited.
    package mutating func goOn() -> Bool {
        guard self == .holding else { return false }
        self = .linked
        return true
    }

    private mutating func change(_ change: (inout ServerState) -> Void) {
        if isRunning { change(&self) }
    }

    private mutating func join(commands: Bool, _ subscriptions: Subscriptions) {
        self =
            commands && subscriptions == .complete
            ? .unheard : .joining(commands: commands, subscriptions: subscriptions)
    }
}
