/// Publications in JSON (Centrifuge client protocol v2: Publication, Message).
extension CentrifugeEncoder {
    /// - Parameter showsEpoch: Whether the publication says the epoch of its position.
    package static func write(
        _ publication: Publication, data: CentrifugeData = .plain, showsEpoch: Bool = false,
        in carrier: CentrifugeCarrier = .webSocket, to writer: ByteWriter
    ) {
        if publication.channel.isReserved {
            // "Everybody" and "this connection" are not channels a client knows: it gets a message.
            return push(nil, carrier, writer) {
                writer.append(#""message":{"data":"#)
                writeData(publication, to: writer)
                writer.append("}")
            }
        }
        push(publication.channel, carrier, writer) {
            writer.append(#""pub":"#)
            writeObject(publication, data, showsEpoch: showsEpoch, to: writer)
        }
    }

    /// A publication without its channel.
    private static func writeObject(
        _ publication: Publication, _ data: CentrifugeData = .plain, showsEpoch: Bool = false, to writer: ByteWriter
    ) {
        writer.append(#"{"data":"#)
        var isDelta = false
        switch data {
        case .plain: writeData(publication, to: writer)
        case .whole: writeDataInString(publication, to: writer)
        case .delta(let delta):
            isDelta = true
            JSONWriter.writeString(delta, to: writer)
        }
        if let publisher = publication.extras?.publisher {
            writer.append(#","info":"#)
            write(publisher, to: writer)
        }
        if let position = publication.position {
            writer.append(#","offset":"#)
            writer.append(decimal: ClientOffset(position).value)
        }
        if let tags = publication.extras?.shownTags {
            writer.append(#","tags":"#)
            tags.write(to: writer)
        }
        if isDelta { writer.append(#","delta":true"#) }
        if publication.time > 0 {
            writer.append(#","time":"#)
            writer.append(decimal: publication.time)
        }
        if showsEpoch, let position = publication.position {
            writer.append(#","epoch":""#)
            writer.append(text: position.epochText)
            writer.append("\"")
        }
        writer.append("}")
    }

    static func writeObjects(
        _ publications: [Publication], _ data: CentrifugeData = .plain, to writer: ByteWriter
    ) {
        writer.append(#""publications":["#)
        for (index, publication) in publications.enumerated() {
            if index > 0 { writer.append(",") }
            writeObject(publication, data, to: writer)
        }
        writer.append("]")
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

    /// The JSON value that `writeData` writes, as a string, and with the line breaks it has.
    private static func writeDataInString(_ publication: Publication, to writer: ByteWriter) {
        publication.payload.withUnsafeBytes { payload in
            if publication.kind != .binary, JSONScanner.isValid(payload) {
                return JSONWriter.writeString(payload, to: writer)
            }
            let value = ByteWriter(capacity: payload.count + 64)
            writeData(publication, to: value)
            JSONWriter.writeString(value.bytes, to: writer)
        }
    }
}
