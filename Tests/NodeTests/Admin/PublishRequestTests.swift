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
        (#"{"chanel":"a","data":1}"#, "unknown_field"),
    ]

    @Test(arguments: wrong)
    func refuses(text: String, code: String) {
        #expect(refusal(text)?.code == code)
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
        #expect(Routes.methods(for: "/api/v1/channels/abc") == ["GET"])
        #expect(Routes.methods(for: "/nothing") == [])
        #expect(Routes.methods(for: "/") == ["GET"])
    }

    @Test func cursorsComeBack() {
        let cursor = ConnectionCursor(backlog: 7, id: "a/b+c?")
        #expect(PageCursor.decode(PageCursor.encode(cursor), as: ConnectionCursor.self) == cursor)
        #expect(PageCursor.decode("nonsense!", as: ConnectionCursor.self) == nil)
    }
}
