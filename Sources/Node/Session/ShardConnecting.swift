import Codec
import Reactor

/// A centrifuge client that is known, and whose channels are not confirmed yet.
struct Connecting {
    let command: UInt32
    var channels: [ChannelName] = []
    var unconfirmed = 0
    /// Channels that are confirmed, and where they begin if they have history. They are joined after the reply, for a client
    /// understands nothing before it;
    var ready: [ChannelName: CentrifugeEncoder.Place?] = [:]
    /// what comes for them meanwhile follows it.
    var late: [Publication] = []
    var lateBytes = 0
    /// Commands that came meanwhile.
    var commands: [QueuedCommand] = []
}

/// A command that has to wait, with its bytes.
enum QueuedCommand {
    case subscribe(CentrifugeIntent.Subscribe)
    case unsubscribe(UInt32, ChannelName)
    case publish(UInt32, ChannelName, [UInt8])
    case refresh(UInt32, [UInt8])
    case subRefresh(UInt32, ChannelName, [UInt8])
    case history(CentrifugeIntent.History)
    case presence(UInt32, ChannelName, PresenceQuery.View)
    case refuse(UInt32, CentrifugeError)

    init?(_ intent: CentrifugeIntent) {
        switch intent {
        case .subscribe(let subscribe): self = .subscribe(subscribe)
        case .unsubscribe(let id, let channel): self = .unsubscribe(id, channel)
        case .publish(let id, let channel, let data): self = .publish(id, channel, Array(data))
        case .refresh(let id, let token): self = .refresh(id, token)
        case .subRefresh(let id, let channel, let token): self = .subRefresh(id, channel, token)
        case .history(let history): self = .history(history)
        case .presence(let id, let channel, let view): self = .presence(id, channel, view)
        case .refuse(let id, let error): self = .refuse(id, error)
        case .connect, .pong, .send, .disconnect: return nil
        }
    }

    /// The same, for the one place that knows what to do; the bytes are valid during the call.
    func withIntent(_ body: (CentrifugeIntent) -> Void) {
        switch self {
        case .subscribe(let subscribe): body(.subscribe(subscribe))
        case .unsubscribe(let id, let channel): body(.unsubscribe(id: id, channel))
        case .publish(let id, let channel, let data):
            data.withUnsafeBytes { body(.publish(id: id, channel, data: $0)) }
        case .refresh(let id, let token): body(.refresh(id: id, token: token))
        case .subRefresh(let id, let channel, let token): body(.subRefresh(id: id, channel, token: token))
        case .history(let history): body(.history(history))
        case .presence(let id, let channel, let view): body(.presence(id: id, channel, view))
        case .refuse(let id, let error): body(.refuse(id: id, error))
        }
    }
}

/// From a `connect` that was granted to its reply: channels given by the token, and the user's own, are confirmed first,
/// so that nothing published after the reply is missed.
extension Shard {
    func connected(_ slot: UInt32, _ command: UInt32, _ credentials: Credentials?) {
        let session = session(slot)
        let generation = session.pointee.generation
        var channels: [ChannelName] = []
        connecting[slot] = Connecting(command: command)
        let known = knownBefore.removeValue(forKey: slot) ?? [:]
        for name in (credentials?.channels ?? []) + (credentials?.userChannel.map { [$0] } ?? []) {
            connecting[slot]?.unconfirmed += 1
            pendingPast = known[name]
            defer { pendingPast = nil }
            do {
                try subscribe(slot, to: name, command: 0, isGranted: true)
                if !name.isReserved { channels.append(name) }
            } catch {
                // Too many: the client is told which it has.
                connecting[slot]?.unconfirmed -= 1
            }
            guard table.find(slot, generation: generation) != nil else { return }
        }
        connecting[slot]?.channels = channels
        // While the node is isolated nobody can confirm anything, and clients are welcome all the same.
        if connecting[slot]?.unconfirmed == 0 || !isLinked {
            finishConnecting(slot)
        } else {
            session.pointee.flags.insert(.parked)
            updateInterest(slot)
            arm(.connect, slot)
        }
    }

