import Codec
import Hummingbird
import NIOCore
import Reactor
import Synchronization

/// `GET /api/v1/channels/{name}/tail`: what is published in a channel from now on, as a `text/event-stream`.
///
/// The node of the admin listener reads along; there need be no subscribers. How many publications of how many bytes are shown is
/// bounded, and what is not shown is counted.
struct TailStream {
    let node: RunningNode
    let name: ChannelName

    func response(to request: Request, on channel: any Channel) throws -> Response {
        let place = try StreamPlace.take(on: node)
        let node = node
        let limit = node.configuration.shownBytes
        let streams = node.streamCounters
        let queue = BoundedQueue<ChannelTap.Item>(maximumBytes: node.configuration.eventBytes, weight: { $0.weight }) {
            streams.tailLeftOut.add(UInt64(clamping: $0), ordering: .relaxed)
        }
        let tap = ChannelTap(name, home: node.home, queue: queue, perSecond: node.configuration.shownRate) {
            streams.tailLeftOut.add(UInt64(clamping: $0), ordering: .relaxed)
        }
        let greeting = greeting
        return AdminStream(
            queue: queue,
            begin: {
                let exchange = node.exchange
                await node.home.perform { exchange.addTap(tap) }
                return { node.home.post { exchange.removeTap(tap) } }
            },
            write: { batch, text in
                for item in batch.elements { Self.write(item, greeting: greeting, limit: limit, to: text) }
            },
            dropped: "publications"
        ).response(to: request, on: channel, in: place)
    }

    private var greeting: [UInt8] {
        let writer = ByteWriter()
        writer.append("event: listening\ndata: {\"node\":")
        JSONWriter.writeString(node.id.description, to: writer)
        writer.append(",\"channel\":")
        JSONWriter.writeString(name.bytes, to: writer)
        writer.append("}\n\n")
        return Array(writer.bytes)
    }

    static func write(_ item: ChannelTap.Item, greeting: [UInt8], limit: Int, to writer: ByteWriter) {
        switch item {
        case .confirmed: writer.append(greeting)
        case .publication(let publication): write(publication, limit: limit, to: writer)
        case .leftOut(let left):
            writer.append(text: "event: dropped\ndata: {\"publications\":\(left.count),\"bytes\":\(left.bytes)}\n\n")
        case .lost(let position):
            writer.append("event: lost\ndata: {\"position\":")
            write(position, to: writer)
            writer.append("}\n\n")
        }
    }

    private static func write(_ publication: Publication, limit: Int, to writer: ByteWriter) {
        writer.append("event: publication\ndata: {\"time\":")
        writer.append(decimal: publication.time > 0 ? publication.time : WallClock.milliseconds)
        writer.append(",\"position\":")
        write(publication.position, to: writer)
        writer.append(text: ",\"kind\":\"\(publication.kind)\"")
        if let publisher = publication.extras?.publisher {
            writer.append(",\"publisher\":")
            JSONWriter.writeString(publisher.session.description, to: writer)
        }
        ShownBytes(publication.payload, isText: publication.kind != .binary, limit: limit).writeFields(to: writer)
        writer.append("}\n\n")
    }

    private static func write(_ position: Position?, to writer: ByteWriter) {
        guard let position else { return writer.append("null") }
        JSONWriter.writeString(position.description, to: writer)
    }
}
