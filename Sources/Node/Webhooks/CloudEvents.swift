package import Codec

/// Events as applications get them: CloudEvents 1.0 in JSON (CloudEvents 1.0.2 and its JSON event format 1.0.2).
package enum CloudEvents {
    /// Of a request (JSON event format 4, "JSON Batch Format").
    package static let batchType = "application/cloudevents-batch+json; charset=utf-8"
    /// In front of the kind of an event.
    package static let typePrefix = "carillon."

    /// One event. What it says is what the event stream of the admin listener says.
    ///
    /// - Parameter id: The same whenever this event is sent.
    package static func write(_ event: NodeEvent, id: String, node: NodeID, to writer: ByteWriter) {
        writer.append("{\"specversion\":\"1.0\",\"id\":")
        JSONWriter.writeString(id, to: writer)
        writer.append(",\"source\":\"/nodes/")
        writer.append(text: node.description)
        writer.append("\",\"type\":\"")
        writer.append(text: typePrefix)
        writer.append(text: event.kind.names.first ?? "")
        writer.append("\",\"time\":")
        JSONWriter.writeTime(event.time, to: writer)
        if let subject = event.channel?.description ?? event.session?.description {
            writer.append(",\"subject\":")
            JSONWriter.writeString(subject, to: writer)
        }
        writer.append(",\"datacontenttype\":\"application/json\",\"data\":")
        EventText.write(event, node: node, to: writer)
        writer.append("}")
    }

    /// Whether an entry of a queue is an event that a node wrote: others may write there, and one bad entry would spoil its request.
    package static func isEvent(_ entry: [UInt8]) -> Bool {
        entry.first == UInt8(ascii: "{")
            && entry.withUnsafeBytes { UTF8Validator.isValid($0) && JSONScanner.isValid($0) }
    }

    /// The body of a request: events that were written before, in one array.
    package static func batch(_ events: some Sequence<[UInt8]>) -> [UInt8] {
        var body: [UInt8] = [UInt8(ascii: "[")]
        for event in events {
            if body.count > 1 { body.append(UInt8(ascii: ",")) }
            body += event
        }
        body.append(UInt8(ascii: "]"))
        return body
    }
}