    /// One of the channels that `connect` waits for is held, and it is known where it begins.
    func confirmedWhileConnecting(_ slot: UInt32, _ name: ChannelName, _ place: CentrifugeEncoder.Place?) {
        guard let waiting = connecting[slot] else { return }
        connecting[slot]?.ready[name] = .some(place)
        connecting[slot]?.unconfirmed = waiting.unconfirmed - 1
        // Not while they are still being asked for.
        if waiting.unconfirmed == 1, session(slot).pointee.flags.contains(.parked) { finishConnecting(slot) }
    }

    /// What is kept for one client at the most; then it is told at once.
    private static var latePublications: Int { 256 }
    private static var lateBytes: Int { 256 * 1024 }

    /// A publication came: those who are about to be told that they are subscribed get it afterwards.
    func keepForConnecting(_ publication: Publication) {
        var full: [UInt32] = []
        for slot in connecting.keys where connecting[slot]?.ready[publication.channel] != nil {
            connecting[slot]?.late.append(publication)
            connecting[slot]?.lateBytes += publication.payload.count
            if let waiting = connecting[slot],
                waiting.late.count >= Self.latePublications || waiting.lateBytes >= Self.lateBytes
            {
                full.append(slot)
            }
        }
        for slot in full { finishConnecting(slot) }
    }

    private func joinWhatIsReady(_ slot: UInt32, _ waiting: Connecting) {
        let own = id(of: slot)
        writer.removeAll()
        for publication in waiting.late where publication.extras?.except.contains(own) != true {
            PublicationEncoder.write(publication, as: session(slot).pointee.variant, packing: packing, to: writer)
        }
        sendWritten(slot)
        for name in waiting.ready.keys {
            guard let channel = channels[name],
                let index = session(slot).pointee.subscriptions.index(of: channel.index),
                session(slot).pointee.subscriptions[index].place == Self.unplaced
            else { continue }
            join(slot, channel)
        }
    }

    func finishConnecting(_ slot: UInt32) {
        guard let waiting = connecting.removeValue(forKey: slot) else { return }
        let session = session(slot)
        let generation = session.pointee.generation
        writer.removeAll()
        CentrifugeEncoder.writeConnected(
            waiting.command, client: id(of: slot), version: settings.version,
            ping: UInt32(clamping: settings.pingInterval.components.seconds), pong: true,
            ttl: timeToLive(credentials(slot)?.expiresAt),
            channels: waiting.channels.map { ($0, waiting.ready[$0] ?? nil) }, to: writer)
        sendWritten(slot)
        guard table.find(slot, generation: generation) != nil, session.pointee.phase == .open else { return }
        joinWhatIsReady(slot, waiting)
        joinEverybody(slot)
        arm(.ping, slot)
        perform(waiting.commands, slot)
        guard table.find(slot, generation: generation) != nil, session.pointee.phase == .open,
            session.pointee.flags.contains(.parked)
        else { return }
        session.pointee.flags.remove(.parked)
        updateInterest(slot)
    }

    /// Whether a command has to wait until its session is connected; then it is kept.
    func keptForLater(_ intent: CentrifugeIntent, _ slot: UInt32) -> Bool {
        // Nobody is read from meanwhile, so this holds what one read brought at most.
        if connecting[slot] != nil {
            if let command = QueuedCommand(intent) { connecting[slot]?.commands.append(command) }
            return true
        }
        if judging[slot] != nil {
            if let command = QueuedCommand(intent) { judging[slot]?.commands.append(command) }
            return true
        }
        return false
    }

    func perform(_ commands: [QueuedCommand], _ slot: UInt32) {
        let generation = session(slot).pointee.generation
        for command in commands {
            guard let session = table.find(slot, generation: generation), session.pointee.phase == .open else { return }
            command.withIntent { perform($0, slot, session) }
        }
    }
}
