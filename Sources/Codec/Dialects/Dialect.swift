/// The protocol spoken with a client: the one place that knows all of them, and hands on to the one that is spoken.
package enum Dialect: UInt8, Sendable, CaseIterable {
    case raw = 0
    case sse = 1
    case centrifuge = 2
    case signalr = 3

    package var routes: [DialectRoute] {
        switch self {
        case .raw: RawDialect.routes
        case .sse: SSEDialect.routes
        case .centrifuge: CentrifugeDialect.routes
        // Where its hubs are is configured.
        case .signalr: []
        }
    }

    package var name: String {
        switch self {
        case .raw: RawDialect.traits.name.description
        case .sse: SSEDialect.traits.name.description
        case .centrifuge: CentrifugeDialect.name.description
        case .signalr: SignalRDialect.name.description
        }
    }

    /// The dialect of a name; nil when there is none.
    package init?(name: String) {
        guard let known = Self.allCases.first(where: { $0.name.utf8.elementsEqual(name.utf8) }) else { return nil }
        self = known
    }

    /// For those who list sessions of one dialect.
    package func isSame(as other: Dialect) -> Bool { self == other }

    /// What is spoken at a path.
    package static func at(path: String) -> DialectRoute? {
        for dialect in allCases {
            for route in dialect.routes where path.utf8.elementsEqual(route.path.utf8) { return route }
        }
        return nil
    }

    /// What a request to a hub is for; nil where it is for something else.
    static func route(of head: RequestHead, at hub: HubRule) -> DialectRoute? {
        SignalRDialect.route(of: head, at: hub)
    }

    // MARK: Beginnings

    /// What is spoken with a client: a subprotocol of the dialect's, the first that the client offers, says so; without one,
    /// the request's query.
    ///
    /// - Returns: The encoding, and the subprotocol to agree to.
    package func agreement(
        on offered: [String], _ head: RequestHead, at route: DialectRoute
    ) -> (encoding: Variant.Encoding, subprotocol: String?) {
        // One that says what it wants to hear and no more is spoken in one encoding.
        guard route.variant()?.isUnidirectional == false else { return (.standard, nil) }
        let known =
            switch self {
            case .raw: RawDialect.subprotocols
            case .sse, .signalr: [(name: String, encoding: Variant.Encoding)]()
            case .centrifuge: CentrifugeDialect.subprotocols
            }
        for name in offered {
            let own = known.first { $0.name.utf8.elementsEqual(name.utf8) }
            if let own { return (own.encoding, own.name) }
        }
        switch self {
        case .raw, .sse: return (.standard, nil)
        case .centrifuge: return (CentrifugeDialect.encoding(askedForBy: head), nil)
        case .signalr: return (.undecided, nil)
        }
    }

    /// The encoding that a plain request asks for.
    package func encoding(askedForBy head: RequestHead, at route: DialectRoute) -> Variant.Encoding {
        switch self {
        case .raw, .sse: .standard
        case .centrifuge: CentrifugeDialect.encoding(askedForBy: head, at: route)
        case .signalr: .undecided
        }
    }

    /// The first message of a client that sends it with its request, in the body or elsewhere; nil when it comes later.
    ///
    /// - Parameter body: Nil for a request that has none.
    /// - Throws: The refusal of a request that has to have one, or whose message cannot be.
    package func firstMessage(
        of head: RequestHead, body: [UInt8]?, at route: DialectRoute
    ) throws(HTTPError) -> [UInt8]? {
        switch self {
        case .raw, .sse, .signalr: nil
        case .centrifuge: try CentrifugeDialect.firstMessage(of: head, body: body, at: route)
        }
    }

    /// Commands that came in a request of their own.
    ///
    /// - Throws: The refusal of a request that says something else.
    package func commandRequest(_ head: RequestHead, _ body: [UInt8]) throws(HTTPError) -> CommandRequest {
        switch self {
        case .raw, .sse, .signalr: throw .badRequest("this dialect has no commands")
        case .centrifuge: try CentrifugeDialect.commandRequest(head, body)
        }
    }

    /// A publication that came in a request of its own.
    ///
    /// - Throws: The refusal of a request that says something else.
    package func publicationRequest(_ head: RequestHead, _ body: [UInt8]) throws(HTTPError) -> PublicationRequest {
        switch self {
        case .raw: try RawDialect.publicationRequest(head, body)
        case .sse, .centrifuge, .signalr:
            throw .badRequest("this dialect has no publications in requests of their own")
        }
    }

    /// How a client asks to connect.
    ///
    /// - Throws: The refusal of a request that says something else.
    package func negotiation(_ head: RequestHead, at route: DialectRoute) throws(HTTPError) -> Negotiation {
        switch self {
        case .signalr: try SignalRDialect.negotiation(head, at: route.hub)
        case .raw, .sse, .centrifuge: throw .badRequest("this dialect has no negotiations")
        }
    }

    /// Writes the body of the answer to that, in JSON.
    ///
    /// - Parameters:
    ///   - id: What others may know of the connection.
    ///   - token: What opens it.
    package func answer(_ negotiation: Negotiation, id: [UInt8], token: [UInt8], to writer: ByteWriter) {
        switch self {
        case .signalr: SignalRDialect.answer(negotiation, id: id, token: token, to: writer)
        case .raw, .sse, .centrifuge: break
        }
    }

    /// Names under which clients that cannot set headers have a token in the query.
    package var tokenParameters: [String] {
        switch self {
        case .signalr: ["access_token", "token"]
        case .raw, .sse, .centrifuge: ["token"]
        }
    }

    /// Parameters of the query that say who a client is, or open something.
    package var secretParameters: [String] {
        switch self {
        case .signalr: tokenParameters + ["id"]
        case .raw, .sse, .centrifuge: tokenParameters
        }
    }

    /// What a client got when it negotiated and shows now; nil where there is nothing to show.
    package func connectionToken(in head: RequestHead) -> String? {
        switch self {
        case .signalr: SignalRDialect.connectionToken(in: head)
        case .raw, .sse, .centrifuge: nil
        }
    }

    /// What the request asks for, in a dialect that logs in with it; nil in the others.
    ///
    /// - Throws: The refusal of a request that cannot be.
    package func opening(_ head: RequestHead) throws(HTTPError) -> OpeningRequest? {
        switch self {
        case .raw: try RawDialect.opening(head)
        case .sse: try SSEDialect.opening(head)
        case .centrifuge, .signalr: nil
        }
    }

    // MARK: Endings

    /// What a client that has to go is told.
    package func farewell(_ ending: Ending) -> Farewell {
        switch self {
        case .raw, .sse, .signalr: Farewell(plain: ending)
        case .centrifuge: CentrifugeDialect.farewell(ending)
        }
    }

    /// A refused command for the log: a word for `carillon_refusals_total` and a sentence; nil where it is nothing that
    /// operators want to know of.
    package func refusal(of failure: Failure) -> (kind: String, reason: String)? {
        switch self {
        case .raw, .sse: nil
        case .centrifuge: CentrifugeDialect.refusal(of: failure)
        case .signalr: SignalRDialect.refusal(of: failure)
        }
    }
}

