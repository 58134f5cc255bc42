import Testing

@testable import Codec

/// No token gets past, whatever the message around it is like, and nothing else is hidden.
@Suite struct RedactionTests {
    private static let json = Variant(.centrifuge, over: .webSocket)
    private static let protobuf = Variant(.centrifuge, in: .protobuf, over: .webSocket)
    private static let lines = Variant(.centrifuge, over: .stream)

    private func incoming(_ text: String, as variant: Variant = json) -> String {
        String(decoding: variant.redacted(incoming: Array(text.utf8)).bytes, as: UTF8.self)
    }

    @Test(arguments: [
        (
            #"{"id":1,"connect":{"token":"SECRET","name":"js"}}"#,
            #"{"id":1,"connect":{"token":"[redacted]","name":"js"}}"#
        ),
        (#"{"connect":{"name":"js", "token" : "SECRET" }}"#, #"{"connect":{"name":"js", "token" : "[redacted]" }}"#),
        (#"{"subscribe":{"channel":"a","token":"SEC\"RET"}}"#, #"{"subscribe":{"channel":"a","token":"[redacted]"}}"#),
        (#"{"refresh":{"to\u006ben":"SECRET"}}"#, #"{"refresh":{"to\u006ben":"[redacted]"}}"#),
        (#"{"sub_refresh":{"token":"SECRET"}}"#, #"{"sub_refresh":{"token":"[redacted]"}}"#),
        (#"{"connect":{"subs":{"a":{"token":"SECRET"}}}}"#, #"{"connect":{"subs":{"a":{"token":"[redacted]"}}}}"#),
        (
            #"{"connect":{"headers":{"Authorization":"Bearer SECRET","Cookie":"a"},"name":"js"}}"#,
            #"{"connect":{"headers":"[redacted]","name":"js"}}"#
        ),
        (
            "{\"id\":1,\"connect\":{\"token\":\"SECRET\"}}\n{\"id\":2}",
            "{\"id\":1,\"connect\":{\"token\":\"[redacted]\"}}\n{\"id\":2}"
        ),
        // Malformed, and cut.
        (#"{"connect":{"token":"SECR"#, #"{"connect":{"token":"[redacted]""#),
        (#"{"token":SECRET}"#, #"{"token":"[redacted]"}"#),
        (#"{"token":["SECRET",{"a":"}"}],"b":1}"#, #"{"token":"[redacted]","b":1}"#),
        (#"{"token":"#, #"{"token":"#), (#"{"token"#, #"{"token"#), ("\"", "\""), ("", ""), ("\\", "\\"),
        ("\"\\", "\"\\"),
        // What only looks like it.
        (#"{"publish":{"channel":"token","data":"token"}}"#, #"{"publish":{"channel":"token","data":"token"}}"#),
        (#"{"tokens":"a","Token":"b"}"#, #"{"tokens":"a","Token":"b"}"#),
    ])
    func jsonCommands(_ text: String, _ expected: String) {
        #expect(incoming(text) == expected)
        #expect(Self.json.redacted(incoming: Array(text.utf8)).isChanged == (text != expected))
    }

    /// Wherever a message is cut, no part of the token is in it.
    @Test func everyBeginning() {
        let text = Array(#"{"id":1,"connect":{"token":"SECRET","headers":{"Cookie":"SECRET"}}}"#.utf8)
        for count in 0...text.count {
            let shown = incoming(String(decoding: text[..<count], as: UTF8.self))
            #expect(!shown.contains("SE"), "\(count): \(shown)")
        }
    }

    private static let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl_-"

    /// What looks like a JSON Web Token is one, in whatever payload it is.
    @Test(arguments: [Variant(.raw, over: .webSocket), json, Variant(.sse, over: .eventStream)])
    func webTokensAnywhere(_ variant: Variant) {
        let text = "hello \(Self.token), and more"
        #expect(incoming(text, as: variant) == "hello [redacted], and more")
        let out = variant.redacted(outgoing: Array(text.utf8))
        #expect(String(decoding: out.bytes, as: UTF8.self) == "hello [redacted], and more" && out.isChanged)
        // Cut by the end.
        for count in 8..<Self.token.utf8.count {
            #expect(incoming("x " + Self.token.prefix(count), as: variant) == "x [redacted]")
        }
        #expect(incoming("eyJ is how they begin: eyJ.a", as: variant) == "eyJ is how they begin: eyJ.a")
    }

    // MARK: Protobuf

    private static func field(_ number: UInt8, _ bytes: [UInt8]) -> [UInt8] {
        [number << 3 | 2, UInt8(bytes.count)] + bytes
    }

    private static func delimited(_ bytes: [UInt8]) -> [UInt8] { [UInt8(bytes.count)] + bytes }

    private static let secret = Array("SECRET".utf8)

    @Test func protobufCommands() {
        let subscribe = Self.field(1, Array("a".utf8)) + Self.field(2, Self.secret)
        let entry = Self.field(1, Array("a".utf8)) + Self.field(2, subscribe)
        let header = Self.field(1, Array("Cookie".utf8)) + Self.field(2, Self.secret)
        for command in [
            Self.field(4, Self.field(1, Self.secret)), Self.field(4, Self.field(3, entry)),
            Self.field(4, Self.field(6, header)), Self.field(5, subscribe), Self.field(14, Self.field(1, Self.secret)),
            Self.field(15, Self.field(1, Array("a".utf8)) + Self.field(2, Self.secret)),
            // Two methods, of which one is carried out.
            Self.field(7, Self.field(1, Array("a".utf8))) + Self.field(4, Self.field(1, Self.secret)),
        ] {
            let message = Self.delimited([8, 1] + command) + Self.delimited([8, 2])
            let redacted = Self.protobuf.redacted(incoming: message)
            #expect(redacted.isChanged && redacted.bytes.count == message.count)
            #expect(!String(decoding: redacted.bytes, as: UTF8.self).contains("SECRET"))
            #expect(String(decoding: redacted.bytes, as: UTF8.self).contains("******"))
        }
        let publish = Self.delimited(
            [8, 1] + Self.field(7, Self.field(1, Array("a".utf8)) + Self.field(2, Array("hello".utf8))))
        #expect(Self.protobuf.redacted(incoming: publish) == Redacted(publish))
        // A pong.
        #expect(Self.protobuf.redacted(incoming: [0]) == Redacted([0]))
    }

    /// Where nobody knows what it is, nobody knows where the token is.
    @Test func whatIsNoProtobufIsWithheld() {
        let message = Self.delimited([8, 1] + Self.field(4, Self.field(1, Self.secret)))
        for count in 1..<message.count {
            #expect(Self.protobuf.redacted(incoming: Array(message[..<count])) == .withheld)
        }
        #expect(Self.protobuf.redacted(incoming: Self.secret) == .withheld)
        #expect(Self.protobuf.redacted(incoming: []) == Redacted([]))
    }

    /// What opens a session to commands in requests of their own.
    @Test func sessionKeys() {
        let reply = Array(#"{"id":1,"connect":{"client":"c","session":"SECRET"}}"#.utf8)
        let redacted = Self.lines.redacted(outgoing: reply)
        #expect(
            String(decoding: redacted.bytes, as: UTF8.self)
                == #"{"id":1,"connect":{"client":"c","session":"[redacted]"}}"#)
        // One WebSocket carries both directions, and there is nothing to open.
        #expect(Self.json.redacted(outgoing: reply) == Redacted(reply))
        let binary = Self.delimited([8, 1] + Self.field(5, Self.field(1, [99]) + Self.field(9, Self.secret)))
        let variant = Variant(.centrifuge, in: .protobuf, over: .stream)
        let shown = variant.redacted(outgoing: binary)
        #expect(shown.isChanged && !String(decoding: shown.bytes, as: UTF8.self).contains("SECRET"))
        #expect(variant.redacted(outgoing: Array(binary.dropLast())) == .withheld)
    }
}
