import Codec
import Testing

@Suite struct DialectTests {
    @Test(arguments: [
        ("/raw", Dialect.raw), ("/sse", .sse), ("/connection/websocket", .centrifuge), ("/", nil), ("", nil),
        ("/raw/", nil), ("/RAW", nil), ("/connection", nil),
    ])
    func isChosenByThePath(_ path: String, _ dialect: Dialect?) {
        #expect(Dialect.at(path: path)?.dialect == dialect)
    }

    static func agreement(_ dialect: Dialect, _ offered: [String], query: String = "") throws -> String {
        let route = dialect.routes[0]
        let agreed = dialect.agreement(on: offered, try head("GET \(route.path)\(query) HTTP/1.1"), at: route)
        return "\(agreed.encoding) \(agreed.subprotocol ?? "-")"
    }

    @Test func agreesOnlyToASubprotocolOfItsOwn() throws {
        #expect(try Self.agreement(.centrifuge, ["x", "centrifuge-json"]) == "standard centrifuge-json")
        #expect(try Self.agreement(.centrifuge, ["x", "Centrifuge-Protobuf"]) == "standard -")
        #expect(try Self.agreement(.raw, ["carillon-raw"]) == "standard carillon-raw")
        #expect(try Self.agreement(.raw, ["centrifuge-protobuf"], query: "?format=protobuf") == "standard -")
        #expect(try Self.agreement(.raw, []) == "standard -")
    }

    /// The client says which it likes best (RFC 6455 4.1).
    @Test func theFirstSubprotocolThatIsOfferedDecidesAboutTheEncoding() throws {
        let (json, protobuf) = ("centrifuge-json", "centrifuge-protobuf")
        #expect(try Self.agreement(.centrifuge, [protobuf]) == "protobuf \(protobuf)")
        #expect(try Self.agreement(.centrifuge, ["x", protobuf, json]) == "protobuf \(protobuf)")
        #expect(try Self.agreement(.centrifuge, [json, protobuf]) == "standard \(json)")
        #expect(try Self.agreement(.centrifuge, []) == "standard -")
    }

    @Test func withoutASubprotocolTheQueryDecidesAboutTheEncoding() throws {
        for query in ["?cf_protocol=protobuf", "?format=protobuf", "?a=b&format=json&cf_protocol=protobuf"] {
            #expect(try Self.agreement(.centrifuge, [], query: query) == "protobuf -")
            #expect(try Self.agreement(.centrifuge, ["x"], query: query) == "protobuf -")
            #expect(try Self.agreement(.centrifuge, ["centrifuge-json"], query: query) == "standard centrifuge-json")
        }
        for query in ["?cf_protocol=json", "?cf_protocol=Protobuf", "?protobuf", "?cf_protocol=", "?x=protobuf"] {
            #expect(try Self.agreement(.centrifuge, [], query: query) == "standard -")
        }
    }

    /// Publications, changes, outcomes and bounds are those of the variant's encoding, in a frame of its kind.
    @Test func aVariantWritesInItsEncoding() throws {
        let channel = ChannelName(trusted: Array("a".utf8))
        let session = SessionID(node: NodeID(1), locator: 2, secret: .init(high: 3, low: 4))
        let member = PresenceMember(session: session, user: Array("ann".utf8), info: Array(#"{"a":1}"#.utf8))
        let publication = Publication(
            channel: channel, kind: .json, payload: Array("{\"n\":\n1}".utf8), origin: NodeID(1), time: 5,
            extras: .init(publisher: member))
        let change = Publication(.join, of: member, in: channel, origin: NodeID(1))
        for (variant, first) in [(Variant.centrifugeJSON, UInt8(0x81)), (.centrifugeProtobuf, 0x82)] {
            for each in [publication, change] {
                let written = Written.bytes {
                    PublicationEncoder.write(each, as: variant, packing: Packing(.init()), to: $0)
                }
                #expect(written.first == first)
                #expect(written.count <= PublicationEncoder.maximumBytes(each, as: variant))
            }
            let presence = Written.bytes { variant.write(.presence([member]), for: ReplyID(1), to: $0) }
            #expect(presence.first == first && presence.count <= variant.maximumBytes(of: member) + 32)
        }
        #expect(Written.bytes { Variant.centrifugeProtobuf.write(.ping, to: $0) } == [0x82, 1, 0])
        #expect(Written.bytes { Variant.centrifugeJSON.write(.ping, to: $0) } == [0x81, 2] + Array("{}".utf8))
        #expect(
            PublicationEncoder.maximumBytes(publication, as: .centrifugeProtobuf)
                < PublicationEncoder.maximumBytes(publication, as: .centrifugeJSON))
    }

    /// A frame of the other kind ends a session, whatever is in it.
    @Test(arguments: [(Variant.centrifugeJSON, true), (.centrifugeProtobuf, false)])
    func aSessionTakesFramesOfItsEncoding(_ variant: Variant, _ isText: Bool) {
        let connect = variant == .centrifugeJSON ? Array(#"{"id":1,"connect":{}}"#.utf8) : [4, 8, 1, 0x22, 0]
        for kind in [isText, !isText] {
            var machine = DialectMachine(variant)
            connect.withUnsafeBytes { bytes in
                var message = IncomingMessage(bytes, isText: kind, commandBytes: 100)
                switch machine.next(in: &message, hint: nil) {
                case .connect?: #expect(kind == isText)
                case .end(.wrongEncoding)?: #expect(kind != isText)
                default: Issue.record("neither a connect nor an end")
                }
                #expect(machine.awaitsLogin == (kind == isText))
            }
        }
    }

    @Test func whatIsAgreedUponAboutCompressionMakesAVariant() {
        let agreements = [nil, "permessage-deflate", "permessage-deflate; server_max_window_bits=9"].map {
            $0.flatMap(DeflateAgreement.init(offers:))
        }
        #expect(agreements.map { Variant.raw.packed(by: $0) } == [.raw, .rawDeflate, .rawSmall])
        #expect(
            agreements.map { Variant.centrifugeJSON.packed(by: $0) } == [
                .centrifugeJSON, .centrifugeJSONDeflate, .centrifugeJSONSmall,
            ])
        #expect(
            agreements.map { Variant.centrifugeProtobuf.packed(by: $0) } == [
                .centrifugeProtobuf, .centrifugeProtobufDeflate, .centrifugeProtobufSmall,
            ])
        // It lies in each session's slot.
        #expect(MemoryLayout<Variant>.size <= 4 && MemoryLayout<DialectMachine>.size <= 4)
    }

