import Codec
import Reactor

/// Publications that are kept, and what is read of them.
extension RedisServer {
    /// What an entry of history has beyond its payload at the most: the envelope with its channel, an event, a key, and the
    /// sessions that do not get it.
    private static var entryOverhead: Int { 4096 }

    /// Asks a server who it is and leaves the scripts there; to be written before ROLE, whose answer opens the owner.status.
    func prepareScripts(_ writer: ByteWriter) {
        scripts.connected(after: replies.appended, now: home.now)
        if isInCluster {
            RESPWriter.command("CLUSTER", "INFO", to: writer)
            replies.append(.clusterInfo)
        }
        RESPWriter.command("INFO", "server", to: writer)
        replies.append(.identity)
        for script in wantedScripts {
            RESPWriter.command("SCRIPT", "LOAD", script.source(isSharded: isSharded), to: writer)
            replies.append(.script(script))
        }
    }

    /// In front of the names that keys of history have in the layout of before, which are taken over when they are first needed;
    /// nothing where that layout is in use, or where scripts may not touch keys of two slots.
    var inheritance: [UInt8] {
        names.layout == .flat || scripts.isCluster ? [] : names.prefix
    }

    // MARK: Publishing

    /// Publishes what is kept, or has an idempotency key: several of one channel, with the same settings, by one command. It costs
    /// Redis a third as much as one command each (docs/decisions/0049-history-in-batches.md).
    func keep(_ batch: [PublishBuffer.Waiting]) {
        guard let first = batch.first else { return }
        guard let identity = scripts.identity, let hash = scripts.hash(of: .publish) else {
            for waiting in batch {
                owner.refuse(waiting.ticket, .medium("history is not available: \(scripts.objection ?? "")"))
            }
            return
        }
        let channel = first.publication.channel
        let name = channel.bytes
        let names = self.names[channel]
        let isStored = first.history != nil
        // What is for one connection is heard by its node alone, in a channel of the node's.
        let heardIn =
            SessionID(connectionChannel: channel).map {
                self.names.directed($0.node, in: self.names.partition(of: channel))
            } ?? names.channel + name
        let keys = batch.compactMap(\.publication.extras?.idempotencyKey)
        var bytes = Self.keepOverhead + 5 * (name.count + names.channel.count)
        for waiting in batch {
            bytes += Self.perPublication + EnvelopeCodec.bytes(of: waiting.publication)
            if let key = waiting.publication.extras?.idempotencyKey {
                bytes += key.count + names.key.count + name.count + Self.keyLengthBytes
            }
        }
        pacing.sent(batch.count)
        replies.append(.keep(batch))
        commands.write(atMost: bytes, by: output) { writer in
            RESPWriter.begin(3 + 3 + keys.count + 9 + 3 * batch.count, to: writer)
            RESPWriter.argument("EVALSHA", to: writer)
            RESPWriter.argument(hash, to: writer)
            RESPWriter.argument("\(3 + keys.count)", to: writer)
            RESPWriter.argument(names.meta + name, to: writer)
            RESPWriter.argument(names.stream + name, to: writer)
            RESPWriter.argument(names.beginnings, to: writer)
            for key in keys { RESPWriter.argument(names.key + Self.known(key, in: channel), to: writer) }
            RESPWriter.argument(identity, to: writer)
            RESPWriter.argument(newEpoch(), to: writer)
            RESPWriter.argument(newBase(), to: writer)
            RESPWriter.argument(Array(Self.bytes(today).suffix(RedisBeginnings.dayBytes)), to: writer)
            RESPWriter.argument("\(first.history?.size ?? 0)", to: writer)
            RESPWriter.argument("\(first.history?.timeToLive ?? 0)", to: writer)
            RESPWriter.argument(heardIn, to: writer)
            RESPWriter.argument(inheritance, to: writer)
            RESPWriter.argument(inheritance.isEmpty ? [] : name, to: writer)
            var keyed = 0
            for waiting in batch {
                let publication = waiting.publication
                write(publication, isStored: isStored, to: writer)
                if publication.extras?.idempotencyKey != nil { keyed += 1 }
                RESPWriter.argument(publication.extras?.idempotencyKey == nil ? "" : "\(3 + keyed)", to: writer)
            }
        }
    }

