import Codec

/// What clients are told whose publications are gone for good.
extension Channels {
    /// Publications are gone for good: whoever counts on this channel is told, in the way its dialect has for it.
    ///
    /// - Parameter top: What follows it is not lost, as far as it is known.
    func lost(_ name: ChannelName, at top: Position?) {
        guard let channel = byName[name] else { return }
        var told: [Locator] = []
        channel.rosters.forEach { told.append(locator(of: $0.slot)) }
        context.counters.lostAnnouncements += UInt64(told.count)
        // Those who are just connecting know nothing yet that they could count on.
        for slot in channel.arriving { extras(slot)?.connecting?.ready[name] = .some(nil) }
        for locator in told {
            guard let session = context.table.find(locator.slot, generation: locator.generation),
                session.pointee.phase == .open
            else { continue }
            tellLost(locator.slot, name, at: top)
        }
    }

    /// A client is told that it lost publications, in the way its dialect has for it.
    func tellLost(_ slot: UInt32, _ name: ChannelName, at position: Position? = nil) {
        switch session(slot).pointee.traits.loss {
        case .endsSubscription: tellIncomplete(slot, name)
        case .endsSession: life.end(slot, .lost(name))
        case .isAnnounced: io.tell(slot, .lost(name, at: position))
        }
    }

    /// A client has to begin anew in a channel: by itself where it subscribed by itself, else by reconnecting.
    private func tellIncomplete(_ slot: UInt32, _ name: ChannelName) {
        let isGiven = byName[name].map { serverCommands.isGiven(slot, $0) } ?? false
        if isGiven || credentials(slot)?.channels.contains(name) ?? false {
            life.end(slot, .lost(name))
        } else {
            endSubscription(slot, name, .insufficientState)
        }
    }
}
