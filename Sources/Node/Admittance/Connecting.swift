import Codec

/// A client that has logged in, and whose channels are not confirmed yet; or an event stream of which it is not known yet
/// where its channels begin (`ShardStream`).
struct Connecting {
    /// None of a stream.
    let reply: ReplyID
    var channels: [ChannelName] = []
    var unconfirmed = 0
    /// All of them have been asked for.
    var isAsked = false
    /// Channels that are confirmed, and where they begin if they have history. They are joined after the reply, for a client
    /// understands nothing before it;
    var ready: [ChannelName: Outcome.Beginning?] = [:]
    /// what comes for them meanwhile follows it.
    var late: [Publication] = []
    /// Bytes that the reply and what follows it will have, at the most: counted as waiting for the session already.
    var replyBytes = 0
}

/// From a `connect` that was granted to its reply: channels given by the token, and the user's own, are confirmed first,
/// so that nothing published after the reply is missed.
extension Admittance {
    func connected(_ slot: UInt32, _ reply: ReplyID, _ credentials: Credentials?) {
        let session = session(slot)
        guard session.pointee.phase == .open, session.pointee.machine.awaitsLogin else {
            return fault("a session connects that did not ask for it")
        }
        session.pointee.machine.loginAccepted()
        let extras = makeExtras(slot)
        if !context.gatekeeper.asksApplicationAgain { extras.handshake = nil }
        var names: [ChannelName] = []
        extras.connecting = Connecting(reply: reply)
        let known = extras.known
        extras.known = [:]
        let wanted = extras.wanted
        extras.wanted = []
        let given = (credentials?.channels ?? []) + (credentials?.userChannel.map { [$0] } ?? [])
        for name in given + hubChannels(slot).filter({ !given.contains($0) }) {
            extras.connecting?.unconfirmed += 1
            do {
                try channels.subscribe(slot, to: name, .init(isGranted: true, since: known[name]))
                if !name.isReserved { names.append(name) }
            } catch {
                // Too many: the client is told which it has.
                extras.connecting?.unconfirmed -= 1
            }
        }
        for name in wanted where !names.contains(name) {
            extras.connecting?.unconfirmed += 1
            do {
                try channels.subscribe(slot, to: name, .init(since: known[name]))
                names.append(name)
            } catch {
                // It may not have this one.
                extras.connecting?.unconfirmed -= 1
            }
        }
        askForGroups(slot)
        extras.connecting?.channels = names
        extras.connecting?.isAsked = true
        // While the node is isolated nobody can confirm anything, and clients are welcome all the same.
        if extras.connecting?.unconfirmed == 0 || !channels.areReached(slot) {
            finishConnecting(slot)
        } else {
            io.suspendInput(slot)
            arm(.connect, slot)
        }
    }

    /// What every client of the session's hub is subscribed to.
    private func hubChannels(_ slot: UInt32) -> [ChannelName] {
        session(slot).pointee.machine.hub.flatMap { context.settings.hubs.rule($0) }.map { [$0.everyone] } ?? []
    }

    /// One of the channels that `connect` waits for is held, and it is known where it begins.
    func confirmedWhileConnecting(_ slot: UInt32, _ name: ChannelName, _ beginning: Outcome.Beginning?) {
        guard let extras = extras(slot), let waiting = extras.connecting else { return }
        extras.connecting?.ready[name] = .some(beginning)
        channels.byName[name]?.arriving.insert(slot)
        extras.connecting?.unconfirmed = waiting.unconfirmed - 1
        if waiting.unconfirmed == 1, waiting.isAsked { finishConnecting(slot) }
    }

    /// Publications kept for one client at the most; then it is told at once.
    private static var latePublications: Int { 256 }

