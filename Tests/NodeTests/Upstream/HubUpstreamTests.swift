import Codec
import Foundation
import Testing

@testable import Node

/// What is sent to a hub's upstream endpoint, and what is read of its answers.
@Suite struct HubUpstreamTests {
    static let hub = HubUpstream(
        name: "chat", template: "http://app/{hub}/{category}/{event}?code=1",
        keys: [Array("key".utf8), Array("old".utf8)])

    static func call(_ kind: UpstreamCall.Kind, user: String? = nil) -> UpstreamCall {
        UpstreamCall(
            kind: kind, endpoint: .hub(1), connection: kind.isHubs ? "node-4f3c" : "4f3c",
            user: user.map { ForeignText($0) }, negotiated: "4f3c")
    }

    static func shown(_ target: String, _ claims: String? = nil) throws -> ShownClient {
        let bytes = Array("GET \(target) HTTP/1.1\r\nHost: a\r\n\r\n".utf8)
        let parsed = bytes.withUnsafeBytes { RequestHeadParser.parse($0, limits: HTTPLimits()) }
        guard case .head(let head, _) = parsed else { throw CancellationError() }
        // Whether it is signed was looked at before.
        let token = claims.map { "eyJhbGciOiJIUzI1NiJ9." + Self.base64URL($0) + ".eA" }
        return ShownClient(head, token: token, hiding: ["access_token", "id"])
    }

    private static func base64URL(_ text: String) -> String {
        Data(text.utf8).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
            .replacing("=", with: "")
    }

    /// Claims are separated by commas, so none may bring one along.
    @Test func whatIsKnownOfTheClient() throws {
        let shown = try Self.shown(
            "/client/?hub=chat&id=x&access_token=y&room=1%2C2",
            #"{"aud":"x","nameid":"ann","name":"Ann, role: admin\r\nx: 1","role":["a","b"]}"#)
        #expect(shown.claims == "name: Ann%2C role: admin%0D%0Ax: 1, nameid: ann, role: a, role: b")
        #expect(shown.query == "?hub=chat&room=1%2C2")
        let bare = try Self.shown("/chat?id=x")
        #expect(bare.claims == nil && bare.query == nil)
        var call = Self.call(.connected)
        (call.claims, call.query) = (shown.claims, shown.query)
        let headers = try #require(Self.hub.request(call)).headers
        let known = Dictionary(uniqueKeysWithValues: headers.map { ($0.name, $0.value) })
        #expect(known["x-asrs-user-claims"] == shown.claims && known["x-asrs-client-query"] == shown.query)
        #expect(known["x-asrs-connection-id"] == "4f3c" && known["x-carillon-connection"] == "node-4f3c")
    }

    static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test func anInvocation() throws {
        let call = Self.call(
            .invocation(method: Array("Say\"é".utf8), id: Array("7".utf8), arguments: Array("[1,\"a\"]".utf8)),
            user: "ann")
        let request = try #require(Self.hub.request(call))
        #expect(request.url == "http://app/chat/messages/Say%22%C3%A9?code=1")
        #expect(Self.text(request.body) == #"{"type":1,"invocationId":"7","target":"Say\"é","arguments":[1,"a"]}"#)
        let headers = Dictionary(uniqueKeysWithValues: request.headers.map { ($0.name, $0.value) })
        #expect(headers["x-asrs-hub"] == "chat" && headers["x-asrs-category"] == "messages")
        #expect(headers["x-asrs-event"] == "Say\"é" && headers["x-asrs-user-id"] == "ann")
        #expect(headers["x-asrs-connection-id"] == "4f3c" && headers["content-type"] == "application/json")
        // printf 4f3c | openssl dgst -sha256 -hmac key, and -hmac old
        #expect(
            headers["x-asrs-signature"]
                == "sha256=82ab604aa785009225e1cd541383f711284f7ddff1d7bda7a5f3a723bb9a1c92,sha256=f5b7fa46f7bcfd3235fe454d6d35b343d84a73bb6b6b38734ff3d0c9b23bbfcb"
        )
    }

    @Test func connectionsComeAndGo() throws {
        let came = try #require(Self.hub.request(Self.call(.connected)))
        #expect(came.url == "http://app/chat/connections/connected?code=1" && Self.text(came.body) == #"{"type":10}"#)
        #expect(!came.headers.contains { $0.name == "x-asrs-user-id" })
        let left = try #require(Self.hub.request(Self.call(.disconnected(error: nil))))
        #expect(left.url == "http://app/chat/connections/disconnected?code=1")
        #expect(Self.text(left.body) == #"{"type":11,"error":null}"#)
        let cut = try #require(Self.hub.request(Self.call(.disconnected(error: "slow \"one\""))))
        #expect(Self.text(cut.body) == #"{"type":11,"error":"slow \"one\""}"#)
    }