extension Variant {
    /// Before the request is understood; what is written until then is HTTP.
    package static var undecided: Variant { Variant(.raw, over: .webSocket) }

    /// What the dialect is like over this transport.
    package var traits: DialectTraits {
        switch dialect {
        case .raw: RawDialect.traits
        case .sse: SSEDialect.traits
        case .centrifuge: CentrifugeDialect.traits(of: self)
        case .signalr: SignalRDialect.traits(of: self)
        }
    }

    // MARK: Publications

    /// - Parameter showsEpoch: Whether clients have not heard yet of the epoch of its position.
    @inline(__always)
    func write(_ publication: Publication, showsEpoch: Bool = false, to writer: ByteWriter) {
        switch dialect {
        case .raw: RawEncoder.write(publication, to: writer)
        case .sse: SSEEncoder.write(publication, to: writer)
        case .centrifuge:
            CentrifugeDialect.write(publication, showsEpoch: showsEpoch, as: self, to: writer)
        case .signalr: SignalRDialect.write(publication, as: self, to: writer)
        }
    }

    /// For subscribers with deltas, in a dialect that has them.
    ///
    /// - Parameter previous: The publication before it; nil where it has to be whole.
    /// - Returns: Whether it is a delta.
    func write(
        _ publication: Publication, after previous: Publication?, showsEpoch: Bool, scratch: ByteWriter,
        to writer: ByteWriter
    ) -> Bool {
        switch dialect {
        case .raw, .sse, .signalr:
            write(publication, to: writer)
            return false
        case .centrifuge:
            return CentrifugeDialect.write(
                publication, after: previous, showsEpoch: showsEpoch, as: self, scratch: scratch, to: writer)
        }
    }

