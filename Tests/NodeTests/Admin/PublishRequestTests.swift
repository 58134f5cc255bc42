import Codec
import Testing

@testable import Node

private func parse(_ text: String, messageBytes: Int = 1000) throws(APIError) -> PublishRequest {
    try PublishRequest.parse(Array(text.utf8), messageBytes: messageBytes)
}

private func refusal(_ text: String, messageBytes: Int = 1000) -> APIError? {
    do {
        _ = try parse(text, messageBytes: messageBytes)
        return nil
    } catch {
        return error
    }
}

@Suite struct PublishRequestTests {
    @Test func keepsJSONByteForByte() throws {
        let request = try parse(#"{"channel":"a","data": {"n" : 1.50, "s":"\u00e9"} }"#)
        #expect(request.payload == Array(#"{"n" : 1.50, "s":"\u00e9"}"#.utf8))
        #expect(request.kind == .json)
        #expect(request.target == .channels([ChannelName(trusted: Array("a".utf8))]))
    }

    @Test func takesEveryKindAndTarget() throws {
        #expect(try parse(#"{"all":true,"text":"a\nb"}"#).payload == Array("a\nb".utf8))
        #expect(try parse(#"{"all":true,"text":"x"}"#).target == .all)
        #expect(try parse(#"{"channels":["a","b"],"base64":"AAEC/w=="}"#).payload == [0, 1, 2, 255])
        let id = SessionID(node: NodeID(1), locator: 2, secret: .init(high: 3, low: 4))
        let request = try parse(#"{"connection":"\#(id)","data":null,"except":["\#(id)"],"idempotency_key":"k"}"#)
        #expect(request.target == .connection(id))
        #expect(request.except == [id])
        #expect(request.idempotencyKey == Array("k".utf8))
    }

    @Test func takesTags() throws {
        let tags = try PublicationTags(validating: [(Array("a".utf8), Array("1".utf8)), (Array("b".utf8), [])])
        let request = try parse(#"{"channel":"a","data":1,"tags":{"b":"","a":"1"}}"#)
        #expect(request.tags == tags && request.order.extras?.tags == tags)
        #expect(try parse(#"{"channel":"a","data":1,"tags":{}}"#).order.extras?.tags == nil)
        #expect(try parse(#"{"channel":"a","data":1,"tags":null}"#).order.extras == nil)
        #expect(try parse(#"{"channel":"a","data":1,"event":"é"}"#).order.extras?.event == Array("é".utf8))
        #expect(try parse(#"{"channel":"a","data":1,"event":null}"#).order.extras == nil)
        let many = (0...PublicationTags.maximumCount).map { "\"\($0)\":\"\"" }.joined(separator: ",")
        let refused = refusal(#"{"channel":"a","data":1,"tags":{\#(many)}}"#)
        #expect(refused?.message.contains("at most 32 tags") == true)
    }

    static let wrong: [(text: String, code: String)] = [
        ("", "invalid_json"), ("[]", "invalid_json"), ("{", "invalid_json"), ("{} x", "invalid_json"),
        (#"{"channel":"a","data":}"#, "invalid_json"), (#"{"channel":"a","data":01}"#, "invalid_json"),
        (#"{"channel":"a"}"#, "payload"), (#"{"data":1}"#, "target"),
        (#"{"channel":"a","all":true,"data":1}"#, "target"), (#"{"channel":"a","text":"x","data":1}"#, "payload"),
        (#"{"channel":"a b","data":1}"#, "invalid_channel"), (#"{"channel":"$all","data":1}"#, "invalid_channel"),
        (#"{"channel":"","data":1}"#, "invalid_channel"), (#"{"channel":5,"data":1}"#, "invalid_field"),
        (#"{"channels":[],"data":1}"#, "invalid_field"), (#"{"channels":["a",1],"data":1}"#, "invalid_field"),
        (#"{"all":false,"data":1}"#, "invalid_field"), (#"{"connection":"x","data":1}"#, "invalid_field"),
        (#"{"channel":"a","base64":"&"}"#, "invalid_field"), (#"{"channel":"a","base64":"AA"}"#, "invalid_field"),
        (#"{"channel":"a","data":1,"event":""}"#, "invalid_field"),
        (#"{"channel":"a","data":1,"event":7}"#, "invalid_field"),
        (#"{"channel":"a","data":1,"event":"a\nb"}"#, "invalid_field"),
        (#"{"channel":"a","data":1,"event":"\#(String(repeating: "x", count: 256))"}"#, "invalid_field"),
        (#"{"chanel":"a","data":1}"#, "unknown_field"), (#"{"channel":"a","data":1,"tags":[]}"#, "invalid_field"),
        (#"{"channel":"a","data":1,"tags":{"a":1}}"#, "invalid_field"),
        (#"{"channel":"a","data":1,"tags":{"":"x"}}"#, "invalid_field"),
    ]

    @Test(arguments: wrong)
    func refuses(text: String, code: String) {
        #expect(refusal(text)?.code == code)
    }

    @Test func nullIsNotSet() throws {
        let nulls = #""channels":null,"user":null,"connection":null,"all":null,"except":null,"idempotency_key":null"#
        #expect(refusal(#"{"channel":"a","text":"x","data":null,"base64":null,\#(nulls)}"#) == nil)
        let parsed = try PublishRequest.parse(
            Array(#"{"channel":"a","text":"x","data":null,\#(nulls)}"#.utf8), messageBytes: 100)
        #expect(parsed.kind == .text && parsed.payload == Array("x".utf8))
        #expect(parsed.target == .channels([ChannelName(trusted: Array("a".utf8))]))
        // By itself it is a value.
        let null = try PublishRequest.parse(Array(#"{"channel":"a","data":null}"#.utf8), messageBytes: 100)
        #expect(null.kind == .json && null.payload == Array("null".utf8))
        #expect(refusal(#"{"channel":null,"data":1}"#)?.code == "target")
        #expect(refusal(#"{"channel":"a","text":null}"#)?.code == "payload")
        #expect(refusal(#"{"channel":"a","data":1,"chanel":null}"#)?.code == "unknown_field")
        #expect(refusal(#"{"channel":"a","text":nul}"#)?.code == "invalid_field")
    }

    @Test func boundsTheMessage() {
        #expect(refusal(#"{"channel":"a","text":"12345"}"#, messageBytes: 5) == nil)
        #expect(refusal(#"{"channel":"a","text":"123456"}"#, messageBytes: 5)?.statusCode == 413)
    }
}

@Suite struct RoutesTests {
    @Test func knowsWhatIsPossibleWhere() {
        #expect(Routes.methods(for: "/api/v1/publish") == ["POST"])
        #expect(Routes.methods(for: "/api/v1/connections/abc/close") == ["POST"])
        #expect(Routes.methods(for: "/api/v1/channels/abc") == ["GET", "HEAD"])
        #expect(Routes.methods(for: "/nothing") == [])
        #expect(Routes.methods(for: "/") == ["GET", "HEAD"])
    }

    @Test func cursorsComeBack() {
        let cursor = ConnectionCursor(value: 7, id: "a/b+c?")
        #expect(PageCursor.decode(PageCursor.encode(cursor), as: ConnectionCursor.self) == cursor)
        #expect(PageCursor.decode("nonsense!", as: ConnectionCursor.self) == nil)
    }
}