    @Test func noTwoDialectsHaveTheSameNameOrPath() {
        #expect(Set(Dialect.allCases.map(\.name)).count == Dialect.allCases.count)
        let paths = Dialect.allCases.flatMap(\.routes).map(\.path.description)
        #expect(Set(paths).count == paths.count && paths.count >= Dialect.allCases.count)
        for dialect in Dialect.allCases {
            for route in dialect.routes {
                let found = Dialect.at(path: route.path.description)
                #expect(found?.dialect == dialect && found?.use == route.use)
            }
        }
    }

    static let endings: [Ending] = [
        .left(.normal), .requested(.goingAway, reason: "x"), .shutdown(comeBackAfter: nil),
        .shutdown(comeBackAfter: 500), .brokeFraming(.notUTF8), .wrongEncoding, .malformed, .oversizedCommand,
        .notAvailable, .tooManyRequests, .tooManyControlFrames, .messageTimedOut,
        .publishRefused(ChannelName(trusted: Array("a".utf8))),
        .subscriptionRefused(ChannelName(trusted: Array("a".utf8))), .notLoggedIn, .tokenInvalid, .tokenExpired,
        .denied,
        .tooManySessions, .undecided, .slow, .silent(.seconds(10)), .lost(ChannelName(trusted: Array("a".utf8))),
        .tooMuchIncomplete,
    ]

    /// Whatever sends a client away, it is told so in a frame that can be sent; a stream just ends, or says when to come back.
    @Test(arguments: endings)
    func everyEndingHasLastWords(_ ending: Ending) {
        for variant in [Variant.raw, .centrifugeJSON, .centrifugeProtobuf] {
            let farewell = variant.dialect.farewell(ending)
            #expect(farewell.code.isValidOnTheWire && farewell.reason.utf8.count <= 123)
            let written = Written.bytes { variant.write(ending, farewell, to: $0) }
            #expect(written.prefix(4) == [0x88, UInt8(farewell.reason.utf8.count + 2)] + written[2..<4])
            #expect(UInt16(written[2]) << 8 | UInt16(written[3]) == farewell.code.rawValue)
        }
        // A hub's client gets a message first, and the frame says the same as everywhere.
        for variant in [Variant.signalrNew, .signalrJSON, .signalrPacked] {
            let farewell = variant.dialect.farewell(ending)
            let written = Written.bytes { variant.write(ending, farewell, to: $0) }
            let frame = Written.bytes { FrameWriter.writeClose(farewell.code, reason: farewell.reason, to: $0) }
            #expect(Array(written.suffix(frame.count)) == frame)
            #expect((written.count > frame.count) == !ending.isOwnWish)
        }
        let last = Written.bytes { Variant.sse.write(ending, Dialect.sse.farewell(ending), to: $0) }
        #expect(last == (ending == .shutdown(comeBackAfter: 500) ? Array("retry: 500\n\n".utf8) : []))
    }

    /// Codes that clients were told before there was a vocabulary stay what they were.
    @Test(
        arguments: [
            (.shutdown(comeBackAfter: nil), 1001, 3001), (.slow, 1013, 3008), (.silent(.seconds(1)), 1008, 3012),
            (.tokenExpired, 1008, 3005), (.tooManyControlFrames, 1008, 1008), (.tooMuchIncomplete, 1013, 1013),
            (.messageTimedOut, 1008, 1008), (.lost(ChannelName(trusted: [97])), 4010, 3010),
            (.left(.goingAway), 1001, 1001),
            (.brokeFraming(.notUTF8), 1007, 1007), (.notLoggedIn, 1008, 3502), (.tokenInvalid, 1008, 3500),
        ] as [(Ending, UInt16, UInt16)])
    func endingsHaveTheirCodes(_ ending: Ending, _ raw: UInt16, _ centrifuge: UInt16) {
        #expect(Dialect.raw.farewell(ending).code.rawValue == raw)
        #expect(Dialect.centrifuge.farewell(ending).code.rawValue == centrifuge)
    }

