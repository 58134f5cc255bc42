/// What the node says in the centrifuge dialect in JSON (Centrifuge client protocol v2; zero and empty fields are left out).
package enum CentrifugeEncoder {
    // MARK: Replies

    /// - Parameters:
    ///   - ping: How often the node pings, in seconds.
    ///   - ttl: Seconds until the client needs a new token; nil for never.
    ///   - channels: What it was subscribed to by the node, and where that begins, if it has history.
    ///   - session: What it has to name when it sends commands in requests of their own; empty where it does not.
    package static func writeConnected(
        _ id: UInt32, client: SessionID, version: String, ping: UInt32, pong: Bool, ttl: UInt32? = nil,
        channels: [(name: ChannelName, beginning: Outcome.Beginning?)] = [], session: [UInt8] = [],
        in carrier: CentrifugeCarrier = .webSocket, to writer: ByteWriter
    ) {
        reply(id, carrier, writer) {
            writeConnection(client, version, ping, pong, ttl, channels, session, to: writer)
        }
    }

    /// `connect`, as the answer to a command and as a push.
    static func writeConnection(
        _ client: SessionID, _ version: String, _ ping: UInt32, _ pong: Bool, _ ttl: UInt32?,
        _ channels: [(name: ChannelName, beginning: Outcome.Beginning?)], _ session: [UInt8], to writer: ByteWriter
    ) {
        writer.append(#""connect":{"client":""#)
        writer.append(client)
        writer.append(#"","version":"#)
        JSONWriter.writeString(version, to: writer)
        writeExpiry(ttl, isFirst: false, to: writer)
        if !channels.isEmpty {
            writer.append(#","subs":{"#)
            for (index, channel) in channels.enumerated() {
                if index > 0 { writer.append(",") }
                JSONWriter.writeString(channel.name.bytes, to: writer)
                writer.append(":{")
                if let beginning = channel.beginning { write(beginning, to: writer) }
                writer.append("}")
            }
            writer.append("}")
        }
        if ping > 0 {
            writer.append(#","ping":"#)
            writer.append(decimal: UInt64(ping))
        }
        if pong { writer.append(#","pong":true"#) }
        if !session.isEmpty {
            writer.append(#","session":"#)
            JSONWriter.writeString(session, to: writer)
        }
        writer.append(#","node":""#)
        writer.append(hex: client.node.value)
        writer.append("\"}")
    }

    /// - Parameters:
    ///   - ttl: Seconds until the subscription needs a new token; nil for never.
    ///   - hasDeltas: Whether publications may be deltas. Those that were missed are whole.
    package static func writeSubscribed(
        _ id: UInt32, ttl: UInt32? = nil, beginning: Outcome.Beginning? = nil, hasDeltas: Bool = false,
        in carrier: CentrifugeCarrier = .webSocket, to writer: ByteWriter
    ) {
        reply(id, carrier, writer) {
            writer.append(#""subscribe":{"#)
            writeExpiry(ttl, isFirst: true, to: writer)
            if let beginning {
                if ttl != nil { writer.append(",") }
                write(beginning, hasDeltas ? .whole : .plain, to: writer)
            }
            if hasDeltas {
                if ttl != nil || beginning != nil { writer.append(",") }
                writer.append(#""delta":true"#)
            }
            writer.append("}")
        }
    }

    private static func write(_ beginning: Outcome.Beginning, _ data: CentrifugeData = .plain, to writer: ByteWriter) {
        writeBeginning(beginning.position, to: writer)
        if let isRecovered = beginning.isRecovered {
            writer.append(#","was_recovering":true"#)
            if isRecovered { writer.append(#","recovered":true"#) }
        }
        if beginning.isRecovered == true || !beginning.missed.isEmpty {
            writer.append(",")
            writeObjects(beginning.missed, data, to: writer)
        }
    }

    /// What a subscription with history says about it.
    static func writeBeginning(_ position: Position, to writer: ByteWriter) {
        writer.append(#""recoverable":true,"positioned":true,"epoch":""#)
        writer.append(text: position.epochText)
        writer.append("\"")
        writeOffset(of: position, to: writer)
    }

    package static func writeHistory(
        _ id: UInt32, _ page: HistoryPage, in carrier: CentrifugeCarrier = .webSocket, to writer: ByteWriter
    ) {
        reply(id, carrier, writer) {
            writer.append(#""history":{"#)
            writeObjects(page.publications, to: writer)
            writer.append(#","epoch":""#)
            writer.append(text: page.top.epochText)
            writer.append("\"")
            writeOffset(of: page.top, to: writer)
            writer.append("}")
        }
    }

    /// Zero is left out, as everywhere in this protocol.
    private static func writeOffset(of position: Position, to writer: ByteWriter) {
        guard position.offset > 0 else { return }
        writer.append(#","offset":"#)
        writer.append(decimal: ClientOffset(position).value)
    }

    package static func writeRefreshed(
        _ id: UInt32, client: SessionID, version: String, ttl: UInt32?, in carrier: CentrifugeCarrier = .webSocket,
        to writer: ByteWriter
    ) {
        reply(id, carrier, writer) {
            writer.append(#""refresh":{"client":""#)
            writer.append(client)
            writer.append(#"","version":"#)
            JSONWriter.writeString(version, to: writer)
            writeExpiry(ttl, isFirst: false, to: writer)
            writer.append("}")
        }
    }

    package static func writeSubRefreshed(
        _ id: UInt32, ttl: UInt32?, in carrier: CentrifugeCarrier = .webSocket, to writer: ByteWriter
    ) {
        reply(id, carrier, writer) {
            writer.append(#""sub_refresh":{"#)
            writeExpiry(ttl, isFirst: true, to: writer)
            writer.append("}")
        }
    }

    static func writeExpiry(_ ttl: UInt32?, isFirst: Bool, to writer: ByteWriter) {
        guard let ttl else { return }
        if !isFirst { writer.append(",") }
        writer.append(#""expires":true,"ttl":"#)
        writer.append(decimal: UInt64(ttl))
    }

    /// The application answered a call. Whoever calls has sorted out refusals.
    static func writeCalled(_ id: UInt32, _ result: CallResult, in carrier: CentrifugeCarrier, to writer: ByteWriter) {
        reply(id, carrier, writer) {
            writer.append(#""rpc":{"#)
            switch result {
            case .nothing, .refused: break
            case .json(let json):
                writer.append(#""data":"#)
                json.withUnsafeBytes { JSONWriter.writeOnOneLine($0, to: writer) }
            case .bytes(let bytes):
                writer.append(#""data":""#)
                bytes.withUnsafeBytes { Base64.write($0, to: writer) }
                writer.append("\"")
            }
            writer.append("}")
        }
    }

    package static func writeUnsubscribed(
        _ id: UInt32, in carrier: CentrifugeCarrier = .webSocket, to writer: ByteWriter
    ) {
        reply(id, carrier, writer) { writer.append(#""unsubscribe":{}"#) }
    }

    package static func writePublished(
        _ id: UInt32, in carrier: CentrifugeCarrier = .webSocket, to writer: ByteWriter
    ) {
        reply(id, carrier, writer) { writer.append(#""publish":{}"#) }
    }

    package static func writeError(
        _ id: UInt32, _ error: CentrifugeError, in carrier: CentrifugeCarrier = .webSocket, to writer: ByteWriter
    ) {
        reply(id, carrier, writer) {
            writer.append(#""error":{"code":"#)
            writer.append(decimal: UInt64(error.code))
            writer.append(#","message":"#)
            JSONWriter.writeString(error.message, to: writer)
            if error.isTemporary { writer.append(#","temporary":true"#) }
            writer.append("}")
        }
    }

    package static func writePing(in carrier: CentrifugeCarrier = .webSocket, to writer: ByteWriter) {
        message(carrier, writer) { writer.append("{}") }
    }

    // MARK: Around them

    static func reply(_ id: UInt32, _ carrier: CentrifugeCarrier, _ writer: ByteWriter, _ body: () -> Void) {
        message(carrier, writer) {
            writer.append(#"{"id":"#)
            writer.append(decimal: UInt64(id))
            writer.append(",")
            body()
            writer.append("}")
        }
    }

    /// - Parameter channel: Nil for what is about no channel.
    static func push(
        _ channel: ChannelName?, _ carrier: CentrifugeCarrier, _ writer: ByteWriter, _ body: () -> Void
    ) {
        message(carrier, writer) {
            writer.append(carrier.isBidirectional ? #"{"push":{"# : "{")
            if let channel {
                writer.append(#""channel":"#)
                JSONWriter.writeString(channel.bytes, to: writer)
                writer.append(",")
            }
            body()
            writer.append(carrier.isBidirectional ? "}}" : "}")
        }
    }

    /// One JSON object without line breaks, in what it travels in. In a frame its length is known only afterwards: room is left
    /// for the longest header, and what was written is moved up when a shorter one will do.
    private static func message(_ carrier: CentrifugeCarrier, _ writer: ByteWriter, _ body: () -> Void) {
        switch carrier.framing {
        case .webSocket:
            let start = writer.count
            writer.append(bigEndian: UInt64(0))
            writer.append(bigEndian: UInt16(0))
            body()
            writer.closeFrame(.text, at: start, reserved: 10)
        case .stream:
            body()
            writer.append("\n")
        case .eventStream:
            writer.append("data: ")
            body()
            writer.append("\n\n")
        }
    }
}