    func write(
        _ change: PresenceChange, _ member: PresenceMember, in channel: ChannelName, to writer: ByteWriter
    ) {
        switch dialect {
        // They have no words for it.
        case .raw, .signalr: break
        case .sse: SSEEncoder.write(change, member, in: channel, to: writer)
        case .centrifuge: CentrifugeDialect.write(change, member, of: channel, as: self, to: writer)
        }
    }

    /// The most bytes one publication takes, by itself or in a reply.
    ///
    /// - Parameter hasDeltas: Whether it is for a subscriber with deltas.
    func maximumBytes(of publication: Publication, hasDeltas: Bool = false) -> Int {
        switch dialect {
        case .raw: RawEncoder.maximumBytes(publication)
        case .sse: SSEEncoder.maximumBytes(publication)
        case .centrifuge: CentrifugeDialect.maximumBytes(publication, hasDeltas: hasDeltas, in: encoding)
        case .signalr: SignalRDialect.maximumBytes(publication, in: encoding)
        }
    }

    /// The most bytes one member takes, when it comes, when it leaves and in a reply.
    package func maximumBytes(of member: PresenceMember) -> Int {
        switch dialect {
        case .raw, .signalr: 0
        case .sse: SSEEncoder.maximumBytes(member)
        case .centrifuge: CentrifugeDialect.maximumBytes(member, in: encoding)
        }
    }

    // MARK: Outcomes

    /// Writes what a client is told: nothing where the dialect has no words for it.
    package func write(_ outcome: Outcome, for reply: ReplyID = .none, to writer: ByteWriter) {
        switch dialect {
        case .raw: RawEncoder.write(outcome, to: writer)
        case .sse: SSEEncoder.write(outcome, to: writer)
        case .centrifuge: CentrifugeDialect.write(outcome, for: reply, as: self, to: writer)
        case .signalr: SignalRDialect.write(outcome, for: reply, as: self, to: writer)
        }
    }
}

extension Variant {
    /// Writes the last words: a close frame, or what another transport has for it.
    package func write(_ ending: Ending, _ farewell: Farewell, to writer: ByteWriter) {
        switch dialect {
        case .raw: FrameWriter.writeClose(farewell.code, reason: farewell.reason, to: writer)
        case .sse: SSEEncoder.write(ending, to: writer)
        case .centrifuge: CentrifugeDialect.write(farewell, as: self, to: writer)
        case .signalr: SignalRDialect.write(ending, farewell, as: self, to: writer)
        }
    }
}

// MARK: What operators see

extension Variant {
    /// How the messages follow one another that the client is sent.
    package var separation: MessageSeparation {
        switch (transport, encoding) {
        case (.webSocket, _): .frames
        case (_, .protobuf), (_, .messagePack): .lengths
        case (.eventStream, .standard), (.eventStream, .undecided): .events
        case (.stream, .standard), (.stream, .undecided): .lines
        case (.longPolling, .standard), (.longPolling, .undecided): .records
        }
    }

