import Codec
import Reactor

/// The command connection: who we are, and what its replies are about. Everything is pipelined and sent once per turn; the
/// replies are told apart by their order.
extension RedisServer {
    func connected(_ connection: RedisConnection) {
        let writer = output
        writer.removeAll()
        if let password = configuration.password {
            RESPWriter.login(configuration.user, password, to: writer)
            if connection === commands {
                replies.append(.authenticated)
            } else {
                subscriberReplies.append(.authenticate)
            }
        }
        if configuration.database != 0, connection === commands {
            RESPWriter.command("SELECT", "\(configuration.database)", to: writer)
            replies.append(.selected)
        }
        // Redis takes a name without spaces only; ours may have any.
        let clientName = String(owner.name.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") ? $0 : "_" })
        RESPWriter.command("CLIENT", "SETNAME", "carillon-\(clientName)-\(connection.role.rawValue)", to: writer)
        if connection === commands {
            replies.append(.named)
            prepareScripts(writer)
            RESPWriter.command("ROLE", to: writer)
            replies.append(.role)
            owner.layout.connected()
            RESPWriter.command([Array("GET".utf8), names.stored], to: writer)
            replies.append(.layout)
            connection.write(writer.bytes)
        } else {
            subscriberReplies.append(.name)
            connection.write(writer.bytes)
            subscriberConnected()
        }
    }

    func received(_ value: RESPValue, on connection: RedisConnection) {
        if connection === subscriber { return receivedBySubscriber(value) }
        if case .integer = value, let ticket = replies.nextPublish() {
            counts.published &+= 1
            receiver?.published(ticket, .accepted(nil))
            return sendPaced()
        }
        guard let expected = replies.next() else {
            return commands.fail("Redis sent a reply that belongs to no command")
        }
        if case .keep(let batch) = expected { pacing.answered(batch.count) }
        defer {
            sendPaced()
            if !owner.held.isEmpty { owner.reviewHolds() }
        }
        if !state.takesCommands, case .error(let text) = value, Self.isBusy(text) {
            switch expected {
            case .outbox(let call): call.completion(.failure(.medium(text)))
            case .session(let call): call.completion(.failure(.medium(text)))
            case .markAge(let completion): completion(.failure(.medium(text)))
            case .call(_, let completion): completion(value)
            default: break
            }
            return greetAgain(commands, text)
        }
        if isInCluster, case .error(let text) = value, isRedirected(expected, text) { return }
        if let script = expected.calls, isScriptMissing(script, expected, value) { return }
        switch (expected, value) {
        case (.publish(let ticket), .error(let text)): owner.refuse(ticket, .medium(text))
        case (.publish(let ticket), _): owner.refuse(ticket, .medium("Redis sent an unexpected reply"))
        case (.plain(let waiting), .integer):
            counts.published &+= 1
            receiver?.published(waiting.ticket, .accepted(nil))
        case (.plain(let waiting), .error(let text)): owner.refuse(waiting.ticket, .medium(text))
        case (.plain(let waiting), _): owner.refuse(waiting.ticket, .medium("Redis sent an unexpected reply"))
        case (.keep(let batch), _): kept(batch, value)
        case (.clusterInfo, _): clusterEpoch = ClusterReport.epoch(of: value)
        case (.read(let query, let completion), _): completion(page(query, value))
        case (.markLost(let completion), _): lostPositions(value, completion)
        case (.removal(let completion), _): removed(value, completion)
        case (.script(let script), _): objected(scripts.loaded(script, value))
        case (.presence(let reply), _): owner.answered(reply, value)
        case (.revocation(let reply), _): owner.answered(reply, value, at: self)
        case (.userGroups(let call), _): owner.answered(call, value)
        case (.outbox(let call), _): call.completion(OutboxReply.answer(value, to: call.request))
        case (.session(let call), _): call.completion(SessionRecordReply.answer(value, to: call.request))
        case (.markAge(let completion), _): completion(SessionRecordReply.age(value))
        case (.identity, _):
            objected(scripts.identified(value, failover: commands.address?.failover ?? clusterEpoch))
            owner.compareVersions()
        case (.authenticated, .error(let text)):
            commands.fail("Redis at \(addressText) refused the password: \(text)")
        case (.selected, .error(let text)):
            commands.fail("Redis at \(addressText) refused database \(configuration.database): \(text)")
        case (.role, .array(let elements)):
            receivedRole(elements)
        case (.role, .error(let text)):
            commands.fail("Redis at \(addressText) is not ready: \(text)")
        case (.layout, _): receivedLayout(value)
        case (.layoutStored(let layout), _): layoutStored(layout, value)
        case (.shards, _): receivedShards(value)
        case (.call(_, let completion), _): completion(value)
        case (.count, .integer(let receivers)): counted(receivers)
        case (.beat, .error(let text)):
            // The beat will not come back, and that counts.
            refusedEverySecond("Redis at \(addressText) refuses to publish: \(text)")
        case (.lease, .error(let text)):
            // It takes no writes. What is published gets through all the same.
            refusedEverySecond(
                "Redis at \(addressText) refuses to write the lease of this node, and so presence and history: \(text)")
        default:
            break
        }
    }

    /// Redis is there and cannot answer now: a script blocks it, or it reads its file (BUSY, LOADING).
    static func isBusy(_ text: String) -> Bool { text.hasPrefix("BUSY ") || text.hasPrefix("LOADING ") }

    /// Says who we are again after a while, on the same connection: connecting anew would not help.
    func greetAgain(_ connection: RedisConnection, _ text: String) {
        owner.failed("Redis at \(addressText) is busy: \(text)", at: self)
        guard !connection.isWaitingToGreet else { return }
        connection.isWaitingToGreet = true
        let since = connection.connectedAt
        home.schedule(after: Self.busyPause) { [self] in
            connection.isWaitingToGreet = false
            guard self.state.isRunning, connection.isOpen, connection.connectedAt == since else { return }
            self.connected(connection)
        }
    }

    static var busyPause: Duration { .milliseconds(500) }

    /// Redis refuses what the node does every second: logged now and then.
    private func refusedEverySecond(_ reason: String) {
        guard link.isUp else { return owner.failed(reason, at: self) }
        guard said.isDue(.refusedBeat, now: home.now) else { return }
        receiver?.happened(.warning, reason)
    }

    private func objected(_ why: String?) {
        guard let why else { return }
        receiver?.happened(.error, "history is not available with Redis at \(addressText): \(why)")
    }

    private func receivedRole(_ elements: [RESPValue]) {
        let role = elements.first?.text ?? "nothing"
        guard role == "master" else {
            return commands.fail("Redis at \(addressText) says it is a \(role), and only a master can join nodes")
        }
    }

    /// The command connection is gone: what was sent and not answered goes back to whoever waits for it.
    func commandsLost() {
        state.commandsLost()
        beats.commandsLost()
        var again: [PublishBuffer.Waiting] = []
        for expected in replies.takeAll() {
            // Nobody knows whether these were carried out, and publishing again could double them; but not those that
            // have a key to know them by.
            switch expected {
            case .publish(let ticket): owner.refuse(ticket, .unknown)
            case .plain(let waiting): owner.refuse(waiting.ticket, .unknown)
            case .keep(let batch):
                for waiting in batch {
                    if waiting.publication.extras?.idempotencyKey == nil {
                        owner.refuse(waiting.ticket, .unknown)
                    } else if !owner.isHeld(waiting, from: self) {
                        again.append(waiting)
                    }
                }
            case .read(_, let completion): completion(.failure(.isolated))
            case .markLost(let completion): completion(.failure(.isolated))
            case .removal(let completion): completion(.failure(.isolated))
            case .presence(let reply): owner.unanswered(reply)
            case .revocation(let reply): reply.failed(.isolated)
            case .userGroups(let call): call.completion(.failure(.isolated))
            case .outbox(let call): call.completion(.failure(.unknown))
            case .session(let call): call.completion(.failure(.unknown))
            case .markAge(let completion): completion(.failure(.isolated))
            case .call(_, let completion): completion(nil)
            default: break
            }
        }
        let unsent = pacing.takeAll()
        let rejected = buffer.putBack(again + unsent, now: home.now)
        // The newest had no room; those that were never sent are the newest.
        for (addressText, waiting) in rejected.reversed().enumerated() {
            owner.refuse(waiting.ticket, addressText < unsent.count ? .bufferFull : .unknown)
        }
        if !state.isRunning { for waiting in buffer.takeAll() { owner.publishElsewhere(waiting) } }
        owner.waitingChanged()
    }
}
