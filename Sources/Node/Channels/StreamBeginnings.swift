import Backplane
import Codec

/// Where event streams begin. The reply says so, in an id of its own, so that a client whose stream breaks before the first
/// event comes back with a position and misses nothing. Until it is known the reply waits, and what is published meanwhile
/// is kept for the session, as it is for a client that logs in with a command (`Connecting`).
extension Channels {
    /// A position that leads nowhere: whoever comes back with it is told that it lost something.
    static var nowhere: Position { Position(epoch: 0, offset: .zero) }

    /// Whether a session is an event stream that waits for the places of its channels.
    func isOpeningStream(_ slot: UInt32) -> Bool {
        extras(slot)?.connecting != nil && session(slot).pointee.phase == .opening
    }

    /// Whether a session is told where it begins in a channel, outside of a reply.
    func needsBeginning(_ channel: ShardChannel, _ slot: UInt32) -> Bool {
        session(slot).pointee.traits.recovery == .stream && channel.rule.history != nil
            && !channel.name.isReserved
    }

    /// All channels of a session are confirmed: asks where those begin that keep history.
    ///
    /// - Returns: Whether the session opens later, when that is known.
    func placeStream(_ slot: UInt32) -> Bool {
        guard session(slot).pointee.traits.recovery == .stream, extras(slot)?.connecting == nil else {
            return false
        }
        let kept = keptChannels(slot)
        guard !kept.isEmpty else { return false }
        makeExtras(slot).connecting = Connecting(reply: .none, unconfirmed: kept.count, isAsked: true)
        for channel in kept { askBeginning(slot, channel, .none) }
        return true
    }

    private func keptChannels(_ slot: UInt32) -> [ShardChannel] {
        let subscriptions = session(slot).pointee.subscriptions
        return (0..<subscriptions.count).compactMap { index in
            byIndex[Int(subscriptions[index].channel)].flatMap { needsBeginning($0, slot) ? $0 : nil }
        }
    }

    /// Whether an id that names one channel says all there is to say of the stream.
    func keepsOnlyOne(_ slot: UInt32) -> Bool { keptChannels(slot).count == 1 }

    /// It is known where one of the channels begins, or that nobody can tell.
    func beginStream(_ slot: UInt32, _ channel: ShardChannel, _ answer: BeginningAnswer, _ since: SeenPosition?) {
        var beginning = beginning(answer, since, channel, slot)
        if beginning == nil {
            if since != nil { context.counters.unrecovered += 1 }
            beginning = .init(position: Self.nowhere, isRecovered: since == nil ? nil : false, missed: [])
        }
        admittance.confirmedWhileConnecting(slot, channel.name, beginning)
    }

    /// Writes what an event stream begins with: what the client missed, or that it is lost; what came while it was opened; and
    /// where it is then.
    func writeBeginning(_ slot: UInt32, _ stream: Connecting?, to writer: ByteWriter) {
        let variant = session(slot).pointee.variant
        guard variant.traits.recovery == .stream else { return }
        var places: [(channel: ChannelName, position: Position)] = []
        for channel in keptChannels(slot) {
            let position: Position
            if let ready = stream?.ready[channel.name] {
                position = writeBeginning(slot, channel, ready, to: writer)
            } else if stream == nil, pendingSubscription(slot, channel)?.since != nil {
                // The node is isolated. The client keeps the place it knows, until it is told another one.
                return
            } else {
                position = Self.nowhere
            }
            places.append((channel.name, position))
        }
        let own = id(of: slot)
        for publication in stream?.late ?? [] {
            if publication.extras?.except.contains(own) != true {
                io.writePublications([publication], for: slot, to: writer)
            }
            guard let position = publication.position,
                let index = places.firstIndex(where: { $0.channel == publication.channel })
            else { continue }
            places[index].position = position
        }
        variant.write(.positions(places), to: writer)
    }

    func writeBeginning(
        _ slot: UInt32, _ channel: ShardChannel, _ beginning: Outcome.Beginning?, to writer: ByteWriter
    ) -> Position {
        let variant = session(slot).pointee.variant
        guard let beginning else {
            // Some of it was lost while the session was opened.
            context.counters.lostAnnouncements += 1
            variant.write(.lost(channel.name, at: nil), to: writer)
            return Self.nowhere
        }
        io.writePublications(beginning.missed, for: slot, to: writer)
        if beginning.isRecovered == false, !channel.rule.isCache {
            variant.write(.lost(channel.name, at: nil), to: writer)
        }
        return beginning.missed.last?.position ?? beginning.position
    }

    /// A stream was opened before it was known where a channel begins: it is told afterwards. If more came meanwhile than can
    /// be kept for it, what it did not get is lost.
    ///
    /// - Parameter isAsked: Whether the question is under way.
    func askPlaceLate(_ slot: UInt32, _ channel: ShardChannel, isAsked: Bool) {
        if isAsked {
            let extras = extras(slot)
            if extras?.pending[channel.index]?.since == nil { extras?.pending[channel.index]?.since = .unknown }
        } else if channel.interest == .confirmed {
            askBeginning(slot, channel, .none)
        }
    }
}
