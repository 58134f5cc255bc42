/// The sse dialect: event streams for browsers (WHATWG HTML 9.2, "Server-sent events"). The request names the channels, and
/// `Last-Event-ID` says where a client that comes back was.
enum SSEDialect {
    static let traits = DialectTraits(
        name: "sse", login: .request, liveness: .unanswered, recovery: .stream, loss: .isAnnounced, takesInput: false,
        takesCommandRequests: false, hasCommands: false, refreshesTokens: false, namesPublishers: false)

    static var routes: [DialectRoute] { [DialectRoute(.sse, "/sse", over: .eventStream, "GET")] }

    /// `Last-Event-ID` names some channels, and of the others nobody knows. Where headers cannot be set the query has it.
    static func opening(_ head: RequestHead) throws(HTTPError) -> OpeningRequest {
        let id = head.header("last-event-id") ?? head.query.first { $0.name == "last_event_id" }?.value
        return try OpeningRequest(head, seen: id.flatMap { $0.isEmpty ? nil : SSEEncoder.positions(in: $0) })
    }
}
