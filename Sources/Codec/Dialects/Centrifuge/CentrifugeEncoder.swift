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
            writer.append(#","pub":{"data":"#)
            writeData(publication, to: writer)
            if let publisher = publication.extras?.publisher {
                writer.append(#","info":{"client":""#)
                writer.append(text: publisher.description)
                writer.append("\"}")
            }
            if let position = publication.position {
                writer.append(#","offset":"#)
                writer.append(decimal: position.offset)
            }
            writer.append("}}}")
        }
    }

    /// JSON passes through, other text becomes a string, binary a string of base64.
    private static func writeData(_ publication: Publication, to writer: ByteWriter) {
        publication.payload.withUnsafeBytes { payload in
            switch publication.kind {
            case .json: JSONWriter.writeOnOneLine(payload, to: writer)
            case .text where JSONScanner.isValid(payload): JSONWriter.writeOnOneLine(payload, to: writer)
            case .text: JSONWriter.writeString(payload, to: writer)
            case .binary:
                writer.append("\"")
                Base64.write(payload, to: writer)
                writer.append("\"")
            }
        }
    }

    // MARK: Replies

    /// - Parameter ping: How often the node pings, in seconds.
    package static func writeConnected(
        _ id: UInt32, client: SessionID, version: String, ping: UInt32, pong: Bool, to writer: ByteWriter
    ) {
        reply(id, writer) {
            writer.append(#""connect":{"client":""#)
            writer.append(text: client.description)
            writer.append(#"","version":"#)
            JSONWriter.writeString(version, to: writer)
            if ping > 0 {
                writer.append(#","ping":"#)
                writer.append(decimal: UInt64(ping))
            }
            if pong { writer.append(#","pong":true"#) }
            writer.append(#","node":""#)
            writer.append(text: client.node.description)
            writer.append("\"}")
        }
    }

    package static func writeSubscribed(_ id: UInt32, to writer: ByteWriter) {
        reply(id, writer) { writer.append(#""subscribe":{}"#) }
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

    private static func reply(_ id: UInt32, _ writer: ByteWriter, _ body: () -> Void) {
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
    private static func frame(_ writer: ByteWriter, _ body: () -> Void) {
        let start = writer.count
        writer.append(bigEndian: UInt64(0))
        writer.append(bigEndian: UInt16(0))
        body()
        writer.closeFrame(.text, at: start, reserved: 10)
    }
}
