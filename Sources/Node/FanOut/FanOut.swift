import Codec
import Reactor

/// Fan-out: publications become backlog, backlog becomes passes, passes go over the rosters in slices.
final class FanOut: ShardPart, @unchecked Sendable {
    /// Channels with a backlog or a running pass, in the order in which they take turns.
    private var queue: [ShardChannel] = []
    private var queueStart = 0
    /// How many channels have a backlog for which publishers wait.
    private(set) var backlogged = 0
    /// Subscriptions that lost publications in this slice and begin anew, because their clients can read them again.
    var lagging: [(locator: Locator, channel: UInt32)] = []
    /// Publishers that are not read from until the node is linked again.
    var waitingForLink: [Locator] = []
    /// Bytes of publications that are kept to make deltas of.
    var deltaBytes = 0
    /// Where a delta is made.
    let deltaWriter = ByteWriter(capacity: 4096)

    // Whom it calls; the shard makes all of them and owns them.
    unowned(unsafe) private(set) var io: SessionIO!
    unowned(unsafe) private(set) var channels: Channels!
    unowned(unsafe) private(set) var admittance: Admittance!

    func attach(io: SessionIO, channels: Channels, admittance: Admittance) {
        self.io = io
        self.channels = channels
        self.admittance = admittance
    }

    /// The link came up, or has room. Whoever is still cut off waits again when it publishes.
    func goOn() {
        let waiting = waitingForLink
        waitingForLink = []
        resume(waiting)
    }

    /// Sessions served between two looks at the clock.
    static var sliceSessions: Int { 64 }

    /// Publications judged for filters between two looks at the clock.
    static var sliceVerdicts: Int { 256 }

    /// How long the passes of one turn may take before the reactor looks at its sockets again.
    static var turnBudget: Duration { .milliseconds(1) }

    func delivered(_ publication: Publication) {
        if let fence = publication.extras?.fence {
            if let channel = channels.byName[publication.channel] { channels.fencePassed(fence, channel) }
            return
        }
        context.counters.publications += 1
        if publication.channel.isReserved, publication.channel.isConnection { return deliverToConnection(publication) }
        // Nobody here any more: the exchange will hear of it.
        guard let channel = channels.byName[publication.channel] else { return }
        if !channel.arriving.isEmpty {
            admittance.keepForConnecting(publication, channel)
        }
        if channel.backlogBytes + publication.weight > ShardChannel.maximumBacklogBytes {
            guard channel.kind != .kept else { return overrun(channel) }
            shorten(channel)
            guard channels.byName[publication.channel] === channel else { return }
        }
        channel.nextSequence &+= 1
        if let position = publication.position { channel.lastPosition = position }
        channel.backlog.append(publication)
        let before = channel.backlogBytes
        channel.backlogBytes += publication.weight
        if before < ShardChannel.pausingBytes, channel.backlogBytes >= ShardChannel.pausingBytes { backlogged += 1 }
        enqueue(channel)
    }

    private func enqueue(_ channel: ShardChannel) {
        guard !channel.isQueued else { return }
        channel.isQueued = true
        queue.append(channel)
    }

    private func deliverToConnection(_ publication: Publication) {
        guard let id = SessionID(connectionChannel: publication.channel), let slot = find(id),
            session(slot).pointee.phase == .open
        else { return }
        context.counters.deliveries += 1
        io.send(slot) { io.writePublications([publication], for: slot, to: $0) }
    }

    /// Publications came faster than the passes could send them for so long that memory would run out. Dropping some
    /// silently is not an option, so the subscribers here are told in the one way every dialect has: they are
    /// disconnected as slow, with a reason that says reconnect.
    private func overrun(_ channel: ShardChannel) {
        context.counters.backlogOverruns += 1
        context.counters.publicationsOverrun += UInt64(channel.backlog.count) + 1
        let before = channel.backlogBytes
        channel.backlog = []
        channel.backlogBytes = 0
        noteBacklog(of: channel, before: before)
        channel.rosters.forEach { io.markSlow($0.slot) }
    }