    /// The envelope, before and after its position; all of it before that where there is none.
    private func write(_ publication: Publication, isStored: Bool, to writer: ByteWriter) {
        guard isStored else {
            RESPWriter.argument(bytes: EnvelopeCodec.bytes(of: publication), to: writer) {
                EnvelopeCodec.write(publication, to: $0)
            }
            return RESPWriter.argument("", to: writer)
        }
        RESPWriter.argument(bytes: EnvelopeCodec.bytesBefore(publication), to: writer) {
            EnvelopeCodec.writeBefore(publication, to: $0)
        }
        RESPWriter.argument(bytes: EnvelopeCodec.bytesAfter(publication), to: writer) {
            EnvelopeCodec.writeAfter(publication, to: $0)
        }
    }

    /// What an idempotency key is called, behind the prefix. Names of users may have spaces, so what is for them says how long the name
    /// is; no client and no rule can make a channel whose name begins with `$`.
    private static func known(_ key: [UInt8], in channel: ChannelName) -> [UInt8] {
        let length = channel.isReserved ? Array("$\(channel.bytes.count)".utf8) : []
        return length + channel.bytes + [UInt8(ascii: " ")] + key
    }

    /// What the length of a name takes in `known`, at the most.
    private static let keyLengthBytes = 8
    /// What the command that keeps publications has beyond envelopes, keys and the names of the channel, at the most.
    private static let keepOverhead = 2048
    /// What it has for each of them beyond its envelope and its key, at the most: lengths, and the position's room.
    private static let perPublication = 96

    func kept(_ batch: [PublishBuffer.Waiting], _ value: RESPValue) {
        switch value {
        case .array(let elements) where elements.count == 2 * batch.count:
            for (index, waiting) in batch.enumerated() { kept(waiting, elements[2 * index + 1]) }
            return
        case .error(let text):
            if Self.isInvalid(text), let first = batch.first { invalid(first.publication.channel, text) }
            for waiting in batch { owner.refuse(waiting.ticket, .medium(text)) }
        default:
            for waiting in batch { owner.refuse(waiting.ticket, .medium("Redis sent an unexpected reply")) }
        }
    }

    private func kept(_ waiting: PublishBuffer.Waiting, _ value: RESPValue) {
        guard case .bulk(let bytes?) = value else {
            return owner.refuse(waiting.ticket, .medium("Redis sent an unexpected reply"))
        }
        let position = HistoryReply.position(bytes[...])
        guard position != nil || bytes.isEmpty else {
            invalid(waiting.publication.channel, "an invalid position")
            return owner.refuse(waiting.ticket, .medium("Redis sent an unexpected reply"))
        }
        counts.published &+= 1
        if let position { acknowledged.note(position, in: waiting.publication.channel) }
        receiver?.published(waiting.ticket, .accepted(position))
    }

    // MARK: Reading

    func read(_ query: HistoryQuery, completion: @escaping (Result<HistoryPage, PublishRefusal>) -> Void) {
        guard state.takesCommands else { return completion(.failure(.isolated)) }
        guard let identity = scripts.identity, let hash = scripts.hash(of: .read) else {
            return completion(.failure(.medium("history is not available: \(scripts.objection ?? "")")))
        }
        // What this turn published goes first, unless so much is under way that it has to wait (`PublishPacing.window`).
        sendPaced()
        // To write may find that the connection is gone.
        guard state.takesCommands else { return completion(.failure(.isolated)) }
        let name = query.channel.bytes
        let names = self.names[query.channel]
        output.removeAll()
        RESPWriter.begin(17, to: output)
        RESPWriter.argument("EVALSHA", to: output)
        RESPWriter.argument(hash, to: output)
        RESPWriter.argument("3", to: output)
        RESPWriter.argument(names.meta + name, to: output)
        RESPWriter.argument(names.stream + name, to: output)
        RESPWriter.argument(names.beginnings, to: output)
        RESPWriter.argument(identity, to: output)
        RESPWriter.argument(newBase(), to: output)
        RESPWriter.argument(query.since.map { Self.bytes($0.epoch) } ?? [], to: output)
        RESPWriter.argument(query.since.map { "\($0.offset)" } ?? "", to: output)
        RESPWriter.argument("\(query.limit)", to: output)
        RESPWriter.argument("\(query.bytes)", to: output)
        RESPWriter.argument("\(configuration.largestMessage + Self.entryOverhead)", to: output)
        RESPWriter.argument(query.isReverse ? "1" : "0", to: output)
        // Whoever follows a channel asks again and again where it ends. That keeps the end of a channel that was published to,
        // and nothing else: not one that nobody ever published to.
        let isFollowed = query.limit == 0 && query.since != nil
        RESPWriter.argument(isFollowed ? "\(RedisScript.metaLifetime)" : "", to: output)
        RESPWriter.argument(inheritance, to: output)
        RESPWriter.argument(name, to: output)
        replies.append(.read(query, completion))
        commands.write(output.bytes)
    }

