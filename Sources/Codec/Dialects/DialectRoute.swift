/// Where a dialect is spoken on the client port.
package struct DialectRoute: Sendable {
    package enum Use: Equatable, Sendable {
        /// The request begins a session.
        case session(Transport, isUnidirectional: Bool)
        /// The request asks for what waits for a session, and begins that session if there is none.
        case polls
        /// The request ends a session that is asked for what waits.
        case goodbyes
        /// The request has commands for a session that is there already.
        case commands
        /// The request has one publication, and there is no session.
        case publication
        /// The client asks how it may connect, and there is no session yet.
        case negotiation
    }

    package let dialect: Dialect
    package let path: String
    package let use: Use
    /// How the request may be made, `OPTIONS` apart: with `POST` it has a body.
    package let methods: [String]
    /// The number of the hub that is there (`HubRule.number`); 0 for none.
    package let hub: UInt16
    /// Whether clients come with tokens that a key of the hub has signed, and no others (`HubAddress`).
    package internal(set) var isForHubTokens = false

    private init(_ dialect: Dialect, _ path: String, for use: Use, of hub: UInt16, methods: [String] = ["POST"]) {
        self.dialect = dialect
        self.path = path
        self.use = use
        self.methods = methods
        self.hub = hub
    }

    /// Sessions begin here.
    init(
        _ dialect: Dialect, _ path: String, over transport: Transport, isUnidirectional: Bool = false,
        of hub: UInt16 = 0, _ methods: String...
    ) {
        self.init(
            dialect, path, for: .session(transport, isUnidirectional: isUnidirectional), of: hub, methods: methods)
    }

    /// Commands come here.
    init(commandsOf dialect: Dialect, _ path: String, of hub: UInt16 = 0, methods: [String] = ["POST"]) {
        self.init(dialect, path, for: .commands, of: hub, methods: methods)
    }

    /// Sessions are asked here for what waits for them.
    init(pollsOf dialect: Dialect, _ path: String, of hub: UInt16, methods: [String]) {
        self.init(dialect, path, for: .polls, of: hub, methods: methods)
    }

    /// Such sessions end here.
    init(goodbyesOf dialect: Dialect, _ path: String, of hub: UInt16, methods: [String]) {
        self.init(dialect, path, for: .goodbyes, of: hub, methods: methods)
    }

    /// Publications come here, one in each request.
    init(publicationsOf dialect: Dialect, _ path: String) {
        self.init(dialect, path, for: .publication, of: 0)
    }

    /// Clients of a hub ask here before they connect.
    init(negotiationsOf dialect: Dialect, _ path: String, of hub: UInt16) {
        self.init(dialect, path, for: .negotiation, of: hub)
    }

    /// What is spoken with a client that comes here, for each encoding.
    package func variant(in encoding: Variant.Encoding = .standard) -> Variant? {
        switch use {
        case .session(let transport, let isUnidirectional):
            Variant(dialect, in: encoding, over: transport, isUnidirectional: isUnidirectional)
        case .polls: Variant(dialect, in: encoding, over: .longPolling)
        case .goodbyes, .commands, .publication, .negotiation: nil
        }
    }

    /// Whether each request begins a session.
    package var beginsSession: Bool { if case .session = use { true } else { false } }

    /// Whether it is asked for with a plain request, as pages of other origins may, and not with a handshake of its own.
    package var isPlainHTTP: Bool {
        switch use {
        case .session(.webSocket, _): false
        case .session, .polls, .goodbyes, .commands, .publication, .negotiation: true
        }
    }

    package func allows(_ method: String) -> Bool { methods.contains { $0.utf8.elementsEqual(method.utf8) } }

    /// For `Allow`.
    package var allowed: String { (methods + (isPlainHTTP ? ["OPTIONS"] : [])).joined(separator: ", ") }
}
