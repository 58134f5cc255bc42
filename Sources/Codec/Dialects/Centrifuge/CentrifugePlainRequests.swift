/// What clients say with plain requests: their first message, and commands of sessions whose connection carries none (Centrifuge
/// client protocol v2, bidirectional emulation: client.proto, EmulationRequest).
extension CentrifugeDialect {
    /// The encoding of a stream of messages is that of its request. Events are text.
    static func encoding(askedForBy head: RequestHead, at route: DialectRoute) -> Variant.Encoding {
        guard route.use == .session(.stream, isUnidirectional: false) else { return .standard }
        return isProtobuf(head) ? .protobuf : .standard
    }

    private static func isProtobuf(_ head: RequestHead) -> Bool {
        guard let type = head.header("content-type") else { return false }
        let end = type.utf8.firstIndex(of: UInt8(ascii: ";")) ?? type.utf8.endIndex
        return FieldText.isSame(FieldText.trimmed(type.utf8[..<end]), lower: "application/octet-stream".utf8)
    }

    /// In the body, or where a request cannot have one in the query.
    static func firstMessage(
        of head: RequestHead, body: [UInt8]?, at route: DialectRoute
    ) throws(HTTPError) -> [UInt8]? {
        guard case .session(let transport, let isUnidirectional) = route.use else { return nil }
        var message = body
        if message == nil, let named = head.query.first(where: { $0.name.utf8.elementsEqual("cf_connect".utf8) }) {
            message = Array(named.value.utf8)
        }
        if transport == .webSocket {
            // It may come in a frame.
            guard isUnidirectional, let message else { return nil }
            guard isConnect(message) else { throw .badConnect }
            return message
        }
        if message == nil, isUnidirectional { return Array("{}".utf8) }
        guard let message, !message.isEmpty else {
            throw HTTPError(
                status: 400, code: "connect_missing",
                message: "the request has no connect: it belongs into the body, or into the query as cf_connect")
        }
        guard
            encoding(askedForBy: head, at: route) == .protobuf
                || message.withUnsafeBytes({ UTF8Validator.isValid($0) }),
            !isUnidirectional || isConnect(message)
        else { throw .badConnect }
        return message
    }

    private static func isConnect(_ message: [UInt8]) -> Bool {
        message.withUnsafeBytes { UTF8Validator.isValid($0) && CentrifugeRequest(connect: $0) != nil }
    }

    static func commandRequest(_ head: RequestHead, _ body: [UInt8]) throws(HTTPError) -> CommandRequest {
        let encoding: Variant.Encoding = isProtobuf(head) ? .protobuf : .standard
        let emulation = body.withUnsafeBytes { encoding == .protobuf ? Emulation(protobuf: $0) : Emulation($0) }
        guard let emulation else {
            throw HTTPError(
                status: 400, code: "bad_request",
                message: "the body has to be an EmulationRequest: node, session, and data, which is a text of commands")
        }
        guard let key = CommandKey(node: emulation.node, session: emulation.session) else { throw .unknownSession }
        return CommandRequest(key: key, encoding: encoding, message: emulation.data)
    }

    /// EmulationRequest. Fields that nobody knows are stepped over.
    struct Emulation {
        private(set) var node: [UInt8] = []
        private(set) var session: [UInt8] = []
        private(set) var data: [UInt8] = []

        init?(_ body: UnsafeRawBufferPointer) {
            guard UTF8Validator.isValid(body) else { return nil }
            var read = (node: [UInt8](), session: [UInt8](), data: [UInt8]())
            func set(_ field: inout [UInt8], _ text: [UInt8]?) -> Bool {
                guard let text else { return false }
                field = text
                return true
            }
            var scanner = JSONScanner(body)
            let isWhole = scanner.members { key, scanner in
                guard scanner.next != UInt8(ascii: "n") else { return scanner.skipValue() }
                if key.isEqual(to: "node") { return set(&read.node, scanner.text()) }
                if key.isEqual(to: "session") { return set(&read.session, scanner.text()) }
                if key.isEqual(to: "data") { return set(&read.data, scanner.text()) }
                return scanner.skipValue()
            }
            guard isWhole, scanner.isAtEnd else { return nil }
            (node, session, data) = read
        }

        init?(protobuf body: UnsafeRawBufferPointer) {
            var read = (node: [UInt8](), session: [UInt8](), data: [UInt8]())
            func set(_ field: inout [UInt8], _ bytes: UnsafeRawBufferPointer?) -> Bool {
                guard let bytes else { return false }
                field = Array(bytes)
                return true
            }
            var reader = ProtobufReader(body)
            let isWhole = reader.fields { field, reader in
                switch field.number {
                case 1: set(&read.node, reader.text(field))
                case 2: set(&read.session, reader.text(field))
                case 3: set(&read.data, reader.bytes(field))
                default: reader.skip(field)
                }
            }
            guard isWhole else { return nil }
            (node, session, data) = read
        }
    }

    /// A client that is refused before its stream begins, where a status would keep a browser from coming back.
    static func writeRefusal(_ error: HTTPError, in carrier: CentrifugeCarrier, to writer: ByteWriter) {
        let ending = CentrifugeDisconnect.connectionClosed
        CentrifugeEncoder.writeDisconnectPush(
            code: ending.code, reason: error.message, isReconnectWelcome: true, in: carrier, to: writer)
    }
}

extension CentrifugeRequest {
    /// ConnectRequest by itself, as clients without commands send it. Nothing at all (`null`) is an empty one.
    init?(connect message: UnsafeRawBufferPointer) {
        self.init()
        keepsAllKnown = true
        var scanner = JSONScanner(message)
        guard scanner.next == UInt8(ascii: "n") ? scanner.skipValue() : read(&scanner), scanner.isAtEnd else {
            return nil
        }
    }
}

extension HTTPError {
    fileprivate static var badConnect: HTTPError { .badRequest("the connect request is malformed") }
    fileprivate static var unknownSession: HTTPError {
        HTTPError(status: 404, code: "unknown_session", message: "there is no such session")
    }
}
