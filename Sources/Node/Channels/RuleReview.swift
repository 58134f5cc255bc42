import Codec
import Reactor

/// Takes the rules of a reload to what is open on a reactor: first to its channels, then, where a changed rule is about subscribers, to
/// its sessions. In portions between which everything else has its turn, so the number of sessions delays nobody.
///
/// Nothing is looked up twice and nothing is remembered of a session: what a portion finds is judged by the rules of that moment. So it does
/// no harm that sessions and channels come and go meanwhile.
final class RuleReview: ShardPart, @unchecked Sendable {
    /// What became of subscribers.
    struct Outcome: Sendable {
        var subscriptionsEnded: UInt64 = 0
        var sessionsClosed: UInt64 = 0
    }

    /// What a channel's changed rule means for its subscribers.
    struct Concerns: OptionSet {
        let rawValue: UInt8
        /// They may not be permitted any more.
        static let access = Concerns(rawValue: 1)
        /// They are present from now on, or in another way.
        static let presence = Concerns(rawValue: 2)
        /// They are not present any more.
        static let absence = Concerns(rawValue: 4)
        /// What the kernel holds for them is to be bounded.
        static let kernel = Concerns(rawValue: 8)
    }

    private enum Stage {
        case idle
        case channels(next: Int)
        case sessions(next: UInt32)
    }

    private var stage = Stage.idle
    private var outcome = Outcome()
    private var completion: ((Outcome) -> Void)?
    /// Channels with concerns, to be cleared at the end.
    private var concerned: [ShardChannel] = []

    /// Channels or sessions looked at between two looks at the clock.
    private static var portion: UInt32 { 64 }
    /// How long a turn may be spent here.
    private static var turnBudget: Duration { .milliseconds(1) }

    // Whom it calls; the shard makes all of them and owns them.
    unowned(unsafe) private(set) var life: SessionLife!
    unowned(unsafe) private(set) var channels: Channels!
    unowned(unsafe) private(set) var fanOut: FanOut!
    unowned(unsafe) private(set) var serverCommands: ServerCommands!

    func attach(life: SessionLife, channels: Channels, fanOut: FanOut, serverCommands: ServerCommands) {
        self.life = life
        self.channels = channels
        self.fanOut = fanOut
        self.serverCommands = serverCommands
    }

    /// The context has other rules. Reloads come one after the other.
    ///
    /// - Parameter completion: Called once, on the reactor, when everything that is open is as the rules say.
    func begin(_ completion: @escaping (Outcome) -> Void) {
        guard case .idle = stage else {
            fault("a review of rules begins before the last one has ended")
            return completion(Outcome())
        }
        outcome = Outcome()
        self.completion = completion
        stage = .channels(next: 0)
    }

    @inline(__always)
    var isUnderWay: Bool { completion != nil }

    /// Goes on until the turn's time is used.
    ///
    /// - Returns: Whether something is left to do.
    func run() -> Bool {
        let deadline = MonotonicTime.now() + Self.turnBudget
        repeat {
            switch stage {
            case .idle: return false
            case .channels(let next): reviewChannels(from: next)
            case .sessions(let next): reviewSessions(from: next)
            }
        } while MonotonicTime.now() < deadline
        return isUnderWay
    }

    private func finish() {
        for channel in concerned { channel.concerns = [] }
        concerned = []
        stage = .idle
        let completion = completion
        self.completion = nil
        completion?(outcome)
    }

    // MARK: Channels

    private func reviewChannels(from start: Int) {
        let end = min(start + Int(clamping: Self.portion), channels.byIndex.count)
        for index in start..<end {
            guard let channel = channels.byIndex[index], !channel.name.isReserved else { continue }
            let rule = context.settings.rules.rule(for: channel.name)
            guard rule != channel.rule else { continue }
            let concerns = Self.concerns(from: channel.rule, to: rule)
            channel.use(rule)
            guard !concerns.isEmpty else { continue }
            channel.concerns = concerns
            concerned.append(channel)
        }
        guard end == channels.byIndex.count else { return stage = .channels(next: end) }
        if concerned.isEmpty { return finish() }
        stage = .sessions(next: 0)
    }

    /// Pure.
    static func concerns(from old: ChannelRule, to new: ChannelRule) -> Concerns {
        var found: Concerns = []
        if new.subscribe != old.subscribe { found.insert(.access) }
        if new.presence != old.presence { found.insert(new.presence == nil ? .absence : .presence) }
        if old.slow == .disconnect, new.slow != .disconnect { found.insert(.kernel) }
        return found
    }

    // MARK: Sessions

    private func reviewSessions(from start: UInt32) {
        // Those that were never used are no sessions, and new ones begin under the new rules.
        let end = min(start &+ Self.portion, UInt32(clamping: context.table.used))
        for slot in start..<end {
            let phase = session(slot).pointee.phase
            if phase == .open || phase == .opening { review(slot) }
        }
        guard end < UInt32(clamping: context.table.used) else { return finish() }
        stage = .sessions(next: end)
    }

    private func review(_ slot: UInt32) {
        let session = session(slot)
        var isForbidden = false
        for index in 0..<session.pointee.subscriptions.count {
            let subscription = session.pointee.subscriptions[index]
            guard let channel = channels.byIndex[Int(subscription.channel)], !channel.concerns.isEmpty else { continue }
            if channel.concerns.contains(.access), !mayStay(slot, channel) { isForbidden = true }
            guard subscription.rosterIndex != Channels.notInRoster else { continue }
            if channel.concerns.contains(.presence), let presence = channel.rule.presence {
                request(.enterQuietly(channel.name, member(slot), presence))
            }
            if channel.concerns.contains(.absence) { request(.departQuietly(channel.name, id(of: slot))) }
            if channel.concerns.contains(.kernel) { fanOut.boundKernel(session) }
        }
        guard isForbidden else { return }
        guard session.pointee.phase == .open, extras(slot)?.connecting == nil else {
            // A client understands nothing before it is told that it is connected.
            return serverCommands.whenOpen(slot) { [weak self] isOpen in if isOpen { self?.endForbidden(slot) } }
        }
        endForbidden(slot)
    }

    /// Whether somebody who subscribes now would be permitted, by who it is or by what it was given.
    private func mayStay(_ slot: UInt32, _ channel: ShardChannel) -> Bool {
        let credentials = credentials(slot)
        if channel.rule.allowsSubscribe(to: channel.name, credentials) { return true }
        guard channel.rule.subscribe != .nobody else { return false }
        // A token of its own, an application, or the list in the session's token.
        return extras(slot)?.expiries[channel.index] != nil || serverCommands.isGiven(slot, channel)
            || credentials?.channels.contains(channel.name) ?? false
    }

    /// Ends what a session is subscribed to and may not be any more, in the words that its dialect has for it.
    private func endForbidden(_ slot: UInt32) {
        let session = session(slot)
        guard session.pointee.phase == .open else { return }
        let subscriptions = session.pointee.subscriptions
        let forbidden = (0..<subscriptions.count).compactMap { channels.byIndex[Int(subscriptions[$0].channel)] }
            .filter { !$0.name.isReserved && !mayStay(slot, $0) }
        guard let first = forbidden.first else { return }
        guard session.pointee.traits.hasCommands else {
            outcome.sessionsClosed &+= 1
            return life.end(slot, .subscriptionRefused(first.name))
        }
        let generation = session.pointee.generation
        for channel in forbidden where context.table.find(slot, generation: generation)?.pointee.phase == .open {
            outcome.subscriptionsEnded &+= 1
            channels.endSubscription(slot, channel.name, .notGranted)
        }
    }
}
