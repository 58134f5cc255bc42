/// A publication as it travels between nodes.
///
///     magic 0xCA · version 1 · type · kind · origin (8, big-endian)
///     fields: tag (1) · length (4, big-endian) · bytes, ended by tag 0
///     payload: everything after that
///
/// A node skips fields whose tag it does not know, so that a newer one can add some; what an older one could not
/// understand at all gets a new version number, and is counted as a bad message there.
package enum EnvelopeCodec {
    static let magic: UInt8 = 0xCA
    static let version: UInt8 = 1

    enum Kind: UInt8 {
        case publication = 1
        case beat = 2
        case farewell = 3
        case question = 4
        case answer = 5
        /// Somebody came to a channel or is gone: the detail is which, a packed member follows.
        case change = 6
        /// A loss was noted in the history of the channel it comes through; nothing follows.
        case loss = 7
        /// A node asked for a mark in the order of the channel it comes through: its number (8) follows.
        case fence = 8
        /// Where a node stands in a change of the Redis servers (`ShardStanding`).
        case standing = 9
    }

    private enum Tag: UInt8 {
        case end = 0
        case channel = 1
        case position = 2
        case idempotencyKey = 3
        case event = 4
        case except = 5
        case publisher = 6
        /// The publisher's user and what others may see of it; behind `publisher`, which earlier versions read too.
        case publisherDetails = 7
        /// When it was taken.
        case time = 8
        /// Packed `PublicationTags`.
        case tags = 9
    }

    static let headBytes = 12
    /// The third byte of a publication.
    package static let publicationType = Kind.publication.rawValue
    /// That of a change of presence.
    package static let changeType = Kind.change.rawValue
    /// That of a loss.
    package static let lossType = Kind.loss.rawValue
    /// That of a fence.
    package static let fenceType = Kind.fence.rawValue
    private static let fenceBytes = headBytes + 8

    @inline(__always)
    static func writeHead(_ kind: Kind, detail: UInt8, origin: NodeID, to writer: ByteWriter) {
        writer.append(magic)
        writer.append(version)
        writer.append(kind.rawValue)
        writer.append(detail)
        writer.append(bigEndian: origin.value)
    }

    /// What the first bytes say, or what is wrong with them.
    static func readHead(
        _ bytes: UnsafeRawBufferPointer
    ) throws(EnvelopeError) -> (kind: Kind, detail: UInt8, origin: NodeID) {
        guard bytes.count >= headBytes else { throw .truncated }
        guard bytes[0] == magic else { throw .notAnEnvelope }
        guard bytes[1] == version else { throw .unknownVersion(bytes[1]) }
        guard let kind = Kind(rawValue: bytes[2]) else { throw .unknownType(bytes[2]) }
        let origin = NodeID(UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 4, as: UInt64.self)))
        return (kind, bytes[3], origin)
    }

    package static func write(_ publication: Publication, to writer: ByteWriter) {
        if let fence = publication.extras?.fence {
            writeHead(.fence, detail: 0, origin: publication.origin, to: writer)
            return writer.append(bigEndian: fence)
        }
        writeHead(.publication, detail: publication.kind.rawValue, origin: publication.origin, to: writer)
        writeField(.channel, publication.channel.bytes, to: writer)
        if let position = publication.position {
            writeFieldHead(.position, 16, to: writer)
            writer.append(bigEndian: position.epoch)
            writer.append(bigEndian: position.offset.value)
        }
        writeRest(publication, to: writer)
    }

    private static func writeRest(_ publication: Publication, to writer: ByteWriter) {
        if publication.time > 0 {
            writeFieldHead(.time, 8, to: writer)
            writer.append(bigEndian: publication.time)
        }
        if let extras = publication.extras {
            if let key = extras.idempotencyKey { writeField(.idempotencyKey, key, to: writer) }
            if let event = extras.event { writeField(.event, event, to: writer) }
            if !extras.except.isEmpty {
                writeFieldHead(.except, extras.except.count * SessionID.byteCount, to: writer)
                for session in extras.except { writer.append(bytesOf: session) }
            }
            if let publisher = extras.publisher {
                writeFieldHead(.publisher, SessionID.byteCount, to: writer)
                writer.append(bytesOf: publisher.session)
                if publisher.user != nil || publisher.info != nil {
                    writeFieldHead(.publisherDetails, publisher.packedBytes - SessionID.byteCount, to: writer)
                    publisher.appendDetails(to: writer)
                }
            }
            if let tags = extras.tags { writeField(.tags, tags.packed, to: writer) }
        }
        writer.append(Tag.end.rawValue)
        writer.append(publication.payload)
    }

    /// Writes a publication in two parts, between which the 16 bytes of its position go: for a history that gives it one.
    package static func write(_ publication: Publication, before head: ByteWriter, after tail: ByteWriter) {
        writeBefore(publication, to: head)
        writeAfter(publication, to: tail)
    }

    /// What goes in front of the position.
    package static func writeBefore(_ publication: Publication, to writer: ByteWriter) {
        writeHead(.publication, detail: publication.kind.rawValue, origin: publication.origin, to: writer)
        writeField(.channel, publication.channel.bytes, to: writer)
        writeFieldHead(.position, 16, to: writer)
    }

    /// What follows it.
    package static func writeAfter(_ publication: Publication, to writer: ByteWriter) {
        writeRest(publication, to: writer)
    }

    /// How many bytes `write` adds.
    package static func bytes(of publication: Publication) -> Int {
        if publication.extras?.fence != nil { return fenceBytes }
        return headBytes + 5 + publication.channel.bytes.count + (publication.position == nil ? 0 : 21)
            + bytesOfRest(publication)
    }

    /// How many bytes `write` adds to the head, without the position.
    package static func bytesBefore(_ publication: Publication) -> Int {
        headBytes + 5 + publication.channel.bytes.count + 5
    }

    /// How many bytes it adds to the tail.
    package static func bytesAfter(_ publication: Publication) -> Int { bytesOfRest(publication) }

    @inline(__always)
    private static func bytesOfRest(_ publication: Publication) -> Int {
        var bytes = (publication.time > 0 ? 13 : 0) + 1 + publication.payload.count
        if let extras = publication.extras {
            if let key = extras.idempotencyKey { bytes += 5 + key.count }
            if let event = extras.event { bytes += 5 + event.count }
            if !extras.except.isEmpty { bytes += 5 + extras.except.count * SessionID.byteCount }
            if let publisher = extras.publisher {
                bytes += 5 + SessionID.byteCount
                if publisher.user != nil || publisher.info != nil {
                    bytes += 5 + publisher.packedBytes - SessionID.byteCount
                }
            }
            if let tags = extras.tags { bytes += 5 + tags.packed.count }
        }
        return bytes
    }

    /// How many bytes `write` adds at the most.
    package static func maximumBytes(_ publication: Publication) -> Int {
        var bytes = headBytes + 5 + publication.channel.bytes.count + 21 + 13 + 1 + publication.payload.count
        if let extras = publication.extras {
            bytes += 5 + (extras.idempotencyKey?.count ?? 0) + 5 + (extras.event?.count ?? 0)
            bytes += 5 + extras.except.count * SessionID.byteCount
            bytes += 10 + (extras.publisher?.packedBytes ?? 0)
            bytes += 5 + (extras.tags?.packed.count ?? 0)
        }
        return bytes
    }

    /// What goes in front of a packed member, to say that it came or is gone.
    package static func writeChangeHead(_ change: PresenceChange, origin: NodeID, to writer: ByteWriter) {
        writeHead(.change, detail: change.rawValue, origin: origin, to: writer)
    }

    /// Reads a change of presence, of the channel it came through.
    package static func decodeChange(
        _ bytes: UnsafeRawBufferPointer, of channel: ChannelName
    ) throws(EnvelopeError) -> Publication {
        let head = try readHead(bytes)
        guard head.kind == .change else { throw .unknownType(head.kind.rawValue) }
        guard let change = PresenceChange(rawValue: head.detail) else { throw .unknownKind(head.detail) }
        let packed = UnsafeRawBufferPointer(rebasing: bytes[headBytes...])
        guard let member = PresenceMember(packed: packed) else { throw .badField(0) }
        return Publication(change, of: member, in: channel, origin: head.origin)
    }

    /// Reads a fence, of the channel it came through.
    package static func decodeFence(
        _ bytes: UnsafeRawBufferPointer, of channel: ChannelName
    ) throws(EnvelopeError) -> Publication {
        let head = try readHead(bytes)
        guard head.kind == .fence else { throw .unknownType(head.kind.rawValue) }
        guard bytes.count == fenceBytes else { throw .truncated }
        let fence = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: headBytes, as: UInt64.self))
        return Publication(fence: fence, in: channel, origin: head.origin)
    }

    package static func writeLoss(origin: NodeID, to writer: ByteWriter) {
        writeHead(.loss, detail: 0, origin: origin, to: writer)
    }

    package static func isLoss(_ bytes: UnsafeRawBufferPointer) -> Bool { (try? readHead(bytes))?.kind == .loss }

    @inline(__always)
    private static func writeFieldHead(_ tag: Tag, _ count: Int, to writer: ByteWriter) {
        writer.append(tag.rawValue)
        writer.append(bigEndian: UInt32(clamping: count))
    }

    private static func writeField(_ tag: Tag, _ bytes: [UInt8], to writer: ByteWriter) {
        writeFieldHead(tag, bytes.count, to: writer)
        writer.append(bytes)
    }

    /// Reads a publication. When its channel is `hint`, that name is used again instead of a copy.
    package static func decode(
        _ bytes: UnsafeRawBufferPointer, hint: ChannelName? = nil
    ) throws(EnvelopeError) -> Publication {
        let head = try readHead(bytes)
        guard head.kind == .publication else { throw .unknownType(head.kind.rawValue) }
        guard let kind = PayloadKind(rawValue: head.detail) else { throw .unknownKind(head.detail) }
        var channel: ChannelName?
        var position: Position?
        var key: [UInt8]?
        var event: [UInt8]?
        var except: [SessionID] = []
        var publisher: SessionID?
        var details: UnsafeRawBufferPointer?
        var time: UInt64 = 0
        var tags: PublicationTags?
        var index = headBytes
        while true {
            guard index < bytes.count else { throw .truncated }
            let tag = bytes[index]
            if tag == Tag.end.rawValue { break }
            guard index + 5 <= bytes.count else { throw .truncated }
            let length = Int(UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: index + 1, as: UInt32.self)))
            index += 5
            guard length <= bytes.count - index else { throw .truncated }
            let field = UnsafeRawBufferPointer(rebasing: bytes[index..<(index + length)])
            index += length
            switch Tag(rawValue: tag) {
            case .channel: channel = try readChannel(field, hint)
            case .position:
                guard length == 16,
                    let offset = Offset(
                        exactly: UInt64(bigEndian: field.loadUnaligned(fromByteOffset: 8, as: UInt64.self)))
                else { throw .badField(tag) }
                position = Position(
                    epoch: UInt64(bigEndian: field.loadUnaligned(as: UInt64.self)), offset: offset)
            case .idempotencyKey: key = Array(field)
            case .event:
                guard UTF8Validator.isValid(field) else { throw .badField(tag) }
                event = Array(field)
            case .except:
                guard length % SessionID.byteCount == 0 else { throw .badField(tag) }
                except = stride(from: 0, to: length, by: SessionID.byteCount).map { SessionID(bytes: field, at: $0) }
            case .publisher:
                guard length == SessionID.byteCount else { throw .badField(tag) }
                publisher = SessionID(bytes: field)
            case .publisherDetails: details = field
            case .time:
                guard length == 8 else { throw .badField(tag) }
                time = UInt64(bigEndian: field.loadUnaligned(as: UInt64.self))
                guard time <= Publication.latestTime else { throw .badField(tag) }
            case .tags:
                guard let read = PublicationTags(packed: field) else { throw .badField(tag) }
                tags = read
            case .end, nil: break
            }
        }
        guard let channel else { throw .missingChannel }
        let payload = UnsafeRawBufferPointer(rebasing: bytes[(index + 1)...])
        if kind != .binary, !UTF8Validator.isValid(payload) { throw .notUTF8 }
        var member: PresenceMember?
        if let publisher {
            member =
                details.map { PresenceMember(publisher, details: $0) }
                ?? .init(session: publisher, user: nil, info: nil)
            guard member != nil else { throw .badField(Tag.publisherDetails.rawValue) }
        }
        let hasExtras =
            key != nil || event != nil || !except.isEmpty || publisher != nil || !(tags?.isEmpty ?? true)
        return Publication(
            channel: channel, kind: kind, payload: Array(payload), origin: head.origin, position: position,
            time: time,
            extras: hasExtras
                ? .init(idempotencyKey: key, event: event, except: except, publisher: member, tags: tags) : nil)
    }

    private static func readChannel(
        _ field: UnsafeRawBufferPointer, _ hint: ChannelName?
    ) throws(EnvelopeError) -> ChannelName {
        if let hint, field.isEqual(to: hint.bytes) { return hint }
        guard field.count <= ChannelName.maximumBytes else { throw .badChannel(.tooLong(bytes: field.count)) }
        // A user's id may have spaces in it.
        if let channel = ChannelName(userChannel: field) { return channel }
        // The names nodes make may begin with a '$'; what follows it keeps the same rules.
        let rest = field.first == UInt8(ascii: "$") ? field.dropFirst() : field[...]
        if let objection = ChannelName.objection(to: rest) { throw .badChannel(objection) }
        return ChannelName(trusted: Array(field))
    }
}

/// Why bytes are not an envelope. They came through Redis, so they may have come from anybody.
package enum EnvelopeError: Error, Equatable, Sendable {
    case truncated
    case notAnEnvelope
    case unknownVersion(UInt8)
    case unknownType(UInt8)
    case unknownKind(UInt8)
    case badField(UInt8)
    case badChannel(ChannelNameError)
    case missingChannel
    case notUTF8
    /// A node's name that is too long, or has control characters.
    case badName
    /// What a node says of itself is not JSON.
    case badSummary
    /// It has more bytes than a message of its kind may have.
    case tooLong
}
