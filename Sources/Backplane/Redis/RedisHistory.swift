package import Codec
import Reactor

/// Publications that are kept, and what is read of them.
extension RedisBackplane {
    /// How long the end of a channel is remembered after its last use, in milliseconds: 30 days.
    static var metaLifetime: Int64 { 30 * 86_400_000 }
    private static var keyLifetime: Int64 { MemoryHistory.keyLifetime.components.seconds * 1000 }

    /// Asks a server who it is and leaves the scripts there; to be written before ROLE, whose answer opens the link.
    func prepareHistory(_ writer: ByteWriter) {
        identity = nil
        scripts = [:]
        historyObjection = nil
        RESPWriter.command("INFO", "server", to: writer)
        replies.append(.identity)
        for script in RedisScript.allCases {
            RESPWriter.command("SCRIPT", "LOAD", script.source, to: writer)
            replies.append(.script(script))
        }
    }

    func identified(_ value: RESPValue) {
        let lines = value.text?.split(whereSeparator: \.isNewline) ?? []
        if let line = lines.first(where: { $0.hasPrefix("run_id:") }) {
            var name = String(line.dropFirst(7))
            // A server that was replaced and came back is not what it was, though it is the same process.
            if let epoch = commands.master?.epoch { name += "@\(epoch)" }
            identity = Array(name.utf8)
        } else {
            object("it does not say its run_id", value)
        }
    }

    func loaded(_ script: RedisScript, _ value: RESPValue) {
        if case .bulk(let hash?) = value {
            scripts[script] = hash
        } else {
            scripts[script] = nil
            object("it does not take scripts", value)
        }
    }

    private func object(_ what: String, _ value: RESPValue) {
        var why = what
        if case .error(let text) = value { why += ": \(text)" }
        if historyObjection == nil {
            receiver?.happened(.error, "no history at Redis at \(server): \(why)")
        }
        historyObjection = why
    }

    // MARK: Publishing

    /// Publishes what is kept, or has an idempotency key.
    func keep(_ waiting: PublishBuffer.Waiting) {
        let publication = waiting.publication
        guard let identity, let hash = scripts[.publish] else {
            return refuse(waiting.ticket, .medium("there is no history: \(historyObjection ?? "")"))
        }
        let name = publication.channel.bytes
        envelope.removeAll()
        tail.removeAll()
        if waiting.history == nil {
            EnvelopeCodec.write(publication, to: envelope)
        } else {
            EnvelopeCodec.write(publication, before: envelope, after: tail)
        }
        let key = publication.extras?.idempotencyKey
        output.removeAll()
        RESPWriter.begin(15, to: output)
        RESPWriter.argument("EVALSHA", to: output)
        RESPWriter.argument(hash, to: output)
        RESPWriter.argument("3", to: output)
        RESPWriter.argument(names.meta + name, to: output)
        RESPWriter.argument(names.stream + name, to: output)
        RESPWriter.argument(names.key + name + [UInt8(ascii: " ")] + (key ?? []), to: output)
        RESPWriter.argument(identity, to: output)
        RESPWriter.argument(Self.bytes(random.next()), to: output)
        RESPWriter.argument("\(waiting.history?.size ?? 0)", to: output)
        RESPWriter.argument("\(waiting.history?.timeToLive ?? 0)", to: output)
        RESPWriter.argument("\(Self.metaLifetime)", to: output)
        RESPWriter.argument(names.channel + name, to: output)
        RESPWriter.argument(envelope.bytes, to: output)
        RESPWriter.argument(tail.bytes, to: output)
        RESPWriter.argument(key == nil ? "" : "\(Self.keyLifetime)", to: output)
        replies.append(.keep(waiting))
        commands.write(output.bytes)
    }

    func kept(_ waiting: PublishBuffer.Waiting, _ value: RESPValue) {
        switch value {
        case .array(let elements) where elements.count == 2:
            guard case .bulk(let bytes?) = elements[1] else { break }
            link.published &+= 1
            let position = Self.position(bytes)
            if let position { acknowledged.note(position, in: waiting.publication.channel) }
            receiver?.published(waiting.ticket, .accepted(position))
            return
        case .error(let text) where text.hasPrefix("NOSCRIPT"):
            // SCRIPT FLUSH: the script was not run, so it can be tried again. Not for ever: loading it anew comes first.
            guard scripts[.publish] != nil else { break }
            return reload(then: { $0.keep(waiting) })
        case .error(let text):
            return refuse(waiting.ticket, .medium(text))
        default: break
        }
        refuse(waiting.ticket, .medium("an answer that is none"))
    }

