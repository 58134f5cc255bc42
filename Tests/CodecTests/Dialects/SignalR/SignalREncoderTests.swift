import Codec
import Testing

/// What clients of a hub are told, in both encodings.
@Suite struct SignalREncoderTests {
    static let channel = ChannelName(trusted: Array("chat:a".utf8))

    static func publication(_ payload: [UInt8], _ kind: PayloadKind, _ event: String?) -> Publication {
        Publication(
            channel: channel, kind: kind, payload: payload, origin: NodeID(1),
            extras: event.map { .init(event: Array($0.utf8)) })
    }

    static func written(_ publication: Publication, as variant: Variant) -> [UInt8] {
        let bytes = Written.bytes {
            PublicationEncoder.write(publication, as: variant, packing: Packing(.init()), to: $0)
        }
        #expect(bytes.count <= PublicationEncoder.maximumBytes(publication, as: variant))
        return bytes
    }

    /// The one JSON message in a text frame, without its separator.
    static func record(_ body: (ByteWriter) -> Void) -> String? {
        guard let text = Written.textFrame(body), text.utf8.last == 0x1E else { return nil }
        return String(decoding: text.utf8.dropLast(), as: UTF8.self)
    }

    /// The one message in a binary frame, as JSON.
    static func packed(_ bytes: [UInt8]) -> String? {
        guard bytes.count > 2, bytes[0] == 0x82 else { return nil }
        let header = bytes[1] <= 125 ? 2 : bytes[1] == 126 ? 4 : 10
        var length = 0
        var index = header
        repeat {
            guard index < bytes.count else { return nil }
            length |= Int(bytes[index] & 0x7F) << (7 * (index - header))
            index += 1
        } while bytes[index - 1] & 0x80 != 0
        guard index + length == bytes.count else { return nil }
        return MessagePackTests.json(Array(bytes[index...]))
    }