    /// Goes on with the passes until the turn's time is used.
    ///
    /// - Returns: Whether something is left to do.
    func runPasses() -> Bool {
        guard queueStart < queue.count else { return false }
        let deadline = MonotonicTime.now() + Self.turnBudget
        repeat {
            let channel = queue[queueStart]
            queueStart += 1
            if serve(channel) {
                // Its next slice comes after everybody else's.
                queue.append(channel)
            } else {
                channel.isQueued = false
            }
            io.flushDirty()
            if queueStart == queue.count {
                queue.removeAll(keepingCapacity: queue.count <= 4096)
                queueStart = 0
                return false
            }
        } while MonotonicTime.now() < deadline
        if queueStart >= 1024 {
            queue.removeFirst(queueStart)
            queueStart = 0
        }
        return true
    }

    /// Serves one slice of a channel.
    ///
    /// - Returns: Whether the channel wants another turn.
    private func serve(_ channel: ShardChannel) -> Bool {
        guard channel.pass != nil || !channel.backlog.isEmpty else { return false }
        let pass = channel.pass ?? beginPass(of: channel)
        while let entries = channel.rosters.entries, pass.variant < channel.rosters.count {
            let entry = entries + pass.variant
            if entry.pointee.roster.isServed {
                pass.variantServed()
                continue
            }
            let isDelta = entry.pointee.form == .deltas
            let encoded = pass.encoded ?? encode(pass, for: entry.pointee.variant, isDelta: isDelta)
            switch entry.pointee.form {
            case .all:
                let slice = entry.pointee.roster.takeSlice(most: Self.sliceSessions)
                if pass.exceptions.isEmpty {
                    deliver(encoded, of: pass, to: slice, of: entry.pointee.roster.entries)
                } else {
                    deliverWithExceptions(encoded, of: pass, to: slice, of: entry.pointee.roster.entries)
                }
            case .deltas:
                let slice = entry.pointee.roster.takeSlice(most: Self.sliceSessions)
                deliverDeltas(encoded, of: pass, to: slice, of: entry)
            case .filtered:
                // Each of them may have a filter of its own, which is judged for each publication.
                let most = max(1, min(Self.sliceSessions, Self.sliceVerdicts / max(1, encoded.ends.count)))
                let slice = entry.pointee.roster.takeSlice(most: most)
                deliverFiltered(encoded, of: pass, in: channel, to: slice, of: entry)
            }
            return true
        }
        endPass(of: channel)
        return !channel.backlog.isEmpty
    }

    private func encode(_ pass: Pass, for variant: Variant, isDelta: Bool) -> Pass.Encoded {
        let keepsEnds = pass.kind == .latest
        guard isDelta else {
            return pass.encode(for: variant, packing: context.packing, with: writer, keepsEnds: keepsEnds)
        }
        let encoded = pass.encodeDeltas(
            for: variant, most: context.settings.deltaBytes, packing: context.packing, scratch: deltaWriter,
            with: writer, keepsEnds: keepsEnds)
        context.counters.deltasMade &+= UInt64(encoded.deltas)
        context.counters.deltasNotMade &+= UInt64(encoded.ends.count - encoded.deltas)
        return encoded
    }

    private func beginPass(of channel: ShardChannel) -> Pass {
        let before = channel.backlogBytes
        let (publications, first) = channel.takeBatch()
        context.counters.passes += 1
        noteBacklog(of: channel, before: before)
        let needsForms = channel.filters != nil || channel.rosters.hasDeltas
        let pass = Pass(
            publications: publications, firstSequence: first, kind: channel.kind(of: publications),
            channel: channel.index, reactor: UInt8(index), node: node, lastEpoch: channel.lastEpoch,
            forms: needsForms ? PassForms(base: channel.base) : nil, fences: channel.fences)
        if let position = publications.last(where: { $0.position != nil })?.position {
            channel.lastEpoch = position.epoch
        }
        if needsForms {
            channel.filters?.beginBatch()
            keepBase(of: channel, publications, from: first)
        }
        channel.rosters.beginPass()
        channel.pass = pass
        return pass
    }

    /// The backlog became shorter: those who waited for that go on.
    func noteBacklog(of channel: ShardChannel, before: Int) {
        guard before >= ShardChannel.pausingBytes, channel.backlogBytes < ShardChannel.pausingBytes else { return }
        backlogged -= 1
        resumePublishers(of: channel)
    }

    private func endPass(of channel: ShardChannel) {
        let end = channel.pass?.end
        channel.pass = nil
        channel.rosters.endPass()
        if !channel.fences.isEmpty, let end { channels.passEnded(channel, at: end) }
        if channel.base != nil, !channel.rosters.hasDeltas { forgetBase(of: channel) }
    }
}