    /// A message of the client, or its beginning, without tokens.
    package func redacted(incoming message: [UInt8]) -> Redacted {
        switch dialect {
        case .raw, .sse: Redacted(message).withoutWebTokens()
        case .centrifuge: CentrifugeRedaction.incoming(message, in: encoding).withoutWebTokens()
        case .signalr: SignalRRedaction.incoming(message, in: encoding).withoutWebTokens()
        }
    }

    /// A message for the client, or its beginning, without tokens.
    package func redacted(outgoing message: [UInt8]) -> Redacted {
        switch dialect {
        case .raw, .sse, .signalr: Redacted(message).withoutWebTokens()
        case .centrifuge: CentrifugeRedaction.outgoing(message, as: self).withoutWebTokens()
        }
    }
}

/// A session's side of its dialect: takes what the client sent, one intent after the other.
package enum DialectMachine: Equatable {
    case raw
    case sse
    case centrifuge(CentrifugeMachine, CentrifugeEncoding)
    case signalr(SignalRMachine)

    /// Before the request is understood.
    package static var undecided: DialectMachine { .raw }

    /// - Parameter hub: The number of the session's hub, if its dialect has hubs.
    package init(_ variant: Variant, hub: UInt16 = 0) {
        switch variant.dialect {
        case .raw: self = .raw
        case .sse: self = .sse
        case .centrifuge:
            self = .centrifuge(
                CentrifugeMachine(isUnidirectional: variant.isUnidirectional), CentrifugeEncoding(variant.encoding))
        case .signalr: self = .signalr(SignalRMachine(hub: hub, isTextOnly: variant.transport == .eventStream))
        }
    }

    /// The next command of a message. The owner carries it out before it takes the next one.
    ///
    /// - Parameter hint: A channel that is likely to be named: then the name is used again instead of a copy.
    /// - Returns: Nil after the last one, or when the client was told to go before.
    package mutating func next(in message: inout IncomingMessage, hint: ChannelName?) -> Intent? {
        switch self {
        case .raw: return RawDialect.next(in: &message)
        case .sse: return nil
        case .centrifuge(var machine, let encoding):
            defer { self = .centrifuge(machine, encoding) }
            return machine.next(in: &message, as: encoding, hint: hint)
        case .signalr(var machine):
            defer { self = .signalr(machine) }
            return machine.next(in: &message)
        }
    }

    /// The number of the session's hub; nil where there is none.
    package var hub: UInt16? {
        if case .signalr(let machine) = self { machine.hub } else { nil }
    }

    /// Whether the client is known: at once where the request says who it is.
    package var isLoggedIn: Bool {
        switch self {
        case .raw, .sse: true
        case .centrifuge(let machine, _): machine.isConnected
        case .signalr(let machine): machine.isOpen
        }
    }

    /// Whether the verdict about a login is awaited.
    package var awaitsLogin: Bool {
        switch self {
        case .raw, .sse: false
        case .centrifuge(let machine, _): machine.isPending
        case .signalr(let machine): machine.isPending
        }
    }

    /// Whether a ping was sent and the dialect's answer to it has not come.
    package var awaitsPong: Bool {
        switch self {
        case .raw, .sse, .signalr: false
        case .centrifuge(let machine, _): machine.awaitsPong
        }
    }

    /// The login that was awaited is accepted.
    package mutating func loginAccepted() {
        switch self {
        case .raw, .sse: break
        case .centrifuge(var machine, let encoding):
            machine.accepted()
            self = .centrifuge(machine, encoding)
        case .signalr(var machine):
            machine.accepted()
            self = .signalr(machine)
        }
    }

    /// The login that was awaited is refused: the client may try again on the same connection.
    package mutating func loginRefused() {
        switch self {
        case .raw, .sse: break
        case .centrifuge(var machine, let encoding):
            machine.refused()
            self = .centrifuge(machine, encoding)
        case .signalr(var machine):
            machine.refused()
            self = .signalr(machine)
        }
    }

    /// We have sent a ping.
    package mutating func pinged() {
        switch self {
        case .raw, .sse, .signalr: break
        case .centrifuge(var machine, let encoding):
            machine.pinged()
            self = .centrifuge(machine, encoding)
        }
    }
}
