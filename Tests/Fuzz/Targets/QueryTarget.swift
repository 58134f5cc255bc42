@testable import Codec

/// The target of an event stream or of a raw session: paths, channels in the query, and the id a browser sends back.
enum QueryTarget {
    @Sendable static func run(_ input: UnsafeRawBufferPointer) {
        idComesBack(String(decoding: input, as: UTF8.self))
        channel(String(decoding: input, as: UTF8.self))
        var request = Array("GET ".utf8)
        request += input
        request += " HTTP/1.1\r\nHost: a\r\n\r\n".utf8
        let parsed = request.withUnsafeBytes { RequestHeadParser.parse($0, limits: HTTPLimits()) }
        guard case .head(let head, let consumed) = parsed, consumed == request.count else { return }
        expect(head.query.count <= input.count, "more parameters than bytes")
        _ = Dialect.at(path: head.path)
        for (name, value) in [(head.path, "")] + head.query {
            for text in [name, value] {
                expect(text.utf8.count <= input.count, "decoding made it longer")
                expect(text.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }, "a control byte came out")
            }
            if name == "channel" { channel(value) }
            if name == "last_event_id" { idComesBack(value) }
        }
        queryComesBack(head)
    }

    private static func channel(_ text: String) {
        guard let channel = try? ChannelName(validating: text.utf8) else { return }
        expect(channel.bytes.count <= ChannelName.maximumBytes && !channel.bytes.isEmpty, "a name out of bounds")
        expect(channel.bytes == Array(text.utf8) && !channel.isReserved, "a name nobody may choose")
        idComesBack(channel, Position(epoch: 0x4F3C, offset: 17))
    }

    /// An id that is understood, written as we write it, is understood again.
    private static func idComesBack(_ text: String) {
        guard let (channel, position) = SSEEncoder.position(in: text) else { return }
        idComesBack(channel, position)
    }

    private static func idComesBack(_ channel: ChannelName, _ position: Position) {
        let publication = Publication(
            channel: channel, kind: .json, payload: [0x31], origin: NodeID(1), position: position)
        let writer = ByteWriter()
        SSEEncoder.write(publication, to: writer)
        // By bytes: a name may begin with what joins the space before it.
        let line = writer.bytes.prefix { $0 != 0x0A }
        let id = String(decoding: line.dropFirst(4), as: UTF8.self)
        guard line.starts(with: "id: ".utf8), let back = SSEEncoder.position(in: id) else {
            return expect(false, "the id '\(id)' does not come back")
        }
        expect(back.channel == channel && back.position == position, "the id '\(id)' comes back as another one")
    }

    /// Encoded as strictly as can be, the same query comes out.
    private static func queryComesBack(_ head: RequestHead) {
        func encoded(_ text: String) -> String {
            text.utf8.map { "%" + ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        }
        let query = head.query.map { encoded($0.name) + "=" + encoded($0.value) }.joined(separator: "&")
        let text = "GET /?\(query) HTTP/1.1\r\nHost: a\r\n\r\n"
        var limits = HTTPLimits()
        limits.targetBytes = text.utf8.count
        limits.totalBytes = text.utf8.count
        guard
            case .head(let again, _) = Array(text.utf8).withUnsafeBytes({ RequestHeadParser.parse($0, limits: limits) })
        else { return expect(false, "encoded again it is refused") }
        expect(again.query.elementsEqual(head.query) { $0 == $1 }, "encoded again it is another query")
    }
}
