/// What the node says in the centrifuge dialect: each a complete WebSocket text frame (Centrifuge client protocol v2,
/// JSON; zero and empty fields are left out).
package enum CentrifugeEncoder {
    // MARK: Publications

    static func write(_ publication: Publication, to writer: ByteWriter) {
        frame(writer) {
            if publication.channel.isReserved {
                // "Everybody" and "this connection" are not channels a client knows: it gets a message.
                writer.append(#"{"push":{"message":{"data":"#)
                writeData(publication, to: writer)
                writer.append("}}}")
                return
            }
            writer.append(#"{"push":{"channel":"#)
            JSONWriter.writeString(publication.channel.bytes, to: writer)
            writer.append(#","pub":"#)
            writeObject(publication, to: writer)
            writer.append("}}")
        }
    }

    /// A publication without its channel.
    private static func writeObject(_ publication: Publication, to writer: ByteWriter) {
        writer.append(#"{"data":"#)
        writeData(publication, to: writer)
        if let publisher = publication.extras?.publisher {
            writer.append(#","info":{"client":""#)
            writer.append(publisher)
            writer.append("\"}")
        }
        if let position = publication.position {
            writer.append(#","offset":"#)
            writer.append(decimal: position.offset)
        }
        writer.append("}")
    }

    private static func writeObjects(_ publications: [Publication], to writer: ByteWriter) {
        writer.append(#""publications":["#)
        for (index, publication) in publications.enumerated() {
            if index > 0 { writer.append(",") }
            writeObject(publication, to: writer)
        }
        writer.append("]")
    }

    /// Where a subscription to a history channel begins.
    package struct Place {
        /// What the client is to take for its position.
        package let position: Position
        /// Nil for one that did not ask to recover.
        package let isRecovered: Bool?
        package let missed: [Publication]

        package init(position: Position, isRecovered: Bool?, missed: [Publication]) {
            self.position = position
            self.isRecovered = isRecovered
            self.missed = missed
        }
    }

    /// JSON passes through, other text becomes a string, binary a string of base64.
    ///
    /// What claims to be JSON is looked at too: it came from another node, and a bracket too many would be read as ours.
    private static func writeData(_ publication: Publication, to writer: ByteWriter) {
        publication.payload.withUnsafeBytes { payload in
            switch publication.kind {
            case .json, .text:
                if JSONScanner.isValid(payload) {
                    JSONWriter.writeOnOneLine(payload, to: writer)
                } else {
                    JSONWriter.writeString(payload, to: writer)
                }
            case .binary:
                writer.append("\"")
                Base64.write(payload, to: writer)
                writer.append("\"")
            }
        }
    }

    // MARK: Replies

    /// - Parameters:
    ///   - ping: How often the node pings, in seconds.
    ///   - ttl: Seconds until the client needs a new token; nil for never.
    ///   - channels: What it was subscribed to by the node, and where that begins, if it has history.
    package static func writeConnected(
        _ id: UInt32, client: SessionID, version: String, ping: UInt32, pong: Bool, ttl: UInt32? = nil,
        channels: [(name: ChannelName, place: Place?)] = [], to writer: ByteWriter
    ) {
        reply(id, writer) {
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
                    if let place = channel.place { write(place, to: writer) }
                    writer.append("}")
                }
                writer.append("}")
            }
            if ping > 0 {
                writer.append(#","ping":"#)
                writer.append(decimal: UInt64(ping))
            }
            if pong { writer.append(#","pong":true"#) }
            writer.append(#","node":""#)
            writer.append(hex: client.node.value)
            writer.append("\"}")
        }
    }

    /// - Parameter ttl: Seconds until the subscription needs a new token; nil for never.
    package static func writeSubscribed(_ id: UInt32, ttl: UInt32? = nil, place: Place? = nil, to writer: ByteWriter) {
        reply(id, writer) {
            writer.append(#""subscribe":{"#)
            writeExpiry(ttl, isFirst: true, to: writer)
            if let place {
                if ttl != nil { writer.append(",") }
                write(place, to: writer)
            }
            writer.append("}")
        }
    }

    private static func write(_ place: Place, to writer: ByteWriter) {
        writer.append(#""recoverable":true,"positioned":true,"epoch":""#)
        writer.append(text: place.position.epochText)
        writer.append("\"")
        writeOffset(place.position.offset, to: writer)
        if let isRecovered = place.isRecovered {
            writer.append(#","was_recovering":true"#)
            if isRecovered { writer.append(#","recovered":true"#) }
        }
        if place.isRecovered == true || !place.missed.isEmpty {
            writer.append(",")
            writeObjects(place.missed, to: writer)
        }
    }

    package static func writeHistory(_ id: UInt32, _ page: HistoryPage, to writer: ByteWriter) {
        reply(id, writer) {
            writer.append(#""history":{"#)
            writeObjects(page.publications, to: writer)
            writer.append(#","epoch":""#)
            writer.append(text: page.top.epochText)
            writer.append("\"")
            writeOffset(page.top.offset, to: writer)
            writer.append("}")
        }
    }

    /// Zero is left out, as everywhere in this protocol.
    private static func writeOffset(_ offset: UInt64, to writer: ByteWriter) {
        guard offset > 0 else { return }
        writer.append(#","offset":"#)
        writer.append(decimal: offset)
    }

    package static func writeRefreshed(
        _ id: UInt32, client: SessionID, version: String, ttl: UInt32?, to writer: ByteWriter
    ) {
        reply(id, writer) {
            writer.append(#""refresh":{"client":""#)
            writer.append(client)
            writer.append(#"","version":"#)
            JSONWriter.writeString(version, to: writer)
            writeExpiry(ttl, isFirst: false, to: writer)
            writer.append("}")
        }
    }

    package static func writeSubRefreshed(_ id: UInt32, ttl: UInt32?, to writer: ByteWriter) {
        reply(id, writer) {
            writer.append(#""sub_refresh":{"#)
            writeExpiry(ttl, isFirst: true, to: writer)
            writer.append("}")
        }
    }

    private static func writeExpiry(_ ttl: UInt32?, isFirst: Bool, to writer: ByteWriter) {
        guard let ttl else { return }
        if !isFirst { writer.append(",") }
        writer.append(#""expires":true,"ttl":"#)
        writer.append(decimal: UInt64(ttl))
    }

    /// The node ended a subscription.
    package static func writeUnsubscribePush(
        _ channel: ChannelName, code: UInt32, reason: String, to writer: ByteWriter
    ) {
        frame(writer) {
            writer.append(#"{"push":{"channel":"#)
            JSONWriter.writeString(channel.bytes, to: writer)
            writer.append(#","unsubscribe":{"code":"#)
            writer.append(decimal: UInt64(code))
            writer.append(#","reason":"#)
            JSONWriter.writeString(reason, to: writer)
            writer.append("}}}")
        }
    }

    package static func writeUnsubscribed(_ id: UInt32, to writer: ByteWriter) {
        reply(id, writer) { writer.append(#""unsubscribe":{}"#) }
    }

    package static func writePublished(_ id: UInt32, to writer: ByteWriter) {
        reply(id, writer) { writer.append(#""publish":{}"#) }
    }

    package static func writeError(_ id: UInt32, _ error: CentrifugeError, to writer: ByteWriter) {
        reply(id, writer) {
            writer.append(#""error":{"code":"#)
            writer.append(decimal: UInt64(error.code))
            writer.append(#","message":"#)
            JSONWriter.writeString(error.message, to: writer)
            if error.isTemporary { writer.append(#","temporary":true"#) }
            writer.append("}")
        }
    }

    package static func writePing(to writer: ByteWriter) {
        frame(writer) { writer.append("{}") }
    }

    static func reply(_ id: UInt32, _ writer: ByteWriter, _ body: () -> Void) {
        frame(writer) {
            writer.append(#"{"id":"#)
            writer.append(decimal: UInt64(id))
            writer.append(",")
            body()
            writer.append("}")
        }
    }

    /// Writes a text frame whose length is known only afterwards: room is left for the longest header, and what was
    /// written is moved up when a shorter one will do.
    static func frame(_ writer: ByteWriter, _ body: () -> Void) {
        let start = writer.count
        writer.append(bigEndian: UInt64(0))
        writer.append(bigEndian: UInt16(0))
        body()
        writer.closeFrame(.text, at: start, reserved: 10)
    }
}
