import Backplane
import Codec
import Reactor

/// A session whose node has died, and whose client came back here: it is put together from its record and from the histories of its channels.
///
/// The client has every message up to the one of the record, and an unknown number of those that followed. It ignores what it has by its
/// number. So the messages have to get the numbers that the dead node gave them, and only their order within a channel is known. Where
/// more than one channel had publications since, nobody knows the order, and the session is refused. Where something was sent that no
/// history has, nobody knows what, and it is refused, too.
extension SessionLife {
    /// No node has the session that a client wants to go on with: there may be a record of it.
    func lookForRecord(_ connection: Locator) {
        guard recordsSessions, let session = find(connection), session.pointee.phase == .open,
            let wanted = extras(connection.slot)?.resuming
        else { return found(nil, for: connection) }
        request(.takeRecord(wanted.id, owner: RecordedSession.owner(wanted.variant, wanted.user), connection))
    }

    func recordTaken(_ connection: Locator, _ result: Result<SessionRecordAnswer, PublishRefusal>) {
        guard let session = find(connection), session.pointee.phase == .open,
            let wanted = extras(connection.slot)?.resuming
        else { return }
        guard case .success(.taken(let kept, let age)) = result,
            let record = RecordedSession(kept.body, of: wanted.id)
        else { return found(nil, for: connection) }
        var received = ReceivedMessages(taken: record.taken)
        let names = record.channels.map(\.name)
        guard received.renumber(next: wanted.next), names.contains(.all) else {
            context.counters.rebuildsFailed += 1
            return found(nil, for: connection)
        }
        let resumption = Resumption(isRecorded: true)
        resumption.received = received
        resumption.generation = kept.generation &+ 1
        let arrival = Arrival(
            node: node, fence: .random(in: 1...UInt64.max, using: &random), acknowledged: record.acknowledged,
            open: Set(names), record: record, age: age)
        arrival.unread = Set(record.channels.lazy.filter { $0.place != nil }.map(\.name))
        resumption.arrival = arrival
        arrive(connection, resumption, origin: record.origin, at: names)
    }

    func joinAll(_ slot: UInt32, _ arrival: Arrival) {
        guard arrival.open.remove(.all) != nil else { return }
        channels.joinEverybody(slot)
        lookForMarks(slot, arrival)
    }

    /// A channel is confirmed, and what is published in it from now on comes here: what the client may have missed is read.
    func rebuild(_ slot: UInt32, _ channel: ShardChannel, _ answer: BeginningAnswer?, _ arrival: Arrival) {
        guard let recorded = arrival.record?.channels.first(where: { $0.name == channel.name }),
            arrival.open.remove(channel.name) != nil
        else { return }
        channels.join(slot, channel)
        if let place = recorded.place {
            guard case .at(let top, _, _)? = answer else { return giveUp(slot) }
            extras(slot)?.resumption?.unacknowledged.begin(channel.index, at: top)
            request(
                .readMissed(
                    channel.name, since: place, until: top, most: context.settings.resume.messages, locator(of: slot)))
        } else if channel.rule.history != nil, !channel.name.isReserved {
            // It has history since, and it is not known where the client is in it.
            return giveUp(slot)
        }
        lookForMarks(slot, arrival)
    }

    /// Everything comes here from now on: it is asked whether something came before that no history has.
    private func lookForMarks(_ slot: UInt32, _ arrival: Arrival) {
        guard arrival.open.isEmpty, let record = arrival.record else { return }
        request(.lookForMarks(record.channels.map(\.name) + [.connection(record.origin)], locator(of: slot)))
    }

    /// The clocks by which ages are measured need not agree to the millisecond, and a node may be so far behind.
    private static var markSlack: Int64 { 5000 }

    /// - Parameter youngest: How long ago something was sent that no history has, in milliseconds; nil for never.
    func marked(_ connection: Locator, _ youngest: Result<Int64?, PublishRefusal>) {
        guard find(connection) != nil, let arrival = extras(connection.slot)?.resumption?.arrival else { return }
        guard case .success(let age) = youngest, (age ?? .max) > arrival.age &+ Self.markSlack else {
            context.counters.rebuildsUnkept += 1
            return giveUp(connection.slot)
        }
        arrival.isUnmarked = true
        rebuildIfWhole(connection.slot, arrival)
    }

    /// - Parameter found: What was published in a channel since the client's place in it; nil where that is not known.
    func missedRead(_ connection: Locator, _ name: ChannelName, _ found: [Publication]?) {
        guard find(connection) != nil, let arrival = extras(connection.slot)?.resumption?.arrival,
            arrival.unread.remove(name) != nil
        else { return }
        guard let found else {
            context.counters.rebuildsTooOld += 1
            return giveUp(connection.slot)
        }
        // An id of the session, as it was when this was published.
        let id = session(connection.slot).pointee.secret
        arrival.missed[name] = found.filter { publication in
            publication.extras?.change == nil
                && publication.extras?.except.contains { $0.secret == id } != true
        }
        rebuildIfWhole(connection.slot, arrival)
    }

    private func rebuildIfWhole(_ slot: UInt32, _ arrival: Arrival) {
        guard arrival.unread.isEmpty, arrival.open.isEmpty, arrival.isUnmarked,
            let resumption = extras(slot)?.resumption
        else { return }
        let missed = arrival.missed.values.filter { !$0.isEmpty }
        guard missed.count < 2 else {
            context.counters.rebuildsUnordered += 1
            return giveUp(slot)
        }
        let publications = missed.first ?? []
        let limits = context.settings.resume
        var bytes = 0
        var rest = publications[...]
        while !rest.isEmpty {
            // Blocks as passes would have made them.
            let part = rest.prefix(Self.rebuiltPublications)
            rest = rest.dropFirst(part.count)
            writer.removeAll()
            io.writePublications(Array(part), for: slot, to: writer)
            let messages = FrameWalk.messages(in: writer.bytes)
            bytes += writer.count
            guard messages == part.count, bytes <= limits.bytes,
                io.resumeBytes + bytes <= context.settings.reactorResumeBytes
            else {
                context.counters.resumeLimitHits += 1
                return giveUp(slot)
            }
            arrival.fetched.append((Block(copying: writer.bytes), messages))
        }
        finish(slot, resumption, arrival)
    }

    private static var rebuiltPublications: Int { 64 }
}
