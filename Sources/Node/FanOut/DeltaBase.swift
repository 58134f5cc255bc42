package import Codec

/// The publication of a channel that the next one may be a delta of.
package final class DeltaBase {
    /// The publication without what is told beside its payload.
    package let publication: Publication
    /// Its number among those that arrived here: whoever joined after it does not know it.
    package let sequence: UInt64

    package init(_ publication: Publication, sequence: UInt64) {
        self.publication = Publication(
            channel: publication.channel, kind: publication.kind, payload: publication.payload,
            origin: publication.origin)
        self.sequence = sequence
    }

    package var bytes: Int { publication.payload.count }
}

extension FanOut {
    /// Keeps the last publication of a batch for the next one, where somebody takes deltas of it and there is room.
    func keepBase(of channel: ShardChannel, _ batch: [Publication], from first: UInt64) {
        guard channel.rosters.hasDeltas else { return forgetBase(of: channel) }
        // Changes of presence are between publications and no part of the chain.
        guard let last = batch.lastIndex(where: { $0.extras?.change == nil }) else { return }
        forgetBase(of: channel)
        let bytes = batch[last].payload.count
        guard bytes <= context.settings.deltaBytes, deltaBytes + bytes <= context.settings.reactorDeltaBytes else {
            context.counters.deltaLimitHits += 1
            return
        }
        channel.base = DeltaBase(batch[last], sequence: first &+ UInt64(last))
        deltaBytes += bytes
    }

    func forgetBase(of channel: ShardChannel) {
        guard let base = channel.base else { return }
        deltaBytes -= base.bytes
        channel.base = nil
    }

    /// A subscriber did not get the end of the running batch: it has nothing that what follows could be a delta of.
    func breakChain(of channel: ShardChannel, _ slot: UInt32) {
        let session = session(slot)
        guard let pass = channel.pass,
            let index = session.pointee.subscriptions.index(of: channel.index)
        else { return }
        let rosterIndex = session.pointee.subscriptions[index].rosterIndex
        guard let entry = channel.rosters.find(slot, at: rosterIndex, speaking: session.pointee.variant),
            entry.pointee.form == .deltas
        else { return }
        entry.pointee.roster.begin(anew: pass.end, at: Int(rosterIndex))
    }
}