    @Test(
        arguments: [
            ("a/../b", "a%2F..%2Fb"), ("..", "%2E%2E"), (".", "%2E"), ("a.b", "a.b"), ("x?y#z", "x%3Fy%23z"),
            ("{hub}", "%7Bhub%7D"),
            ("a b\r\n", "a%20b%0D%0A"),
        ] as [(String, String)])
    func namesStayInTheirPlace(_ event: String, _ encoded: String) {
        let url = UpstreamTemplate("http://app/{event}/{x").url(hub: [], category: "", event: Array(event.utf8))
        #expect(url == "http://app/\(encoded)/{x")
    }

    @Test func noHeaderHasControlCharacters() throws {
        let call = Self.call(
            .invocation(method: Array("a\r\nx-evil: 1".utf8), id: nil, arguments: Array("[]".utf8)), user: "b\nc")
        let request = try #require(Self.hub.request(call))
        #expect(request.headers.allSatisfy { $0.value.utf8.allSatisfy { $0 >= 0x20 } })
        #expect(Self.text(request.body) == #"{"type":1,"target":"a\r\nx-evil: 1","arguments":[]}"#)
    }

    static let answers: [(String, CallResult?)] = [
        ("", .nothing), (" \n", .nothing), ("\u{1E}", .nothing), ("5", .json(Array("5".utf8))),
        ("[1,2]", .json(Array("[1,2]".utf8))), (#"{"a":1}"#, .json(Array(#"{"a":1}"#.utf8))),
        ("{\"type\":3,\"invocationId\":\"1\",\"result\":{\"a\":1}}\u{1E}", .json(Array(#"{"a":1}"#.utf8))),
        (#"{"type":3,"result":null}"#, .nothing), (#"{"type":3}"#, .nothing),
        (#"{"type":1}"#, .json(Array(#"{"type":1}"#.utf8))),
        (#"{"type":"3"}"#, .json(Array(#"{"type":"3"}"#.utf8))), (#"{"type":30}"#, .json(Array(#"{"type":30}"#.utf8))),
        (#"{"type":3,"error":"no \u001b[1m"}"#, .refused(.init(code: 100, message: "no [1m", isTemporary: false))),
        ("{", nil), ("{}{}", nil), ("not JSON", nil), (String(repeating: "[", count: 100), nil),
    ]

    @Test(arguments: answers)
    func completions(_ body: String, _ result: CallResult?) {
        #expect(UpstreamAnswer.completion(Array(body.utf8)) == result)
    }

    @Test(
        arguments: [
            (#"{"result":{"data":{"a":1}}}"#, .json(Array(#"{"a":1}"#.utf8))), (#"{"result":{}}"#, .nothing),
            ("{}", .nothing),
            (#"{"result":null}"#, .nothing), (#"{"result":{"data":null}}"#, .json(Array("null".utf8))),
            (#"{"result":{"b64data":"AAE="}}"#, .bytes([0, 1])), (#"{"result":{"b64data":"?"}}"#, nil),
            (
                #"{"error":{"code":1001,"message":"no","temporary":true}}"#,
                .refused(.init(code: 1001, message: "no", isTemporary: true))
            ),
            (#"{"error":{"code":0}}"#, .refused(.init(code: 1, message: "", isTemporary: false))),
            (
                #"{"error":{"code":99999999999999},"result":{"data":1}}"#,
                .refused(.init(code: .max, message: "", isTemporary: false))
            ),
            (#"{"error":{"code":-1}}"#, nil), ("[]", nil), ("", nil), (#"{"result":1}"#, nil), ("{}x", nil),
        ] as [(String, CallResult?)])
    func remoteCalls(_ body: String, _ result: CallResult?) {
        #expect(UpstreamAnswer.rpc(Array(body.utf8)) == result)
    }

    @Test func bodiesOfRemoteCalls() {
        let json = Self.call(
            .rpc(method: Array("m".utf8), data: Array("{\"a\":1}".utf8), isJSON: true, dialect: "centrifuge"),
            user: "ann"
        ).body
        #expect(
            Self.text(json)
                == #"{"client":"4f3c","transport":"websocket","protocol":"centrifuge","encoding":"json","user":"ann","method":"m","data":{"a":1}}"#
        )
        let bytes = Self.call(.rpc(method: [], data: [0, 1], isJSON: false, dialect: "centrifuge")).body
        #expect(
            Self.text(bytes)
                == #"{"client":"4f3c","transport":"websocket","protocol":"centrifuge","encoding":"binary","method":"","b64data":"AAE="}"#
        )
        let channel = ChannelName(trusted: Array("a\"b".utf8))
        #expect(
            Self.text(Self.call(.publish(channel, data: Array("1".utf8), isJSON: true, dialect: "raw")).body)
                == #"{"client":"4f3c","transport":"websocket","protocol":"raw","encoding":"json","channel":"a\"b","data":1}"#
        )
        #expect(
            Self.text(Self.call(.subscribe(channel, dialect: "signalr")).body)
                == #"{"client":"4f3c","transport":"websocket","protocol":"signalr","encoding":"json","channel":"a\"b"}"#
        )
    }
}

extension UpstreamCall.Kind {
    /// Whether it is about a client of a hub.
    fileprivate var isHubs: Bool {
        switch self {
        case .invocation, .connected, .disconnected: true
        case .rpc, .publish, .subscribe: false
        }
    }
}
