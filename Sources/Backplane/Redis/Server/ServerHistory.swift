import Codec
import Reactor

/// Publications that are kept, and what is read of them.
extension RedisServer {
    /// How long the end of a channel is remembered after its last use, in milliseconds: 30 days.
    static var metaLifetime: Int64 { 30 * 86_400_000 }
    private static var keyLifetime: Int64 { MemoryKeys.lifetime.components.seconds * 1000 }
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
        for script in RedisScript.allCases {
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

    /// Publishes what is kept, or has an idempotency key.
    func keep(_ waiting: PublishBuffer.Waiting) {
        let publication = waiting.publication
        guard let identity = scripts.identity, let hash = scripts.hash(of: .publish) else {
            return owner.refuse(waiting.ticket, .medium("history is not available: \(scripts.objection ?? "")"))
        }
        let name = publication.channel.bytes
        let names = self.names[publication.channel]
        let key = publication.extras?.idempotencyKey
        let isStored = waiting.history != nil
        let (before, after) =
            isStored
            ? (EnvelopeCodec.bytesBefore(publication), EnvelopeCodec.bytesAfter(publication))
            : (EnvelopeCodec.bytes(of: publication), 0)
        pacing.sent()
        replies.append(.keep(waiting))
        commands.write(
            atMost: before + after + Self.keepOverhead + (key?.count ?? 0) + 5 * (name.count + names.channel.count),
            by: output
        ) { writer in
            RESPWriter.begin(20, to: writer)
            RESPWriter.argument("EVALSHA", to: writer)
            RESPWriter.argument(hash, to: writer)
            RESPWriter.argument("4", to: writer)
            RESPWriter.argument(names.meta + name, to: writer)
            RESPWriter.argument(names.stream + name, to: writer)
            RESPWriter.argument(names.key + name + [UInt8(ascii: " ")] + (key ?? []), to: writer)
            RESPWriter.argument(names.beginnings, to: writer)
            RESPWriter.argument(identity, to: writer)
            RESPWriter.argument(newEpoch(), to: writer)
            RESPWriter.argument("\(waiting.history?.size ?? 0)", to: writer)
            RESPWriter.argument("\(waiting.history?.timeToLive ?? 0)", to: writer)
            RESPWriter.argument("\(Self.metaLifetime)", to: writer)
            RESPWriter.argument(names.channel + name, to: writer)
            RESPWriter.argument(bytes: before, to: writer) {
                if isStored {
                    EnvelopeCodec.writeBefore(publication, to: $0)
                } else {
                    EnvelopeCodec.write(publication, to: $0)
                }
            }
            RESPWriter.argument(bytes: after, to: writer) {
                if isStored { EnvelopeCodec.writeAfter(publication, to: $0) }
            }
            RESPWriter.argument(key == nil ? "" : "\(Self.keyLifetime)", to: writer)
            RESPWriter.argument(newBase(), to: writer)
            RESPWriter.argument(Array(Self.bytes(today).suffix(RedisBeginnings.dayBytes)), to: writer)
            RESPWriter.argument(inheritance, to: writer)
            RESPWriter.argument(name, to: writer)
        }
    }

    /// What the command that keeps a publication has beyond the envelope, the key and the names of the channel, at the most.
    private static let keepOverhead = 2048

    func kept(_ waiting: PublishBuffer.Waiting, _ value: RESPValue) {
        switch value {
        case .array(let elements) where elements.count == 2:
            guard case .bulk(let bytes?) = elements[1] else { break }
            let position = HistoryReply.position(bytes[...])
            guard position != nil || bytes.isEmpty else {
                invalid(waiting.publication.channel, "an invalid position")
                break
            }
            counts.published &+= 1
            if let position { acknowledged.note(position, in: waiting.publication.channel) }
            receiver?.published(waiting.ticket, .accepted(position))
            return
        case .error(let text):
            if Self.isInvalid(text) { invalid(waiting.publication.channel, text) }
            return owner.refuse(waiting.ticket, .medium(text))
        default: break
        }
        owner.refuse(waiting.ticket, .medium("Redis sent an unexpected reply"))
    }

    // MARK: Reading

    func read(_ query: HistoryQuery, completion: @escaping (Result<HistoryPage, PublishRefusal>) -> Void) {
        guard state.takesCommands else { return completion(.failure(.isolated)) }
        guard let identity = scripts.identity, let hash = scripts.hash(of: .read) else {
            return completion(.failure(.medium("history is not available: \(scripts.objection ?? "")")))
        }
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
        RESPWriter.argument(isFollowed ? "\(Self.metaLifetime)" : "", to: output)
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
