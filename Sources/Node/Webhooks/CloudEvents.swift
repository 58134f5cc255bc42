package import Codec

/// Events as applications get them: CloudEvents 1.0 in JSON (CloudEvents 1.0.2 and its JSON event format 1.0.2).
package enum CloudEvents {
    /// Of a request (JSON event format 4, "JSON Batch Format").
    package static let batchType = "application/cloudevents-batch+json; charset=utf-8"
    /// In front of the kind of an event.
    package static let typePrefix = "carillon."

    /// One event. What it says is what the event stream of the admin listener says.
    ///
    /// - Parameter number: No other event of this node has it. With the node it is the id of the event, the same whenever it is sent.
    package static func write(_ event: NodeEvent, number: UInt64, node: NodeID, to writer: ByteWriter) {
        writer.append("{\"specversion\":\"1.0\",\"id\":\"")
        writer.append(node)
        writer.append("-")
        writer.append(decimal: number)
        writer.append("\",\"source\":\"/nodes/")
        writer.append(node)
        writer.append("\",\"type\":\"")
        writer.append(text: typePrefix)
        writer.append(text: event.kind.name)
        writer.append("\",\"time\":")
        JSONWriter.writeTime(event.time, to: writer)
        if let channel = event.channel {
            writer.append(",\"subject\":")
            JSONWriter.writeString(channel.description, to: writer)
        } else if let session = event.session {
            writer.append(",\"subject\":\"")
            writer.append(session)
            writer.append("\"")
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
    package static func batch(_ events: some Collection<[UInt8]>) -> [UInt8] {
        var body: [UInt8] = []
        body.reserveCapacity(events.reduce(2) { $0 + $1.count + 1 })
        body.append(UInt8(ascii: "["))
        for event in events {
            if body.count > 1 { body.append(UInt8(ascii: ",")) }
            body += event
        }
        body.append(UInt8(ascii: "]"))
        return body
    }
}