    /// The mapping of docs/dialects/signalr.md: kind, payload and event; the target and the arguments, in JSON and in MessagePack.
    static let mapped: [(PayloadKind, String, String?, target: String, arguments: String)] = [
        (.json, #"{"a":1}"#, nil, "message", #"[{"a":1}]"#),
        (.json, "[1,2]", nil, "message", "[[1,2]]"),
        (.json, "[1,2]", "moved", "moved", "[1,2]"),
        (.json, " [1,2] ", "moved", "moved", "[1,2]"),
        (.json, "[]", "moved", "moved", "[]"),
        (.json, "[[1,2]]", "moved", "moved", "[[1,2]]"),
        (.json, #""hello""#, "said", "said", #"["hello"]"#),
        (.json, "7", "said", "said", "[7]"),
        (.text, "hello", nil, "message", #"["hello"]"#),
        (.text, "a \"b\"\n", "said", "said", #"["a \"b\"\n"]"#),
        // Text that is JSON is taken for it, as in the other dialects.
        (.text, "{}", nil, "message", "[{}]"),
        (.text, "[1]", "moved", "moved", "[1]"),
        (.text, "", nil, "message", #"[""]"#),
        (.binary, "\u{0}\u{1}\u{2}", nil, "message", #"["AAEC"]"#),
        (.binary, "[1]", "moved", "moved", #"["WzFd"]"#),
        (.json, "1", "a\"b\u{e9}", #"a\"bé"#, "[1]"),
        // What only claims to be JSON.
        (.json, "{", nil, "message", #"["{"]"#),
    ]

    @Test(arguments: mapped)
    func aPublicationIsAnInvocation(
        _ kind: PayloadKind, _ payload: String, _ event: String?, _ target: String, _ arguments: String
    ) {
        let publication = Self.publication(Array(payload.utf8), kind, event)
        let json = Self.record { $0.append(Self.written(publication, as: .signalrJSON)) }
        let spaceless = json.map { text in payload.hasPrefix(" ") ? text.filter { $0 != " " } : text }
        #expect(spaceless == #"{"type":1,"target":"\#(target)","arguments":\#(arguments)}"#)
        let packed = Self.packed(Self.written(publication, as: .signalrPacked))
        #expect(packed == #"[1,{},null,"\#(target)",\#(arguments),[]]"#)
    }

    @Test func binaryStaysBinaryInMessagePack() {
        let bytes = Self.written(Self.publication([1, 2, 3], .binary, nil), as: .signalrPacked)
        #expect(bytes.suffix(7) == [0x91, 0xC4, 3, 1, 2, 3, 0x90])
        let text = Self.written(Self.publication(Array("\"\\ud800\"".utf8), .json, nil), as: .signalrPacked)
        #expect(Self.packed(text) == #"[1,{},null,"message",["\"\\ud800\""],[]]"#)
    }

    @Test(arguments: [0, 1, 90, 120, 200, 16_300, 16_400, 65_600, 70_000])
    func lengthsOfEverySize(_ count: Int) {
        let text = String(repeating: "x", count: count)
        let publication = Self.publication(Array(text.utf8), .text, nil)
        #expect(
            Self.packed(Self.written(publication, as: .signalrPacked)) == #"[1,{},null,"message",["\#(text)"],[]]"#)
        #expect(
            Self.record { $0.append(Self.written(publication, as: .signalrJSON)) }
                == #"{"type":1,"target":"message","arguments":["\#(text)"]}"#)
    }

    @Test func changesOfPresenceAreNotToldOf() {
        let member = PresenceMember(
            session: SessionID(node: NodeID(1), locator: 2, secret: .init(high: 3, low: 4)), user: nil, info: nil)
        for variant in [Variant.signalrJSON, .signalrPacked] {
            #expect(
                Self.written(Publication(.join, of: member, in: Self.channel, origin: NodeID(1)), as: variant) == [])
        }
    }

    // MARK: Replies

    static func told(_ outcome: Outcome, _ reply: ReplyID) -> [String?] {
        [
            record { Variant.signalrJSON.write(outcome, for: reply, to: $0) },
            packed(Written.bytes { Variant.signalrPacked.write(outcome, for: reply, to: $0) }),
        ]
    }

    @Test func callsAreCompleted() {
        let reply = ReplyID.text(Array("a\"1".utf8))
        let done = [#"{"type":3,"invocationId":"a\"1","result":null}"#, #"[3,{},"a\"1",2]"#]
        #expect(Self.told(.published, reply) == done)
        #expect(Self.told(.unsubscribed, reply) == done)
        #expect(Self.told(.subscribed(timeToLive: nil, nil, hasDeltas: false), reply) == done)
        #expect(Self.told(.failed(.alreadySubscribed), reply) == done)
        #expect(
            Self.told(.failed(.unknownMethod), reply) == [
                #"{"type":3,"invocationId":"a\"1","error":"The hub has no such method."}"#,
                #"[3,{},"a\"1",1,"The hub has no such method."]"#,
            ])
        // Nobody may answer a call without an id.
        for outcome in [Outcome.published, .unsubscribed, .failed(.permissionDenied)] {
            #expect(Self.told(outcome, .none) == [nil, nil])
        }
    }

    /// As where the newest publication of a channel is kept for those who come.
    @Test func whatWasMissedFollowsTheCompletion() {
        let beginning = Outcome.Beginning(
            position: Position(epoch: 1, offset: 1), isRecovered: nil,
            missed: [Self.publication(Array("1".utf8), .json, nil)])
        let bytes = Written.bytes {
            Variant.signalrJSON.write(
                .subscribed(timeToLive: nil, beginning, hasDeltas: false), for: .text([55]), to: $0)
        }
        let first = Written.bytes { Variant.signalrJSON.write(.published, for: .text([55]), to: $0) }
        #expect(Array(bytes.prefix(first.count)) == first)
        #expect(
            Self.record { $0.append(Array(bytes.dropFirst(first.count))) }
                == #"{"type":1,"target":"message","arguments":[1]}"#)
    }

    @Test func theHandshakeIsAnsweredInAFrameOfTheEncoding() {
        let connected = Outcome.connected(
            .init(
                client: SessionID(node: NodeID(1), locator: 2, secret: .init(high: 3, low: 4)), version: "1", ping: 15,
                timeToLive: nil, channels: []))
        #expect(Written.bytes { Variant.signalrJSON.write(connected, to: $0) } == [0x81, 3, 0x7B, 0x7D, 0x1E])
        #expect(Written.bytes { Variant.signalrPacked.write(connected, to: $0) } == [0x82, 3, 0x7B, 0x7D, 0x1E])
    }

    @Test func pingsAreMessagesOfTheDialect() {
        #expect(Self.told(.ping, .none) == [#"{"type":6}"#, "[6]"])
        #expect(Written.bytes { Variant.signalrPacked.write(.ping, to: $0) } == [0x82, 3, 2, 0x91, 6])
    }

    // MARK: Goodbyes

    static func goodbye(_ ending: Ending, _ variant: Variant) -> [UInt8] {
        Written.bytes { variant.write(ending, variant.dialect.farewell(ending), to: $0) }
    }

    static let comingBack: [(Ending, Bool)] = [
        (.shutdown(comeBackAfter: nil), true), (.slow, true), (.lost(channel), true), (.tokenExpired, true),
        (.silent(.seconds(30)), true), (.undecided, true), (.tooMuchIncomplete, true), (.malformed, false),
        (.tokenInvalid, false), (.denied, false), (.oversizedCommand, false), (.tooManyRequests, false),
        (.requested(CloseCode(rawValue: 3000), reason: "x"), true),
        (.requested(CloseCode(rawValue: 3500), reason: "x"), false),
        (.requested(CloseCode(rawValue: 4500), reason: "x"), false),
    ]

    @Test(arguments: comingBack)
    func aCloseSaysWhetherToComeBack(_ ending: Ending, _ isWelcome: Bool) {
        let farewell = Dialect.signalr.farewell(ending)
        let frame = Written.bytes { FrameWriter.writeClose(farewell.code, reason: farewell.reason, to: $0) }
        let json = Self.goodbye(ending, .signalrJSON)
        #expect(Array(json.suffix(frame.count)) == frame)
        let reason = farewell.reason
        #expect(
            Self.record { $0.append(Array(json.dropLast(frame.count))) }
                == (isWelcome ? #"{"type":7,"allowReconnect":true}"# : #"{"type":7,"error":"\#(reason)"}"#))
        let packed = Self.goodbye(ending, .signalrPacked)
        #expect(
            Self.packed(Array(packed.dropLast(frame.count)))
                == (isWelcome ? "[7,null,true]" : #"[7,"\#(reason)",false]"#))
        // Before its handshake a client takes nothing but the answer to it.
        let early = Self.goodbye(ending, .signalrNew)
        #expect(Self.record { $0.append(Array(early.dropLast(frame.count))) } == #"{"error":"\#(reason)"}"#)
    }

    @Test func whoeverSaysGoodbyeIsToldNoMore() {
        for variant in [Variant.signalrJSON, .signalrPacked, .signalrNew] {
            #expect(Self.goodbye(.left(.normal), variant) == [0x88, 2, 3, 0xE8])
        }
    }

    // MARK: Event streams

    static func event(_ body: (ByteWriter) -> Void) -> String? {
        let text = Written.text(body)
        guard text.hasPrefix("data: "), text.hasSuffix("\u{1E}\n\n") else { return nil }
        let inside = text.dropFirst(6).dropLast(3)
        return inside.contains("\n") ? nil : String(inside)
    }

    @Test(arguments: mapped)
    func overAnEventStreamItIsOneEvent(
        _ kind: PayloadKind, _ payload: String, _ event: String?, _ target: String, _ arguments: String
    ) {
        let publication = Self.publication(Array(payload.utf8), kind, event)
        let text = Self.event { $0.append(Self.written(publication, as: .signalrStream)) }
        #expect(
            text?.filter { $0 != " " }
                == #"{"type":1,"target":"\#(target)","arguments":\#(arguments)}"#.filter { $0 != " " })
        let lines = Self.publication(Array("{\n\"a\":\r\n1}".utf8), .json, nil)
        #expect(
            Self.event { $0.append(Self.written(lines, as: .signalrStream)) }
                == #"{"type":1,"target":"message","arguments":[{"a":1}]}"#)
    }

    @Test func overAnEventStreamRepliesAreEvents() {
        let stream = Variant.signalrStream
        #expect(Self.event { stream.write(.ping, to: $0) } == #"{"type":6}"#)
        #expect(
            Self.event { stream.write(.published, for: .text([55]), to: $0) }
                == #"{"type":3,"invocationId":"7","result":null}"#)
        #expect(Self.event { $0.append(Self.goodbye(.slow, stream)) } == #"{"type":7,"allowReconnect":true}"#)
        #expect(Self.goodbye(.left(.normal), stream) == [])
        let early = Variant(.signalr, in: .undecided, over: .eventStream)
        #expect(Self.event { $0.append(Self.goodbye(.malformed, early)) } == #"{"error":"the message is malformed"}"#)
        #expect(!stream.traits.takesInput && stream.traits.isFoundByID && !Variant.signalrJSON.traits.isFoundByID)
    }

    // MARK: What operators see

    @Test func headersOfCallsAreBlottedOut() {
        let json = #"{"type":1,"headers":{"Authorization":"Bearer x"},"target":"a","arguments":[]}"# + "\u{1E}"
        let shown = Variant.signalrJSON.redacted(incoming: Array(json.utf8))
        #expect(shown.isChanged && String(decoding: shown.bytes, as: UTF8.self).contains(#""headers":"[redacted]""#))
        let packed: [UInt8] = [13, 0x95, 1, 0x81, 0xA1, 97, 0xA1, 98, 0xC0, 0xA1, 120, 0x91, 0xA1, 98]
        let blotted = Variant.signalrPacked.redacted(incoming: packed + [2, 0x91, 6])
        let star = UInt8(ascii: "*")
        #expect(blotted.isChanged)
        #expect(blotted.bytes == packed[..<3] + [star, star, star, star, star] + packed[8...] + [2, 0x91, 6])
        #expect(!Variant.signalrPacked.redacted(incoming: [2, 0x91, 6]).isChanged)
        #expect(Variant.signalrPacked.redacted(incoming: [0xFF, 0xFF]) == .withheld)
    }
}
