package import Codec
import Reactor

/// The command connection: who we are, what is published, beats and leases. Everything is pipelined and sent once per
/// turn; the replies are told apart by their order.
extension RedisBackplane {
    @inline(__always)
    func send(_ expected: ReplyQueue.Expected, _ write: (ByteWriter) -> Void) {
        output.removeAll()
        write(output)
        replies.append(expected)
        commands.write(output.bytes)
    }

    func connected(_ connection: RedisConnection) {
        let writer = output
        writer.removeAll()
        if let password = configuration.password {
            RESPWriter.login(configuration.user, password, to: writer)
            if connection === commands { replies.append(.authenticated) }
        }
        if configuration.database != 0, connection === commands {
            RESPWriter.command("SELECT", "\(configuration.database)", to: writer)
            replies.append(.selected)
        }
        // Redis takes a name without spaces only; ours may have any.
        let clientName = String(name.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") ? $0 : "_" })
        RESPWriter.command("CLIENT", "SETNAME", "carillon-\(clientName)-\(connection.role.rawValue)", to: writer)
        if connection === commands {
            replies.append(.named)
            prepareHistory(writer)
            RESPWriter.command("ROLE", to: writer)
            replies.append(.role)
            connection.write(writer.bytes)
        } else {
            connection.write(writer.bytes)
            subscriberConnected()
        }
    }

    func received(_ value: RESPValue, on connection: RedisConnection) {
        if connection === subscriber { return receivedBySubscriber(value) }
        guard let expected = replies.next() else {
            return commands.fail("Redis sent a reply to nothing that was asked")
        }
        if !isCommandReady, case .error(let text) = value, Self.isBusy(text) { return greetAgain(commands, text) }
        switch (expected, value) {
        case (.publish(let ticket), .integer):
            link.published &+= 1
            receiver?.published(ticket, .accepted(nil))
        case (.publish(let ticket), .error(let text)): refuse(ticket, .medium(text))
        case (.keep(let waiting), _): kept(waiting, value)
        case (.read(let query, let completion), _): completion(page(query, value))
        case (.disown(let completion), _): disowned(value, completion)
        case (.script(let script), _): loaded(script, value)
        case (.presence(let reply), _): answered(reply, value)
        case (.identity, _): identified(value)
        case (.authenticated, .error(let text)):
            commands.fail("Redis at \(server) refused the password: \(text)")
        case (.selected, .error(let text)):
            commands.fail("Redis at \(server) refused database \(configuration.database): \(text)")
        case (.role, .array(let elements)):
            receivedRole(elements)
        case (.role, .error(let text)):
            commands.fail("Redis at \(server) is not ready: \(text)")
        case (.beat, .error(let text)), (.lease, .error(let text)):
            // Out of memory, or a script that blocks: the beat will not come back, and that counts.
            failed("Redis at \(server) refuses commands: \(text)")
        default:
            break
        }
    }

    /// Redis is there and cannot answer now: a script blocks it, or it reads its file (BUSY, LOADING).
    static func isBusy(_ text: String) -> Bool { text.hasPrefix("BUSY ") || text.hasPrefix("LOADING ") }

    /// Says who we are again after a while, on the same connection: connecting anew would not help.
    func greetAgain(_ connection: RedisConnection, _ text: String) {
        failed("Redis at \(server) is busy: \(text)")
        guard !connection.isWaitingToGreet else { return }
        connection.isWaitingToGreet = true
        let since = connection.connectedAt
        home.schedule(after: Self.busyPause) { [weak self, weak connection] in
            guard let self, let connection else { return }
            connection.isWaitingToGreet = false
            guard self.isRunning, connection.isOpen, connection.connectedAt == since else { return }
            self.connected(connection)
        }
    }

    private static var busyPause: Duration { .milliseconds(500) }

    private func receivedRole(_ elements: [RESPValue]) {
        let role = elements.first?.text ?? "nothing"
        guard role == "master" else {
            return commands.fail(
                "Redis at \(server) says it is a \(role), and only a master can join nodes")
        }
        guard !isCommandReady else { return }
        isCommandReady = true
        commands.settled()
        sendBeat()
    }

    // MARK: Publishing

    package func publish(_ publication: Publication, history: HistorySettings?, ticket: PublishTicket) {
        if link.phase == .linked, !isHolding {
            publishNow(publication, history, ticket)
        } else if buffer.append(publication, history: history, ticket, now: home.now) {
            link.waiting = buffer.count
        } else {
            refuse(ticket, .bufferFull)
        }
    }

    func refuse(_ ticket: PublishTicket, _ refusal: PublishRefusal) {
        link.refused &+= 1
        receiver?.published(ticket, .refused(refusal))
    }

    @inline(__always)
    func publishNow(_ publication: Publication, _ history: HistorySettings?, _ ticket: PublishTicket) {
        if history != nil || publication.extras?.idempotencyKey != nil {
            return keep(.init(publication: publication, history: history, ticket: ticket))
        }
        envelope.removeAll()
        EnvelopeCodec.write(publication, to: envelope)
        output.removeAll()
        if publication.channel.isReserved, let id = SessionID(connectionChannel: publication.channel) {
            RESPWriter.publish(prefix: [], channel: names.directed(id.node), payload: envelope.bytes, to: output)
        } else {
            RESPWriter.publish(
                prefix: names.channel, channel: publication.channel.bytes, payload: envelope.bytes, to: output)
        }
        replies.append(.publish(ticket))
        commands.write(output.bytes)
    }

    // MARK: Beats

    func sendBeat() {
        guard isCommandReady, let receiver else { return }
        let summary = receiver.summary()
        beatSequence += 1
        if beatsSent.count > 60 { beatsSent = [:] }
        beatsSent[beatSequence] = .now()
        envelope.removeAll()
        NodeMessage.beat(Beat(node: node, sequence: beatSequence, name: name, summary: summary)).write(to: envelope)
        send(.beat) { RESPWriter.publish(prefix: [], channel: names.beat, payload: envelope.bytes, to: $0) }
        send(.lease) {
            RESPWriter.command(
                [
                    Array("SET".utf8), names.lease, summary, Array("PX".utf8),
                    Array("\(NodeRegistry.lease.components.seconds * 1000)".utf8),
                ], to: $0)
        }
    }
}