    /// Loads the scripts again, and goes on.
    func reload(then next: (RedisBackplane) -> Void) {
        output.removeAll()
        for script in RedisScript.allCases {
            RESPWriter.command("SCRIPT", "LOAD", script.source, to: output)
            replies.append(.script(script))
        }
        commands.write(output.bytes)
        next(self)
    }

    // MARK: Reading

    package func read(_ query: HistoryQuery, completion: @escaping (Result<HistoryPage, PublishRefusal>) -> Void) {
        guard isCommandReady else { return completion(.failure(.isolated)) }
        guard let identity, let hash = scripts[.read] else {
            return completion(.failure(.medium("there is no history: \(historyObjection ?? "")")))
        }
        let name = query.channel.bytes
        output.removeAll()
        RESPWriter.begin(11, to: output)
        RESPWriter.argument("EVALSHA", to: output)
        RESPWriter.argument(hash, to: output)
        RESPWriter.argument("2", to: output)
        RESPWriter.argument(names.meta + name, to: output)
        RESPWriter.argument(names.stream + name, to: output)
        RESPWriter.argument(identity, to: output)
        RESPWriter.argument(Self.bytes(random.next()), to: output)
        RESPWriter.argument(query.since.map { "\($0.offset)" } ?? "", to: output)
        RESPWriter.argument("\(query.limit)", to: output)
        RESPWriter.argument(query.isReverse ? "1" : "0", to: output)
        RESPWriter.argument("\(Self.metaLifetime)", to: output)
        replies.append(.read(query, completion))
        commands.write(output.bytes)
    }

    /// What Redis said about a query; all of it is checked.
    func page(_ query: HistoryQuery, _ value: RESPValue) -> Result<HistoryPage, PublishRefusal> {
        if case .error(let text) = value {
            if text.hasPrefix("NOSCRIPT") { reload(then: { _ in }) }
            return .failure(.medium(text))
        }
        guard case .array(let elements) = value, elements.count == 5,
            case .bulk(let epoch?) = elements[0], epoch.count == 8, let offset = elements[1].text.flatMap(UInt64.init),
            case .bulk(let lineage?) = elements[2], case .bulk(let disowned?) = elements[3],
            case .array(let entries) = elements[4]
        else { return .failure(.medium("an answer that is none")) }
        let top = Position(epoch: Self.word(epoch[...]), offset: offset)
        var publications: [Publication] = []
        for entry in entries {
            guard case .array(let pair) = entry, pair.count == 2, case .array(let fields) = pair[1],
                fields.count == 2, case .bulk(let bytes?) = fields[1],
                let publication = try? bytes.withUnsafeBytes({ try EnvelopeCodec.decode($0, hint: query.channel) }),
                publication.channel == query.channel, publication.position != nil
            else {
                link.badMessages &+= 1
                continue
            }
            publications.append(publication)
        }
        let end = query.since.flatMap { $0.epoch == top.epoch ? top.offset : Self.end(of: $0.epoch, lineage) }
        let isContinuous =
            query.since.map { since in
                guard let end, since.offset <= end else { return false }
                if query.isReverse || since.offset == top.offset || query.limit == 0 { return true }
                return publications.first?.position?.offset == since.offset + 1
            } ?? true
        // Of an epoch that is not known at all nothing is left: it began on a server that was lost.
        let isFork =
            query.since.map { since in (end ?? Self.end(of: since.epoch, disowned) ?? 0) < since.offset } ?? false
        return .success(
            HistoryPage(publications: publications, top: top, isContinuous: isContinuous, isFork: isFork))
    }

    /// The offset of the position that has an epoch, in a list of them.
    private static func end(of epoch: UInt64, _ positions: [UInt8]) -> UInt64? {
        for start in stride(from: 0, to: positions.count - 15, by: 16) {
            let end = Self.position(Array(positions[start..<(start + 16)]))
            if let end, end.epoch == epoch { return end.offset }
        }
        return nil
    }

    private static func position(_ bytes: [UInt8]) -> Position? {
        guard bytes.count == 16 else { return nil }
        return Position(epoch: word(bytes[..<8]), offset: word(bytes[8...]))
    }

    private static func word(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }

    static func bytes(_ word: UInt64) -> [UInt8] {
        (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) }
    }
}
