/// The raw dialect: anything with a WebSocket speaks it. The request names the channels, and frames are payloads as they are
/// published. There are no commands and no replies.
enum RawDialect {
    static let traits = DialectTraits(
        name: "raw", login: .request, liveness: .anySign, recovery: .none, loss: .endsSession, takesInput: true,
        takesCommandRequests: false, hasCommands: false, refreshesTokens: false, namesPublishers: false)

    static var routes: [DialectRoute] {
        [DialectRoute(.raw, "/raw", over: .webSocket, "GET"), DialectRoute(publicationsOf: .raw, "/publish")]
    }

    static var subprotocols: [(name: String, encoding: Variant.Encoding)] { [("carillon-raw", .standard)] }

    static func opening(_ head: RequestHead) throws(HTTPError) -> OpeningRequest { try OpeningRequest(head) }

    /// A message is a publication to the first channel.
    static func next(in message: inout IncomingMessage) -> Intent? {
        guard !message.isBegun else { return nil }
        let data = message.rest
        message.take(leaving: 0)
        return .publish(.init(reply: .none, channel: nil, kind: message.isText ? .text : .binary, data: data))
    }
}
