import Codec

/// Publishers that are too fast: they are not read from until what is behind has caught up.
extension FanOut {
    /// Stops reading from a publisher that is ahead of the link, or of its channel's passes here, so that TCP slows it
    /// down.
    func throttle(_ slot: UInt32, _ name: ChannelName) {
        if context.reach.isCongested(for: name) { return pauseUntilLinked(slot) }
        guard backlogged > 0, let channel = channels.byName[name], channel.backlogBytes >= ShardChannel.pausingBytes,
            !session(slot).pointee.flags.contains(.paused),
            session(slot).pointee.phase == .open
        else { return }
        context.counters.publishersPaused += 1
        session(slot).pointee.flags.insert(.paused)
        channel.paused.append(locator(of: slot))
        io.updateInterest(slot)
    }

    /// Stops reading from a publisher of a dialect without replies while the node is isolated: what it sends waits in
    /// its own socket instead of being refused unheard.
    func pauseUntilLinked(_ slot: UInt32) {
        guard !session(slot).pointee.flags.contains(.paused), session(slot).pointee.phase == .open else { return }
        context.counters.publishersPaused += 1
        session(slot).pointee.flags.insert(.paused)
        waitingForLink.append(locator(of: slot))
        io.updateInterest(slot)
    }

    func resumePublishers(of channel: ShardChannel) {
        resume(channel.paused)
        channel.paused = []
    }

    func resume(_ paused: [Locator]) {
        for locator in paused {
            guard let session = context.table.find(locator.slot, generation: locator.generation) else { continue }
            session.pointee.flags.remove(.paused)
            io.updateInterest(locator.slot)
        }
    }
}
