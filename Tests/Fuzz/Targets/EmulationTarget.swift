@testable import Codec
@testable import Node

/// Requests with commands in JSON and in Protobuf, first messages of streams, and requests on their way between nodes.
enum EmulationTarget {
    @Sendable static func run(_ input: UnsafeRawBufferPointer) {
        let body = Array(input)
        for type in ["application/json", "application/octet-stream"] {
            guard let head = head("POST /emulation", type) else { return expect(false, "our own head is refused") }
            guard let request = try? Dialect.centrifuge.commandRequest(head, body) else { continue }
            expect(request.message.count <= body.count, "the commands are longer than the body")
            let question = request.question
            expect(CommandRequest.isOne(question), "no other node would take it")
            expect(CommandRequest(question: question, to: request.key.node) == request, "it comes as another one")
            expect(
                CommandKey(node: Array(request.key.node.description.utf8), session: request.key.session) == request.key,
                "another key")
        }
        if let request = CommandRequest(question: body, to: NodeID(1)) {
            expect(request.question == body, "a question is another one when it is written again")
        }
        if let verdict = CommandRequest.verdict(in: body) { expect([verdict.rawValue] == body, "another verdict") }
        polls(body)
        connects(body)
    }

    /// Requests for what waits, on their way between nodes, and answers to them; and where answers may be cut.
    private static func polls(_ body: [UInt8]) {
        if let request = PollRequest(body) {
            expect(request.bytes == body, "a request is another one when it is written again")
            expect(!CommandRequest.isOne(body), "it is taken for commands")
        }
        if let answer = PollAnswer(body) { expect(answer.bytes == body, "an answer is another one") }
        for separation in [MessageSeparation.records, .lengths, .frames] {
            for most in [-1, 0, 1, 7, 64, body.count] {
                let end = body.withUnsafeBytes { separation.end(in: $0, most: most) }
                expect(end <= body.count && (end > 0 || body.isEmpty), "\(end) of \(body.count) bytes")
            }
        }
    }

    /// What is taken as a connect request is one for the machine too.
    private static func connects(_ body: [UInt8]) {
        guard let route = Dialect.at(path: "/connection/uni_http_stream"),
            let head = head("POST /connection/uni_http_stream", "application/json"), let variant = route.variant(),
            let message = try? route.dialect.firstMessage(of: head, body: body, at: route)
        else { return }
        message.withUnsafeBytes { bytes in
            var machine = DialectMachine(variant)
            var incoming = IncomingMessage(bytes, isText: true, commandBytes: bytes.count)
            switch machine.next(in: &incoming, hint: nil) {
            case .connect(let connect)?:
                expect(connect.wanted.count <= CentrifugeRequest.maximumKnown, "too many channels")
            case .end(.notAvailable)?, .end(.malformed)?: break
            default: expect(false, "it is neither taken nor refused")
            }
            if case .some = machine.next(in: &incoming, hint: nil) { expect(false, "something follows") }
        }
    }

    private static func head(_ line: String, _ type: String) -> RequestHead? {
        let text = Array("\(line) HTTP/1.1\r\nHost: a\r\nContent-Type: \(type)\r\n\r\n".utf8)
        guard case .head(let head, _) = text.withUnsafeBytes({ RequestHeadParser.parse($0, limits: HTTPLimits()) })
        else {
            return nil
        }
        return head
    }
}
