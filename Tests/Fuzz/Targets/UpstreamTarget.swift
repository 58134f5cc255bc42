@testable import Authentication
@testable import Codec
@testable import Node

/// What applications answer: to calls of hubs, to `rpc`, to hooks and to the connect hook. And what clients send, in the requests that are
/// made of it.
enum UpstreamTarget {
    @Sendable static func run(_ input: UnsafeRawBufferPointer) {
        // Nothing else is read.
        guard UTF8Validator.isValid(input) else { return }
        let body = Array(input)
        if let result = UpstreamAnswer.completion(body) { say(result) }
        if let result = UpstreamAnswer.rpc(body) { say(result) }
        if let claims = try? ConnectionClaims(answered: body) {
            for channel in claims.channels {
                expect(ChannelName.objection(to: channel.bytes) == nil, "'\(channel)' is not a channel")
                _ = claims.grants.permissions(in: channel)
            }
            for json in [claims.info, claims.meta].compactMap({ $0 }) {
                expect(json.withUnsafeBytes { JSONScanner.isValid($0) }, "info that is not JSON")
            }
        }
        _ = ConnectionClaims.text("reason", answered: body)
        asked(body)
    }

    /// The client is told of it, whatever it speaks.
    private static func say(_ result: CallResult) {
        switch result {
        case .json(let json): expect(json.withUnsafeBytes { JSONScanner.isValid($0) }, "a result that is not JSON")
        case .refused(let refusal):
            expect(refusal.message.utf8.count <= 3 * 255, "\(refusal.message.utf8.count) bytes of words")
            expect(
                refusal.message.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }, "control characters"
            )
        case .nothing, .bytes: break
        }
        let id = Array("1".utf8)
        let plain = ByteWriter()
        SignalREncoder.writeCompletion(id, result, over: .eventStream, to: plain)
        let lines = plain.bytes.filter { $0 == 0x0A || $0 == 0x0D }
        expect(lines.count == 2, "an event of several lines")
        let record = Array(plain.bytes.dropFirst("data: ".utf8.count).dropLast(3))
        expect(record.withUnsafeBytes { SignalRMessage(json: $0)?.kind } == .completion, "no completion in JSON")
        let packed = ByteWriter()
        SignalRPackedEncoder.writeCompletion(id, result, to: packed)
        expect(packed.count > 0, "no completion in MessagePack")
        for encoding in [Variant.Encoding.standard, .protobuf] {
            let writer = ByteWriter()
            Variant(.centrifuge, in: encoding, over: .webSocket).write(.called(result), for: ReplyID(1), to: writer)
            expect(writer.count > 0, "no reply")
        }
    }

    private static let hub = HubUpstream(
        name: "chat", template: "http://app.example.com/{hub}/{category}/{event}", keys: [Array("key".utf8)])

    private static func asked(_ text: [UInt8]) {
        let arguments = text.withUnsafeBytes { JSONScanner.isValid($0) } ? text : Array("[]".utf8)
        let user = ForeignText(String(decoding: text, as: UTF8.self))
        let kinds: [UpstreamCall.Kind] = [
            .invocation(method: text, id: text, arguments: arguments), .connected, .disconnected(error: user.text),
            .rpc(method: text, data: text, isJSON: false, dialect: "centrifuge"),
            .rpc(method: text, data: arguments, isJSON: true, dialect: "centrifuge"),
        ]
        for kind in kinds {
            let call = UpstreamCall(kind: kind, endpoint: .rpc, connection: "0-0-0", user: user)
            guard let request = hub.request(call) else {
                expect(call.body.withUnsafeBytes { JSONScanner.isValid($0) }, "a request that is not JSON")
                continue
            }
            expect(request.body.withUnsafeBytes { JSONScanner.isValid($0) }, "a request that is not JSON")
            expect(request.url.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }, "'\(request.url)' is no URL")
            expect(request.url.utf8.count { $0 == UInt8(ascii: "/") } == 5, "'\(request.url)' is another place")
            for header in request.headers {
                expect(header.value.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F }, "a header of several lines")
            }
        }
    }
}