    /// A publication came: those who are about to be told that they are subscribed get it afterwards.
    func keepForConnecting(_ publication: Publication, _ channel: ShardChannel) {
        var full: [UInt32] = []
        for slot in channel.arriving {
            let bytes = PublicationEncoder.maximumBytes(publication, as: session(slot).pointee.variant)
            guard let extras = extras(slot), let waiting = extras.connecting,
                waiting.late.count < Self.latePublications,
                bytes <= io.room(for: slot) - waiting.replyBytes
            else {
                full.append(slot)
                continue
            }
            reserve(bytes, slot)
            extras.connecting?.late.append(publication)
        }
        // Those for whom there was no room join before the publication is handed out, and get it like everybody else.
        for slot in full { finishConnecting(slot) }
    }

    /// Counts bytes that a session will be sent with the reply to its `connect`.
    func reserve(_ bytes: Int, _ slot: UInt32) {
        guard let extras = extras(slot), extras.connecting != nil else { return }
        extras.connecting?.replyBytes += bytes
        io.outboundBytes += bytes
    }

    /// A session waits for the reply to its `connect` no longer.
    func takeConnecting(_ slot: UInt32) -> Connecting? {
        guard let extras = extras(slot), let waiting = extras.connecting else { return nil }
        extras.connecting = nil
        io.outboundBytes -= waiting.replyBytes
        for name in waiting.ready.keys { channels.byName[name]?.arriving.remove(slot) }
        return waiting
    }

    /// What opens a session to commands that come in requests of their own; nil for one that gets none.
    private func commandKey(_ slot: UInt32) -> CommandKey? {
        let traits = session(slot).pointee.traits
        guard traits.takesCommandRequests, !traits.isFoundByID else { return nil }
        let secret = SessionID.Secret.random(using: &random)
        makeExtras(slot).commandSecret = secret
        return CommandKey(node: node, locator: locator(of: slot).value, secret: secret)
    }

    private func joinWhatIsReady(_ slot: UInt32, _ waiting: Connecting) {
        let own = id(of: slot)
        io.send(slot) { writer in
            io.writePublications(waiting.late.filter { $0.extras?.except.contains(own) != true }, for: slot, to: writer)
        }
        for name in waiting.ready.keys {
            guard let channel = channels.byName[name],
                let index = session(slot).pointee.subscriptions.index(of: channel.index),
                session(slot).pointee.subscriptions[index].rosterIndex == Channels.notInRoster
            else { continue }
            channels.join(slot, channel)
        }
    }

    func finishConnecting(_ slot: UInt32) {
        let isStream = channels.isOpeningStream(slot)
        guard let waiting = takeConnecting(slot) else { return }
        if isStream { return openStream(slot, waiting) }
        io.tell(
            slot,
            .connected(
                .init(
                    client: id(of: slot), version: context.settings.version,
                    ping: UInt32(clamping: context.settings.pingInterval.components.seconds),
                    timeToLive: timeToLive(credentials(slot)?.expiresAt),
                    channels: waiting.channels.map { ($0, waiting.ready[$0] ?? nil) }, key: commandKey(slot))),
            for: waiting.reply)
        // Messages of what is spoken from here on can be taken apart; the answer to the greeting is none.
        if session(slot).pointee.linkage == .polled, io.repliesFor == slot { io.sendGathered() }
        if let extras = extras(slot), extras.wantsCounting {
            extras.wantsCounting = false
            life.beginCounting(slot)
            for (name, beginning) in waiting.ready {
                guard let beginning, let channel = channels.byName[name] else { continue }
                let late = waiting.late.last { $0.channel == name && $0.position != nil }
                life.begins(slot, channel, at: late?.position ?? beginning.position)
            }
        } else if session(slot).pointee.linkage == .undecided {
            session(slot).pointee.linkage = .plain
            request(.opened(session(slot).pointee.secret, locator(of: slot)))
        }
        if events.wants(.sessionOpened) { noteOpened(slot) }
        tellUpstream(slot, .connected)
        joinWhatIsReady(slot, waiting)
        channels.joinEverybody(slot)
        life.beginLiveness(slot)
        tidyExtras(slot)
        io.resumeInput(slot)
        serverCommands.sessionSettled(slot, isOpen: true)
    }
}
