import Backplane
import Codec
import Reactor

/// A reload's rules on their way to the channels that are open.
struct RuleChange {
    /// Channels that still have the settings of the old rules.
    var left: [Exchange.Interest]
    let completion: @Sendable () -> Void
}

/// What the exchange needs to know of the configuration.
package struct ExchangeSettings: Sendable {
    package var rules: ChannelRules
    package var messageBytes: Int
    /// What may wait for a session.
    package var outboundBytes: Int
    package var reads: HistoryReads.Limits

    package init(_ configuration: Configuration) {
        rules = ChannelRules(configuration.channels)
        messageBytes = configuration.messageBytes
        outboundBytes = configuration.outboundBytes
        reads = configuration.historyReads
    }
}

/// Other rules for channels that are open: what the cluster keeps of them and is told of them changes at once.
extension Exchange {
    /// Channels that get their new settings in one turn.
    private static var reviewedChannels: Int { 2048 }

    /// Takes what a reload changed; on the home reactor, and not before the last call has completed.
    ///
    /// - Parameter completion: Called once, on the home reactor, when all channels have the settings of their rules.
    package func use(_ settings: ExchangeSettings, completion: @escaping @Sendable () -> Void) {
        recoveryBytes = Self.recoveryBytes(settings.outboundBytes)
        historyReads.use(settings.reads, messageBytes: settings.messageBytes)
        guard settings.rules != rules else { return completion() }
        rules = settings.rules
        keepsHistory = rules.keepHistory
        tracksPresence = tracksPresence || rules.havePresence
        tracksOccupancy = tracksOccupancy || rules.tellOccupancy
        ruleChange = RuleChange(left: Array(interests.values), completion: completion)
    }

    /// Goes on with the channels that are left.
    ///
    /// - Returns: Whether there are more.
    func reviewRules() -> Bool {
        guard var change = ruleChange else { return false }
        for _ in 0..<Self.reviewedChannels {
            guard let interest = change.left.popLast() else {
                ruleChange = nil
                change.completion()
                return false
            }
            // Nobody may be subscribed any more, and somebody may be again, under the new rules.
            if interests[interest.name] === interest { review(interest) }
        }
        // Not two lists for a moment.
        ruleChange = nil
        ruleChange = change
        return true
    }

    private func review(_ interest: Interest) {
        guard !interest.name.isReserved else { return }
        let rule = rules.rule(for: interest.name)
        if interest.reactors == 0 {
            // Those of the control plane who read along do not occupy it.
            interest.isOccupancyKnown = rule.isOccupancyKnown
        } else if rule.isOccupancyKnown, !interest.isOccupancyKnown {
            // A channel that is told of is told of until its last subscriber has left: who listens is not to believe it empty before.
            interest.isOccupancyKnown = true
            backplane.occupy(interest.name)
        }
        switch (interest.history, rule.history) {
        case (nil, nil): break
        case (let keeper?, let settings?): keeper.use(settings, now: home.now)
        case (nil, let settings?):
            let keeper = ChannelKeeper(interest.name, settings, now: home.now)
            interest.history = keeper
            if interest.isConfirmed { begin(interest, keeper) }
        case (let keeper?, nil): endHistory(interest, keeper)
        }
    }

    /// What was held back for a read is delivered now, in its order: nothing that is published from now on waits for it. Reads that
    /// are under way find that their keeper is not the channel's any more.
    private func endHistory(_ interest: Interest, _ keeper: ChannelKeeper) {
        interest.history = nil
        for publication in keeper.tail.takeHeldBack() { deliver(publication, to: interest) }
        refuse(keeper.takeWaiting(), keeper, .medium("the channel has no history any more"))
        if healing != nil { settled(keeper.name) }
    }
}

extension ChannelRules {
    var keepHistory: Bool { rules.contains { $0.history != nil } }
    var havePresence: Bool { rules.contains { $0.presence != nil } }
    var tellOccupancy: Bool { rules.contains { $0.isOccupancyKnown } }
}
