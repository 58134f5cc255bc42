import Codec
import Testing

/// Clients that say one thing, what they want to hear.
@Suite struct CentrifugeUnidirectionalTests {
    static let variants = [
        Variant(.centrifuge, over: .webSocket, isUnidirectional: true),
        Variant(.centrifuge, over: .eventStream, isUnidirectional: true),
        Variant(.centrifuge, over: .stream, isUnidirectional: true),
    ]

    /// Gives messages to a session's side of its dialect, and accepts its login.
    static func words(_ messages: [(text: String, isText: Bool)], limit: Int = 1000) -> [String] {
        var machine = DialectMachine(variants[0])
        return messages.map { text, isText in
            Array(text.utf8).withUnsafeBytes { bytes in
                var message = IncomingMessage(bytes, isText: isText, commandBytes: limit)
                var found: [String] = []
                while let intent = machine.next(in: &message, hint: nil) {
                    found.append(CentrifugeMachineTests.words(intent))
                    machine.loginAccepted()
                }
                return found.joined(separator: ", ")
            }
        }
    }

    @Test(arguments: [
        ("{}", "connect 0 - - - -"), ("null", "connect 0 - - - -"),
        (#"{"token":"t","name":"n","version":"v","data":{"a":1}}"#, #"connect 0 t n v {"a":1}"#),
        (#"{"subs":{"a":{},"b":{"recover":true,"epoch":"e","offset":2}}}"#, "connect 0 - - - - wants a wants b"),
        // Names that cannot be are none it can have.
        (#"{"subs":{"$all":{},"a b":{},"c":null,"d":{}}}"#, "connect 0 - - - - wants d"),
        (#"{"headers":{"X-A":"b"}}"#, "connect 0 - - - - x-a: b"), (#"{"headers":{" ":"b"}}"#, "disconnect 3501"),
        ("", "disconnect 3501"), ("{", "disconnect 3501"), ("[]", "disconnect 3501"), ("{}{}", "disconnect 3501"),
        (#"{"id":1,"connect":{"token":"t"}}"#, "connect 0 - - - -"), (#"{"token":5}"#, "disconnect 3501"),
        (#"{"subs":{"a":{"type":1}}}"#, "disconnect 3508"),
    ])
    func theFirstMessageIsAConnectRequest(_ text: String, _ expected: String) {
        #expect(Self.words([(text, true)]) == [expected])
    }

    @Test func whatFollowsMeansNothing() {
        let later = [("{}", true), ("", false), (#"{"id":1,"publish":{}}"#, true)]
        #expect(Self.words([("{}", true)] + later) == ["connect 0 - - - -", "nothing", "nothing", "nothing"])
    }

    @Test func aFirstMessageOfAnotherKindOrTooLongEndsTheSession() {
        #expect(Self.words([("{}", false), ("{}", true)]) == ["disconnect 3506", ""])
        #expect(Self.words([("{}", true)], limit: 1) == ["disconnect 3501"])
    }

    static func written(_ variant: Variant, _ outcome: Outcome) -> String {
        var bytes = Written.bytes { variant.write(outcome, to: $0) }
        if variant.transport == .webSocket { bytes = Array(bytes.dropFirst(bytes[1] < 126 ? 2 : 4)) }
        return String(decoding: bytes, as: UTF8.self)
    }

    @Test func pushesAreAllThereIs() {
        let name = ChannelName(trusted: [97])
        let session = SessionID(node: NodeID(1), locator: 2, secret: .init(high: 3, low: 4))
        for (variant, around) in zip(Self.variants, [("", ""), ("data: ", "\n\n"), ("", "\n")]) {
            let connected = Self.written(
                variant,
                .connected(
                    .init(
                        client: session, version: "v", ping: 25, timeToLive: nil, channels: [(name, nil)],
                        key: CentrifugePlainRequestTests.key)))
            #expect(
                connected == around.0
                    + #"{"connect":{"client":"\#(session)","version":"v","subs":{"a":{}},"ping":25,"node":"0000000000000001"}}"#
                    + around.1)
            #expect(
                Self.written(variant, .subscriptionEnded(name, .requested)) == around.0
                    + #"{"channel":"a","unsubscribe":{"code":2000,"reason":"server unsubscribe"}}"# + around.1)
            #expect(
                Self.written(variant, .expiryMoved(timeToLive: 5)) == around.0
                    + #"{"refresh":{"expires":true,"ttl":5}}"# + around.1)
        }
        // A pong of WebSocket's own shows that the client is there.
        #expect(Written.bytes { Self.variants[0].write(.ping, to: $0) } == [0x81, 2] + Array("{}".utf8) + [0x89, 0])
        #expect(
            Self.written(Self.variants[1], .ping) == "data: {}\n\n" && Self.written(Self.variants[2], .ping) == "{}\n")
    }

    static func last(_ variant: Variant, _ ending: Ending) -> [UInt8] {
        Written.bytes { variant.write(ending, variant.dialect.farewell(ending), to: $0) }
    }

    @Test func theEndIsAPush() {
        let shutdown = #"{"disconnect":{"code":3001,"reason":"shutdown","reconnect":true}}"#
        #expect(Self.last(Self.variants[2], .shutdown(comeBackAfter: 5)) == Array((shutdown + "\n").utf8))
        #expect(Self.last(Self.variants[1], .shutdown(comeBackAfter: 5)) == Array("data: \(shutdown)\n\n".utf8))
        let frames =
            [0x81, UInt8(shutdown.utf8.count)] + Array(shutdown.utf8) + [0x88, 10, 0x0B, 0xB9] + Array("shutdown".utf8)
        #expect(Self.last(Self.variants[0], .shutdown(comeBackAfter: 5)) == frames)
        // With commands it is in a reply, where there is no close frame.
        let invalid = #"{"push":{"disconnect":{"code":3500,"reason":"invalid token"}}}"#
        #expect(Self.last(Variant(.centrifuge, over: .stream), .tokenInvalid) == Array((invalid + "\n").utf8))
        #expect(
            Self.last(Variant(.centrifuge, over: .eventStream), .tokenInvalid) == Array("data: \(invalid)\n\n".utf8))
        #expect(Self.last(Variant(.centrifuge, over: .webSocket), .tokenInvalid).first == 0x88)
        let protobuf = Self.last(Variant(.centrifuge, in: .protobuf, over: .stream), .tokenInvalid)
        #expect(protobuf.first == UInt8(protobuf.count - 1) && protobuf[1] == 0x22)
    }

    @Test func aClientWithoutCommandsHasOtherTraits() {
        for variant in Self.variants {
            #expect(variant.traits.login == .firstMessage && variant.traits.loss == .endsSession)
            #expect(!variant.traits.refreshesTokens && !variant.traits.takesCommandRequests)
            #expect(variant.traits.takesInput == (variant.transport == .webSocket))
        }
        for transport in [Transport.webSocket, .stream, .eventStream] {
            let traits = Variant(.centrifuge, over: transport).traits
            #expect(traits.login == .command && traits.liveness == .pong)
            #expect(traits.takesInput != traits.takesCommandRequests && traits.takesInput == (transport == .webSocket))
        }
    }
}
