@testable import Codec
import Testing

/// Deltas and tags of publications, in JSON and in Protobuf.
@Suite struct CentrifugeDataTests {
    private static let before = #"{"id":1,"text":"a rather long text that stays","price":100}"#
    private static let after = #"{"id":1,"text":"a rather long text that stays","price":101}"#

    private static func publication(_ payload: String, _ kind: PayloadKind = .json) -> Publication {
        CentrifugeProtobufEncoderTests.publication(Array(payload.utf8), kind)
    }

    /// The data of the push in JSON, with what follows it.
    private static func json(_ publication: Publication, after previous: Publication?) -> String? {
        let scratch = ByteWriter()
        let data = CentrifugeData.of(publication, after: previous, as: .json, scratch: scratch)
        let text = Written.textFrame { CentrifugeEncoder.write(publication, data: data, to: $0) }
        #expect((text?.utf8.count ?? .max) + 10 <= CentrifugeEncoder.maximumBytes(publication, hasDeltas: true))
        return text.map { String($0.dropFirst(#"{"push":{"channel":"chat:1","pub":{"data":"#.utf8.count).dropLast(3)) }
    }

    /// What a client makes of it that keeps the text of the publication before.
    private static func received(_ written: String, _ previous: String) -> String? {
        Array(written.utf8).withUnsafeBytes { bytes in
            var scanner = JSONScanner(bytes)
            guard let text = scanner.text() else { return nil }
            let rest = String(decoding: bytes[scanner.index...], as: UTF8.self)
            guard rest.hasPrefix(#","delta":true"#) else { return String(decoding: text, as: UTF8.self) }
            return FossilDeltaTests.apply(text, Array(previous.utf8)).map { String(decoding: $0, as: UTF8.self) }
        }
    }

    @Test func inJSONTheDataIsAString() throws {
        let delta = try #require(Self.json(Self.publication(Self.after), after: Self.publication(Self.before)))
        #expect(delta.hasSuffix(#","delta":true"#) && delta.utf8.count < 60)
        #expect(Self.received(delta, Self.before) == Self.after)
        // Whole: the first one, and those that no delta is smaller than.
        #expect(Self.json(Self.publication("{\"a\":1}"), after: nil) == #""{\"a\":1}""#)
        #expect(Self.json(Self.publication("{\n\"a\":1}"), after: Self.publication("[]")) == #""{\n\"a\":1}""#)
    }

    /// What is no JSON is a JSON string in a string, and has no deltas: a client parses what it has put together.
    @Test func inJSONTextAndBinaryAreWhole() {
        let long = String(repeating: "hello ", count: 20)
        #expect(Self.json(Self.publication("hello", .text), after: nil) == #""\"hello\"""#)
        #expect(Self.json(Self.publication("\"hi\" \\ \n", .json), after: nil) == #""\"\\\"hi\\\" \\\\ \\n\"""#)
        #expect(Self.json(Self.publication("\u{1}ab", .binary), after: nil) == #""\"AWFi\"""#)
        for (one, other): (PayloadKind, PayloadKind) in [(.text, .text), (.binary, .binary), (.json, .text)] {
            let written = Self.json(Self.publication(long, one), after: Self.publication(long, other))
            #expect(written?.contains("delta") == false)
        }
    }

    @Test func charactersStayWholeInJSON() {
        var numbers = SeededNumbers(state: 3)
        let words = ["é", "ë", "日", "旦", "🙂", "🙃", "word"]
        for _ in 0..<500 {
            var texts = (0..<60).map { _ in words.randomElement(using: &numbers) ?? "" }
            let before = "\"" + texts.joined() + "\""
            texts[Int.random(in: 0..<60, using: &numbers)] = words.randomElement(using: &numbers) ?? ""
            let after = "\"" + texts.joined() + "\""
            let written = Self.json(Self.publication(after), after: Self.publication(before))
            #expect(written.flatMap { Self.received($0, before) } == after)
        }
    }

    @Test func inProtobufTheDataAreBytes() throws {
        let scratch = ByteWriter()
        scratch.append("kept")
        for kind: PayloadKind in [.json, .text, .binary] {
            let publication = Self.publication(Self.after, kind)
            let data = CentrifugeData.of(
                publication, after: Self.publication(Self.before, kind), as: .protobuf, scratch: scratch)
            guard case .delta(let delta) = data else {
                Issue.record("no delta for \(kind)")
                continue
            }
            #expect(FossilDeltaTests.apply(Array(delta), Array(Self.before.utf8)) == Array(Self.after.utf8))
            let written = Written.bytes {
                CentrifugeProtobufEncoder.write(
                    publication, data: data, in: .init(.stream, isBidirectional: true), to: $0)
            }
            let object = Proto.bytes(4, Array(delta)) + Proto.number(8, 1)
            let reply = Proto.bytes(4, Proto.text(2, "chat:1") + Proto.bytes(4, object))
            #expect(written == Proto.varint(UInt64(reply.count)) + reply)
            scratch.removeLast(delta.count)
        }
        guard case .whole = CentrifugeData.of(Self.publication("1"), after: nil, as: .protobuf, scratch: scratch),
            case .whole = CentrifugeData.of(
                Self.publication("1"), after: Self.publication("2"), as: .protobuf, scratch: scratch)
        else {
            Issue.record("a delta of nothing")
            return
        }
        #expect(Array(scratch.bytes) == Array("kept".utf8))
    }

    @Test func subscriptionsSayThatTheyHaveDeltas() {
        func subscribed(_ ttl: UInt32?, _ beginning: Outcome.Beginning?) -> String? {
            Written.textFrame {
                CentrifugeEncoder.writeSubscribed(2, ttl: ttl, beginning: beginning, hasDeltas: true, to: $0)
            }
        }
        #expect(subscribed(nil, nil) == #"{"id":2,"subscribe":{"delta":true}}"#)
        #expect(subscribed(9, nil) == #"{"id":2,"subscribe":{"expires":true,"ttl":9,"delta":true}}"#)
        let missed = CentrifugeProtobufEncoderTests.publication("{\"a\":5}", position: Position(epoch: 0xFF, offset: 6))
        let beginning = CentrifugeProtobufEncoderTests.beginning(5, recovered: true, [missed])
        #expect(
            subscribed(nil, beginning) == """
                {"id":2,"subscribe":{"recoverable":true,"positioned":true,"epoch":"00000000000000ff","offset":5,\
                "was_recovering":true,"recovered":true,"publications":[{"data":"{\\"a\\":5}","offset":6}],"delta":true}}
                """)
    }

    /// The protocol has no events, so the name is a tag, unless the publisher has one of that name.
    @Test func anEventIsATag() throws {
        let tags = try PublicationTags(validating: [(Array("a".utf8), Array("1".utf8))])
        let own = try PublicationTags(validating: [(Array("event".utf8), Array("own".utf8))])
        for (given, shown) in [
            (nil, #"{"event":"moved"}"#), (tags, #"{"a":"1","event":"moved"}"#), (own, #"{"event":"own"}"#),
        ] as [(PublicationTags?, String)] {
            let publication = CentrifugeProtobufEncoderTests.publication(
                Array("1".utf8), extras: .init(event: Array("moved".utf8), tags: given))
            let json = Written.text { CentrifugeEncoder.write(publication, to: $0) }
            #expect(json.contains(#""tags":"# + shown))
            let protobuf = Written.bytes { CentrifugeProtobufEncoder.write(publication, in: .webSocket, to: $0) }
            #expect(protobuf.count <= CentrifugeProtobufEncoder.maximumBytes(publication))
            #expect(json.utf8.count <= CentrifugeEncoder.maximumBytes(publication))
            #expect(String(decoding: protobuf, as: UTF8.self).contains(given == own ? "own" : "moved"))
        }
    }

    @Test func tagsAndEpochAreInJSONToo() throws {
        let publication = try CentrifugeProtobufEncoderTests.full()
        let written = Written.textFrame { CentrifugeEncoder.write(publication, showsEpoch: true, to: $0) }
        #expect(
            written == """
                {"push":{"channel":"chat:1","pub":{"data":{"a":1},"info":{"user":"ann",\
                "client":"\(CentrifugeEncoderTests.session)","conn_info":{"name":"Ann"}},"offset":7,\
                "tags":{"a":"1","b":""},"time":1700000000123,"epoch":"0000000000000001"}}}
                """)
        let tags = try PublicationTags(
            validating: (0..<30).map { (Array("k\($0)\"".utf8), Array("\u{1}\u{2}\u{3}".utf8)) })
        let tagged = CentrifugeProtobufEncoderTests.publication(Array("1".utf8), extras: .init(tags: tags))
        let bytes = Written.bytes { CentrifugeEncoder.write(tagged, to: $0) }
        #expect(bytes.count <= CentrifugeEncoder.maximumBytes(tagged))
        #expect(bytes.count > 30 * 25)
    }

    @Test func connectedNamesTheSession() {
        let written = Written.textFrame {
            CentrifugeEncoder.writeConnected(
                1, client: CentrifugeEncoderTests.session, version: "1", ping: 0, pong: false,
                session: Array("s\"1".utf8), to: $0)
        }
        #expect(written?.contains(#""version":"1","session":"s\"1","node":"#) == true)
    }

    /// Streams and unidirectional clients: the same objects without a frame, and pushes without a reply around them.
    @Test func carriersDifferInWhatIsAround() {
        let publication = Self.publication("{\n\"a\":1}")
        let push = #"{"channel":"chat:1","pub":{"data":{"a":1}}}"#
        func written(_ framing: CentrifugeCarrier.Framing, _ isBidirectional: Bool) -> String {
            Written.text {
                CentrifugeEncoder.write(
                    publication, in: .init(framing, isBidirectional: isBidirectional), to: $0)
            }
        }
        #expect(written(.stream, true) == #"{"push":\#(push)}"# + "\n")
        #expect(written(.stream, false) == push + "\n")
        #expect(written(.eventStream, true) == #"data: {"push":\#(push)}"# + "\n\n")
        #expect(written(.eventStream, false) == "data: " + push + "\n\n")
        let frame = Written.textFrame {
            CentrifugeEncoder.write(publication, in: .init(.webSocket, isBidirectional: false), to: $0)
        }
        #expect(frame == push)
        let stream = CentrifugeCarrier(.stream, isBidirectional: true)
        #expect(Written.text { CentrifugeEncoder.writePing(in: stream, to: $0) } == "{}\n")
        #expect(
            Written.text { CentrifugeEncoder.writePublished(3, in: stream, to: $0) } == "{\"id\":3,\"publish\":{}}\n")
    }

    @Test func pushesOfUnidirectionalClients() {
        let carrier = CentrifugeCarrier(.stream, isBidirectional: false)
        let client = CentrifugeEncoderTests.session
        let chat = CentrifugeProtobufEncoderTests.chat
        func written(_ body: (ByteWriter) -> Void) -> String { String(Written.text(body).dropLast()) }
        #expect(
            written {
                CentrifugeEncoder.writeConnectPush(
                    client: client, version: "1", ping: 25, ttl: 9, channels: [(chat, nil)], in: carrier, to: $0)
            } == """
                {"connect":{"client":"\(client)","version":"1","expires":true,"ttl":9,"subs":{"chat:1":{}},"ping":25,\
                "node":"00000000000000a1"}}
                """)
        #expect(
            written {
                CentrifugeEncoder.writeDisconnectPush(
                    code: 3001, reason: "shutdown", isReconnectWelcome: true, in: carrier, to: $0)
            } == #"{"disconnect":{"code":3001,"reason":"shutdown","reconnect":true}}"#)
        #expect(
            written {
                CentrifugeEncoder.writeDisconnectPush(
                    code: 3500, reason: "invalid token", isReconnectWelcome: false, in: carrier, to: $0)
            } == #"{"disconnect":{"code":3500,"reason":"invalid token"}}"#)
        #expect(
            written { CentrifugeEncoder.writeRefreshPush(ttl: 60, in: carrier, to: $0) }
                == #"{"refresh":{"expires":true,"ttl":60}}"#)
        #expect(written { CentrifugeEncoder.writeRefreshPush(ttl: nil, in: carrier, to: $0) } == #"{"refresh":{}}"#)
        #expect(
            written { CentrifugeEncoder.writeSubscribePush(chat, position: nil, in: carrier, to: $0) }
                == #"{"channel":"chat:1","subscribe":{}}"#)
        let beginning = CentrifugeProtobufEncoderTests.beginning(300, recovered: nil)
        let subscribe = #""subscribe":{"recoverable":true,"positioned":true,"epoch":"00000000000000ff","offset":300}"#
        #expect(
            Written.textFrame { CentrifugeEncoder.writeSubscribePush(chat, position: beginning.position, to: $0) }
                == #"{"push":{"channel":"chat:1",\#(subscribe)}}"#)
    }
}
