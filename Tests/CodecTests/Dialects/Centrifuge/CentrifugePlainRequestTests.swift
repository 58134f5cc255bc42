import Testing

@testable import Codec

/// What clients say with plain requests: their first message, and commands of streaming sessions.
@Suite struct CentrifugePlainRequestTests {
    static let key = CommandKey(node: NodeID(0xA1), locator: 0xB2, secret: .init(high: 0xC3, low: 0xD4))

    static func head(_ line: String, type: String = "application/json") throws -> RequestHead {
        let text = Array("\(line) HTTP/1.1\r\nHost: a\r\nContent-Type: \(type)\r\n\r\n".utf8)
        guard case .head(let head, _) = text.withUnsafeBytes({ RequestHeadParser.parse($0, limits: HTTPLimits()) })
        else {
            throw HTTPError(status: 400, code: "test", message: line)
        }
        return head
    }

    static func route(_ path: String) throws -> DialectRoute { try #require(Dialect.at(path: path)) }

    /// The first message of a request; the status of the refusal where there is none.
    static func first(_ line: String, _ body: String? = nil, type: String = "application/json") throws -> String {
        let head = try head(line, type: type)
        let route = try route(head.path)
        do {
            let message = try route.dialect.firstMessage(of: head, body: body.map { Array($0.utf8) }, at: route)
            return message.map { String(decoding: $0, as: UTF8.self) } ?? "-"
        } catch { return "\(error.status)" }
    }

    @Test(arguments: [
        ("POST /connection/http_stream", #"{"id":1,"connect":{}}"#, #"{"id":1,"connect":{}}"#),
        // What is wrong with it is said by the protocol.
        ("POST /connection/http_stream", "nonsense", "nonsense"), ("POST /connection/http_stream", "", "400"),
        ("GET /connection/sse?cf_connect=%7B%22a%22%3A1%7D", nil, #"{"a":1}"#), ("GET /connection/sse", nil, "400"),
        ("GET /connection/sse?cf_connect=", nil, "400"), ("POST /connection/sse?cf_connect=b", "a", "a"),
        ("POST /connection/uni_http_stream", "{}", "{}"), ("POST /connection/uni_http_stream", "null", "null"),
        ("POST /connection/uni_http_stream", "", "400"), ("POST /connection/uni_http_stream", "{}x", "400"),
        ("POST /connection/uni_http_stream", #"{"token":1}"#, "400"),
        ("GET /connection/uni_sse", nil, "{}"), ("GET /connection/uni_sse?cf_connect=[]", nil, "400"),
        ("GET /connection/uni_sse?cf_connect=%7B%22token%22%3A%22t%22%7D", nil, #"{"token":"t"}"#),
        ("GET /connection/uni_websocket", nil, "-"), ("GET /connection/uni_websocket?cf_connect={}", nil, "{}"),
        ("GET /connection/uni_websocket?cf_connect=x", nil, "400"),
        ("GET /connection/websocket?cf_connect=x", nil, "-"), ("GET /sse?channel=a&cf_connect=x", nil, "-"),
    ])
    func aFirstMessageComesWithTheRequest(_ line: String, _ body: String?, _ expected: String) throws {
        #expect(try Self.first(line, body) == expected)
    }

    @Test func onlyAStreamOfMessagesCanBeInProtobuf() throws {
        for (path, isOne) in [("http_stream", true), ("sse", false), ("uni_http_stream", false), ("uni_sse", false)] {
            for type in ["application/octet-stream", "Application/Octet-Stream; a=b", "application/json", "text/plain"]
            {
                let head = try Self.head("POST /connection/\(path)", type: type)
                let encoding = Dialect.centrifuge.encoding(askedForBy: head, at: try Self.route("/connection/\(path)"))
                #expect((encoding == .protobuf) == (isOne && type.lowercased().contains("octet")))
            }
        }
    }

    // MARK: Commands

    static func request(_ body: String, type: String = "application/json") throws -> CommandRequest {
        try Dialect.centrifuge.commandRequest(try head("POST /emulation", type: type), Array(body.utf8))
    }

    @Test func aKeyComesBack() {
        let key = Self.key
        #expect(String(decoding: key.session, as: UTF8.self) == "00000000000000b2-00000000000000c300000000000000d4")
        #expect(CommandKey(node: Array(key.node.description.utf8), session: key.session) == key)
        for count in 0..<key.session.count {
            #expect(
                CommandKey(node: Array(key.node.description.utf8), session: Array(key.session.prefix(count))) == nil)
        }
        #expect(CommandKey(node: [], session: key.session) == nil)
        #expect(key.secret.isSame(as: .init(high: 0xC3, low: 0xD4)))
        #expect(!key.secret.isSame(as: .init(high: 0xC3, low: 0)) && !key.secret.isSame(as: .init(high: 0, low: 0xD4)))
    }

    @Test func commandsAreATextInJSON() throws {
        let session = String(decoding: Self.key.session, as: UTF8.self)
        let node = Self.key.node.description
        let request = try Self.request(
            #"{"session":"\#(session)","x":[1],"node":"\#(node)","data":"{\"id\":2,\"a\":\"\\u00e9\"}\n{}"}"#)
        #expect(request.key == Self.key && request.encoding == .standard)
        #expect(String(decoding: request.message, as: UTF8.self) == "{\"id\":2,\"a\":\"\\u00e9\"}\n{}")
        // Nothing is said, which the session judges.
        #expect(try Self.request(#"{"session":"\#(session)","node":"\#(node)"}"#).message == [])
    }

    @Test func commandsAreBytesInProtobuf() throws {
        let fields: [(UInt8, [UInt8])] = [
            (0x12, Self.key.session), (0x0A, Array(Self.key.node.description.utf8)), (0x1A, [4, 8, 1, 0x22, 0]),
        ]
        let body = fields.flatMap { [$0.0, UInt8($0.1.count)] + $0.1 }
        let head = try Self.head("POST /emulation", type: "application/octet-stream")
        let request = try Dialect.centrifuge.commandRequest(head, body)
        #expect(request == CommandRequest(key: Self.key, encoding: .protobuf, message: [4, 8, 1, 0x22, 0]))
        // One that ends between two fields says less; without its key it is for nobody.
        let whole = body.count - 7
        for count in 0..<body.count where count != whole {
            #expect(throws: HTTPError.self) {
                try Dialect.centrifuge.commandRequest(head, Array(body.prefix(count)))
            }
        }
        #expect(try Dialect.centrifuge.commandRequest(head, Array(body.prefix(whole))).message == [])
    }

    @Test(arguments: [
        ("", 400), ("[]", 400), ("null", 400), ("{}", 404), (#"{"node":"a1","session":"b"}"#, 404),
        (#"{"data":{"id":1}}"#, 400), (#"{"data":1}"#, 400), (#"{"session":5}"#, 400), (#"{"data":"\ud800"}"#, 400),
        (#"{"node":"x"} {"#, 400), (#"{"node":null,"session":null,"data":null}"#, 404),
    ])
    func whatIsNoRequestIsRefused(_ body: String, _ status: Int) {
        do {
            _ = try Self.request(body)
            Issue.record("\(body) is taken")
        } catch { #expect((error as? HTTPError)?.status == status) }
    }

    // MARK: From node to node

    @Test(arguments: [Variant.Encoding.standard, .protobuf], [0, 1, 5000])
    func aRequestComesToItsNode(_ encoding: Variant.Encoding, _ count: Int) throws {
        let request = CommandRequest(key: Self.key, encoding: encoding, message: Array(repeating: 7, count: count))
        let question = request.question
        #expect(CommandRequest.isOne(question) && question.count == CommandRequest.headBytes + count)
        #expect(CommandRequest(question: question, to: Self.key.node) == request)
        for cut in 0..<CommandRequest.headBytes {
            #expect(CommandRequest(question: Array(question.prefix(cut)), to: Self.key.node) == nil)
        }
        #expect(!CommandRequest.isOne(Array("{}".utf8)) && !CommandRequest.isOne([]))
        #expect(CommandRequest(question: [1, 9] + Array(question.dropFirst(2)), to: Self.key.node) == nil)
    }

    @Test(arguments: [[0xFF], [0x7B, 0xC3], [0xED, 0xA0, 0x80]] as [[UInt8]])
    func textFromAnotherNodeIsText(_ message: [UInt8]) {
        for (encoding, isTaken) in [(Variant.Encoding.standard, false), (.protobuf, true)] {
            let question = CommandRequest(key: Self.key, encoding: encoding, message: message).question
            #expect((CommandRequest(question: question, to: Self.key.node) != nil) == isTaken)
        }
    }

    @Test func aVerdictIsOneByte() {
        for verdict in [CommandRequest.Verdict.taken, .unknown, .wrongEncoding, .tooMuch, .unreachable] {
            #expect(CommandRequest.verdict(in: [verdict.rawValue]) == verdict)
        }
        for bytes in [[], [0], [9], [1, 1], Array("{}".utf8)] as [[UInt8]] {
            #expect(CommandRequest.verdict(in: bytes) == nil)
        }
    }
}
