import Authentication
import Backplane
import Codec
import Reactor

/// Who is present in a channel: what sessions tell of themselves, and what they ask about the others.
extension Shard {
    /// Sessions one reply to a client names at the most.
    static var presentClients: Int { 1000 }

    /// A session has joined a channel.
    func enterPresence(_ slot: UInt32, _ channel: ShardChannel) {
        guard let presence = channel.rule.presence, !channel.name.isReserved else { return }
        let known = credentials(slot)
        request(
            .enter(
                channel.name,
                PresenceMember(session: id(of: slot), user: known?.user.map { Array($0.utf8) }, info: known?.info),
                presence))
    }

    /// A session has left a channel; unless it said so itself, it may be back soon.
    func leavePresence(_ slot: UInt32, _ channel: ShardChannel, place: UInt32, isFinal: Bool) {
        guard channel.rule.presence != nil, place != Self.unplaced, !channel.name.isReserved else { return }
        request(.depart(channel.name, id(of: slot), isFinal: isFinal))
    }

    // MARK: Asking

    func readPresence(_ slot: UInt32, _ command: UInt32, _ name: ChannelName, _ view: PresenceQuery.View) {
        guard mayAsk(slot, command, about: name, .presence, \.presence) != nil else { return }
        request(
            .presence(
                PresenceQuery(channel: name, view: view, limit: Self.presentClients),
                PlaceRequest(
                    reactor: index, slot: slot, generation: session(slot).pointee.generation, command: command,
                    since: nil)))
    }

    func presenceRead(
        _ query: PresenceQuery, _ request: PlaceRequest, _ result: Result<PresencePage, PublishRefusal>
    ) {
        guard let session = table.find(request.slot, generation: request.generation), session.pointee.phase == .open
        else { return }
        switch result {
        case .failure: reply(request.slot, request.command, .internal)
        case .success(let page):
            // A part of the list could be taken for the whole.
            guard query.view == .count || page.clients <= Self.presentClients else {
                counters.presenceLimitHits += 1
                return reply(request.slot, request.command, .limitExceeded)
            }
            writer.removeAll()
            if query.view == .count {
                CentrifugeEncoder.writePresenceStats(
                    request.command, clients: page.clients, users: page.users, to: writer)
            } else {
                CentrifugeEncoder.writePresence(request.command, page.members, to: writer)
            }
            sendWritten(request.slot)
        }
    }
}