    /// What Redis said about a query; all of it is checked.
    func page(_ query: HistoryQuery, _ value: RESPValue) -> Result<HistoryPage, PublishRefusal> {
        if case .error(let text) = value {
            if Self.isInvalid(text) { invalid(query.channel, text) }
            return .failure(.medium(text))
        }
        do {
            let reply = try HistoryReply(value, to: query, today: today)
            if reply.badEntries > 0 {
                invalid(
                    query.channel, "\(things(reply.badEntries, "entry", "entries")) that no node wrote",
                    count: reply.badEntries)
            }
            return .success(reply.page)
        } catch {
            switch error {
            case .noAnswer: return .failure(.medium("Redis sent an unexpected reply"))
            case .invalid(let what):
                invalid(query.channel, what)
                return .failure(.medium("\(RedisScript.invalid): \(what)"))
            }
        }
    }

    // MARK: Removing

    /// The stream goes, also one that waits in the layout of before to be taken over; the hash with epoch and offset stays.
    func removeHistory(of channel: ChannelName, completion: @escaping (Result<Void, PublishRefusal>) -> Void) {
        guard state.takesCommands else { return completion(.failure(.isolated)) }
        sendPaced()
        guard state.takesCommands else { return completion(.failure(.isolated)) }
        var keys = [owner.names[channel].stream + channel.bytes]
        if !inheritance.isEmpty { keys.append(inheritance + Array("h:".utf8) + channel.bytes) }
        send(.removal(completion)) { RESPWriter.command([Array("DEL".utf8)] + keys, to: $0) }
    }

    func removed(_ value: RESPValue, _ completion: (Result<Void, PublishRefusal>) -> Void) {
        switch value {
        case .integer: completion(.success(()))
        case .error(let text): completion(.failure(.medium(text)))
        default: completion(.failure(.medium("Redis sent an unexpected reply")))
        }
    }

    /// Whether an error says that a key of history has what no node would write there.
    private static func isInvalid(_ text: String) -> Bool {
        text.contains(RedisScript.invalid) || text.hasPrefix("WRONGTYPE") || text.contains("XADD")
    }

    /// Somebody else wrote to a channel's history: counted, and said now and then.
    private func invalid(_ channel: ChannelName, _ what: String, count: Int = 1) {
        owner.status.badMessages &+= UInt64(clamping: count)
        guard said.isDue(.invalidHistory, now: home.now) else { return }
        let names = self.names[channel]
        receiver?.happened(
            .error,
            "the history of channel '\(channel)' in Redis is not valid: \(what). Somebody else writes to its keys; delete \(String(decoding: names.meta + channel.bytes, as: UTF8.self)) and \(String(decoding: names.stream + channel.bytes, as: UTF8.self)) to begin anew"
        )
    }

    /// The number of the day, by the node's clock.
    private var today: UInt64 { RedisBeginnings.day(owner.wallClock()) }

    /// An epoch with a tag (`ClientOffset`).
    func newEpoch() -> [UInt8] {
        let bits = owner.random.next()
        return Self.bytes(bits >> 48 == 0 ? bits | 1 << 48 : bits)
    }

    private func newBase() -> [UInt8] { Array(newEpoch().prefix(RedisBeginnings.baseBytes)) }

    static func bytes(_ word: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) }
    }
}
