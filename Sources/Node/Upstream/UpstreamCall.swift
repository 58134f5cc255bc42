import Authentication
import Codec

/// Where a request goes.
enum UpstreamEndpoint: Hashable, Sendable {
    /// Of a hub, by its number.
    case hub(UInt16)
    case rpc
    /// Of rules of channels, by its place in the settings.
    case hook(Int)
}

/// One request to the application.
struct UpstreamCall: Sendable {
    enum Category: String, Sendable {
        case connections, messages
    }

    enum Kind: Sendable {
        /// A hub client calls a method. The arguments are a JSON array.
        case invocation(method: [UInt8], id: [UInt8]?, arguments: [UInt8])
        /// A hub client is connected.
        case connected
        /// A hub client is gone: why, or nil when it left by itself.
        case disconnected(error: String?)
        /// A client of another dialect calls a method.
        case rpc(method: [UInt8], data: [UInt8]?, isJSON: Bool, dialect: String)
        /// A client wants to publish.
        case publish(ChannelName, data: [UInt8], isJSON: Bool, dialect: String)
        /// A client wants to subscribe.
        case subscribe(ChannelName, dialect: String)
    }

    let kind: Kind
    let endpoint: UpstreamEndpoint
    /// As the API names the connection.
    let connection: String
    let user: ForeignText?
    /// As the client knows its connection, where that is another id.
    var negotiated = ""
    /// What the client's token says, and the query of its request (`ShownClient`).
    var claims: String?
    var query: String?
}

/// A hub's endpoint: requests as those of Azure SignalR Service to its upstream endpoints (learn.microsoft.com, "Upstream endpoints").
struct HubUpstream: Equatable, Sendable {
    let name: String
    let template: String
    let keys: [[UInt8]]

    struct Request: Equatable {
        var url: String
        var headers: [(name: String, value: String)]
        var body: [UInt8]

        static func == (one: Self, other: Self) -> Bool {
            one.url == other.url && one.body == other.body && one.headers.count == other.headers.count
                && zip(one.headers, other.headers).allSatisfy { $0 == $1 }
        }
    }

    /// - Returns: Nil for a call of another kind.
    func request(_ call: UpstreamCall) -> Request? {
        let category: UpstreamCall.Category
        let event: [UInt8]
        let writer = ByteWriter(capacity: 256)
        switch call.kind {
        case .invocation(let method, let id, let arguments):
            (category, event) = (.messages, method)
            writer.append(#"{"type":1,"#)
            if let id {
                writer.append(#""invocationId":"#)
                JSONWriter.writeString(id, to: writer)
                writer.append(",")
            }
            writer.append(#""target":"#)
            JSONWriter.writeString(method, to: writer)
            writer.append(#","arguments":"#)
            writer.append(arguments)
            writer.append("}")
        case .connected:
            (category, event) = (.connections, Array("connected".utf8))
            writer.append(#"{"type":10}"#)
        case .disconnected(let error):
            (category, event) = (.connections, Array("disconnected".utf8))
            writer.append(#"{"type":11,"error":"#)
            if let error { JSONWriter.writeString(error, to: writer) } else { writer.append("null") }
            writer.append("}")
        case .rpc, .publish, .subscribe: return nil
        }
        var headers = [
            ("content-type", "application/json"), ("x-asrs-connection-id", call.negotiated), ("x-asrs-hub", name),
            ("x-asrs-category", category.rawValue), ("x-asrs-event", Self.fieldValue(event)),
            ("x-carillon-connection", call.connection),
        ]
        if let user = call.user { headers.append(("x-asrs-user-id", Self.fieldValue(Array(user.utf8)))) }
        if let claims = call.claims { headers.append(("x-asrs-user-claims", Self.fieldValue(Array(claims.utf8)))) }
        if let query = call.query { headers.append(("x-asrs-client-query", Self.fieldValue(Array(query.utf8)))) }
        if !keys.isEmpty {
            let signatures = keys.map { "sha256=" + TextDigest.keyed(by: $0, call.negotiated) }
            headers.append(("x-asrs-signature", signatures.joined(separator: ",")))
        }
        let url = UpstreamTemplate(template).url(hub: Array(name.utf8), category: category.rawValue, event: event)
        return Request(url: url, headers: headers, body: Array(writer.bytes))
    }

    /// What can stand in a header (RFC 9110 5.5): control characters of a client become question marks.
    private static func fieldValue(_ bytes: [UInt8]) -> String {
        String(decoding: bytes.map { $0 < 0x20 || $0 == 0x7F ? UInt8(ascii: "?") : $0 }, as: UTF8.self)
    }
}

extension UpstreamCall {
    /// The body of requests other than a hub's: those of Centrifugo's proxy (centrifugal.dev, "Proxy events to the backend").
    var body: [UInt8] {
        switch kind {
        case .rpc(let method, let data, let isJSON, let dialect):
            body(dialect, isJSON, ("method", method), data)
        case .publish(let channel, let data, let isJSON, let dialect):
            body(dialect, isJSON, ("channel", channel.bytes), data)
        case .subscribe(let channel, let dialect): body(dialect, true, ("channel", channel.bytes), nil)
        case .invocation, .connected, .disconnected: []
        }
    }

    private func body(
        _ dialect: String, _ isJSON: Bool, _ about: (key: StaticString, name: [UInt8]), _ data: [UInt8]?
    ) -> [UInt8] {
        let writer = ByteWriter(capacity: 256)
        writer.append(#"{"client":"#)
        JSONWriter.writeString(connection, to: writer)
        writer.append(#","transport":"websocket","protocol":"#)
        JSONWriter.writeString(dialect, to: writer)
        writer.append(isJSON ? #","encoding":"json""# : #","encoding":"binary""#)
        if let user {
            writer.append(#","user":"#)
            JSONWriter.writeString(Array(user.utf8), to: writer)
        }
        writer.append(",\"")
        writer.append(about.key)
        writer.append("\":")
        JSONWriter.writeString(about.name, to: writer)
        if let data {
            if isJSON {
                writer.append(#","data":"#)
                writer.append(data)
            } else {
                writer.append(#","b64data":""#)
                data.withUnsafeBytes { Base64.write($0, to: writer) }
                writer.append("\"")
            }
        }
        writer.append("}")
        return Array(writer.bytes)
    }
}