    @Test func onlySomeGoodbyesAreCountedAsRefusals() {
        let counted = Self.endings.compactMap { Dialect.raw.farewell($0).refusal }
        #expect(Set(counted) == ["close_1003", "close_1007", "close_1008", "close_1009", "close_1013"])
        #expect(Dialect.centrifuge.farewell(.tokenInvalid).refusal == "disconnect_3500")
        #expect(Dialect.centrifuge.farewell(.shutdown(comeBackAfter: nil)).refusal == nil)
        #expect(Dialect.centrifuge.refusal(of: .permissionDenied)?.kind == "error_103")
        #expect(Dialect.centrifuge.refusal(of: .permissionDenied)?.reason == "permission denied (error 103)")
        #expect(Dialect.centrifuge.refusal(of: .temporary) == nil && Dialect.raw.refusal(of: .permissionDenied) == nil)
    }

    /// A raw message is one publication to the first channel, whatever is in it.
    @Test func aRawMessageIsAPublication() {
        var machine = DialectMachine(Variant.raw)
        for (text, isText) in [("hello", true), ("", true), ("\u{1}", false)] {
            Array(text.utf8).withUnsafeBytes { bytes in
                var message = IncomingMessage(bytes, isText: isText, commandBytes: 1)
                guard case .publish(let publish)? = machine.next(in: &message, hint: nil) else {
                    Issue.record("no publication")
                    return
                }
                #expect(publish.channel == nil && !publish.reply.isExpected)
                #expect(publish.kind == (isText ? .text : .binary) && Array(publish.data) == Array(text.utf8))
                #expect(machine.next(in: &message, hint: nil) == nil)
            }
        }
    }

    /// A batch is taken command by command, also when its rest had to wait; one that is too long ends the session.
    @Test func aBatchIsTakenCommandByCommand() {
        var machine = DialectMachine(.centrifugeJSON)
        func take(_ message: inout IncomingMessage) -> String {
            guard let intent = machine.next(in: &message, hint: nil) else { return "nothing" }
            if case .connect = intent { machine.loginAccepted() }
            return CentrifugeMachineTests.words(intent)
        }
        let first = #"{"id":1,"connect":{}}"#
        let batch =
            first + "\n" + #"{"id":2,"unsubscribe":{"channel":"a"}}"# + "\n" + #"{"id":3,"presence":{"channel":"a"}}"#
        var rest: [UInt8] = []
        Array(batch.utf8).withUnsafeBytes { bytes in
            var message = IncomingMessage(bytes, isText: true, commandBytes: 100)
            #expect(take(&message) == "connect 1 - - - -")
            #expect(take(&message) == "unsubscribe 2 a")
            rest = Array(message.rest)
        }
        rest.withUnsafeBytes { bytes in
            var message = IncomingMessage(bytes, isText: true, commandBytes: 100, isBegun: true)
            #expect(take(&message) == "presence 3 a clients")
            #expect(take(&message) == "nothing")
        }
        Array(batch.utf8).withUnsafeBytes { bytes in
            var message = IncomingMessage(bytes, isText: true, commandBytes: first.utf8.count - 1)
            #expect(
                machine.next(in: &message, hint: nil).map {
                    if case .end(.oversizedCommand) = $0 { true } else { false }
                } == true)
        }
        #expect(!machine.isLoggedIn)
    }

    static func head(_ lines: String) throws -> RequestHead {
        let bytes = Array((lines + "\r\nHost: a\r\n\r\n").utf8)
        guard case .head(let head, _) = bytes.withUnsafeBytes({ RequestHeadParser.parse($0, limits: HTTPLimits()) })
        else {
            throw HTTPError(status: 400, code: "test", message: lines)
        }
        return head
    }

    @Test func aRequestNamesChannelsAndWhereItWas() throws {
        let request = "GET /sse?channel=a&channel=b&channel=a HTTP/1.1\r\nLast-Event-ID: a-ff.7"
        let head = try Self.head(request)
        let opening = try #require(try Dialect.sse.opening(head))
        let (a, b) = (ChannelName(trusted: [97]), ChannelName(trusted: [98]))
        #expect(opening.channels == [a, b])
        #expect(opening.seen == [a: Position(epoch: 0xFF, offset: 7)])
        #expect(try Dialect.raw.opening(head)?.seen == nil)
        #expect(try Dialect.centrifuge.opening(head) == nil)
        #expect(try Dialect.sse.opening(Self.head("GET /sse?channel=a HTTP/1.1"))?.seen == nil)
        #expect(throws: HTTPError.self) { try Dialect.raw.opening(Self.head("GET /raw?channel=a%20b HTTP/1.1")) }
    }
}
