@testable import Codec
import Testing

/// Bytes are compared with those of another implementation: `protobuf` 7.36.2 from PyPI, with the protocol's client.proto and the same
/// values, serialized deterministically.
@Suite struct CentrifugeProtobufEncoderTests {
    static let expected: [String: String] = [
        "publication": "22131206636861743a31220922077b2261223a317d",
        "fullPublication":
            "2299011206636861743a31228e0122077b2261223a317d2a590a03616e6e1242303030303030303030303030303061312d303030303030303030303030303030322d30303030303030303030303030303033666666666666666666666666666666661a0e7b226e616d65223a22416e6e227d30073a060a01611201313a050a0162120048fbd095ffbc31721030303030303030303030303030303031",
        "delta": "22181206636861743a31220e2208310a3140302c313b30084001",
        "binary": "22181206636861743a31220e220300ff8030ffffffffffffff0f",
        "message": "220942070a0568656c6c6f",
        "join":
            "22651206636861743a312a5b0a590a03616e6e1242303030303030303030303030303061312d303030303030303030303030303030322d30303030303030303030303030303033666666666666666666666666666666661a0e7b226e616d65223a22416e6e227d",
        "leave":
            "22501206636861743a3132460a441242303030303030303030303030303061312d303030303030303030303030303030322d3030303030303030303030303030303366666666666666666666666666666666",
        "unsubscribe": "22211206636861743a313a1710c4131a12696e73756666696369656e74207374617465",
        "subscribe": "22231206636861743a314a19080122103030303030303030303030303030666628ac023001",
        "subscribePlain": "220a1206636861743a314a00",
        "disconnect": "22115a0f08b917120873687574646f776e1801",
        "refreshPush": "220662040801103c",
        "connected":
            "08012a5f0a42303030303030303030303030303061312d303030303030303030303030303030322d30303030303030303030303030303033666666666666666666666666666666661203312e3038194001521030303030303030303030303030306131",
        "connectedOne":
            "08ffffffff0f2a700a42303030303030303030303030303061312d303030303030303030303030303030322d30303030303030303030303030303033666666666666666666666666666666661203312e30180120901c32050a01611200381940014a03732d31521030303030303030303030303030306131",
        "connectedRecovered":
            "08022a85010a42303030303030303030303030303061312d303030303030303030303030303030322d30303030303030303030303030303033666666666666666666666666666666661203312e3032280a0162122318013210303030303030303030303030303066663a0522013530064001480550016001521030303030303030303030303030306131",
        "connectPush":
            "226a52680a42303030303030303030303030303061312d303030303030303030303030303030322d30303030303030303030303030303033666666666666666666666666666666661203312e3022050a01611200280130093819521030303030303030303030303030306131",
        "subscribed": "08023200",
        "subscribedExpiring": "080232060801103c6801",
        "subscribedRecovered":
            "0802322e18013210303030303030303030303030303066663a0522013530063a072201783007480340014805500160016801",
        "subscribedUnrecovered": "08ac02321a1801321030303030303030303030303030306666480950016001",
        "unsubscribed": "08033a00",
        "published": "08044200",
        "history": "08055a290a1322077b2261223a317d30073a060a016b1201761210303030303030303030303030303030311807",
        "emptyHistory": "08055a12121030303030303030303030303030303031",
        "presence":
            "08064aa2010a9f010a42303030303030303030303030303061312d303030303030303030303030303030322d303030303030303030303030303030336666666666666666666666666666666612590a03616e6e1242303030303030303030303030303061312d303030303030303030303030303030322d30303030303030303030303030303033666666666666666666666666666666661a0e7b226e616d65223a22416e6e227d",
        "noPresence": "08064a00",
        "presenceStats": "0807520508ac021002",
        "refreshed":
            "0808724d0a42303030303030303030303030303061312d303030303030303030303030303030322d30303030303030303030303030303033666666666666666666666666666666661203312e301801203c",
        "subRefreshed": "08097a040801103c",
        "error": "0804121b08641215696e7465726e616c20736572766572206572726f721801",
        "refused": "08041215086712117065726d697373696f6e2064656e696564",
        "barePush": "1206636861743a312203220131",
    ]

    static let session = CentrifugeEncoderTests.session
    static let chat = ChannelName(trusted: Array("chat:1".utf8))
    static let ann = PresenceMember(
        session: session, user: Array("ann".utf8), info: Array(#"{"name":"Ann"}"#.utf8))
    static let nobody = PresenceMember(session: session, user: nil, info: nil)

    static func publication(
        _ payload: [UInt8], _ kind: PayloadKind = .json, position: Position? = nil, time: UInt64 = 0,
        extras: Publication.Extras? = nil, in channel: ChannelName = chat
    ) -> Publication {
        Publication(
            channel: channel, kind: kind, payload: payload, origin: NodeID(1), position: position, time: time,
            extras: extras)
    }

    static func publication(_ payload: String, position: Position? = nil, time: UInt64 = 0) -> Publication {
        publication(Array(payload.utf8), position: position, time: time)
    }

    static func full() throws -> Publication {
        publication(
            Array(#"{"a":1}"#.utf8), position: Position(epoch: 1, offset: 7), time: 1_700_000_000_123,
            extras: .init(publisher: ann, tags: try PublicationTagsTests.tags(["b": "", "a": "1"])))
    }

    static func beginning(_ offset: Offset, recovered: Bool?, _ missed: [Publication] = []) -> Outcome.Beginning {
        .init(position: Position(epoch: 0xFF, offset: offset), isRecovered: recovered, missed: missed)
    }

    typealias Encoder = CentrifugeProtobufEncoder

    static func write(_ name: String, _ carrier: CentrifugeCarrier, to writer: ByteWriter) throws {
        switch name {
        case "publication": Encoder.write(publication(#"{"a":1}"#), in: carrier, to: writer)
        case "fullPublication": Encoder.write(try full(), showsEpoch: true, in: carrier, to: writer)
        case "delta":
            Array("1\n1@0,1;".utf8).withUnsafeBytes {
                Encoder.write(
                    publication("1", position: Position(epoch: 1, offset: 8)), data: .delta($0), in: carrier, to: writer
                )
            }
        case "binary":
            let payload: [UInt8] = [0, 0xFF, 0x80]
            Encoder.write(
                publication(payload, .binary, position: Position(epoch: 1, offset: .max)), data: .whole, in: carrier,
                to: writer)
        case "message": Encoder.write(publication(Array("hello".utf8), .text, in: .all), in: carrier, to: writer)
        case "join": Encoder.write(.join, ann, in: chat, in: carrier, to: writer)
        case "leave": Encoder.write(.leave, nobody, in: chat, in: carrier, to: writer)
        case "unsubscribe":
            Encoder.writeUnsubscribePush(chat, code: 2500, reason: "insufficient state", in: carrier, to: writer)
        case "subscribe":
            Encoder.writeSubscribePush(chat, position: beginning(300, recovered: nil).position, in: carrier, to: writer)
        case "subscribePlain": Encoder.writeSubscribePush(chat, position: nil, in: carrier, to: writer)
        case "disconnect":
            Encoder.writeDisconnectPush(
                code: 3001, reason: "shutdown", isReconnectWelcome: true, in: carrier, to: writer)
        case "refreshPush": Encoder.writeRefreshPush(ttl: 60, in: carrier, to: writer)
        case "connected":
            Encoder.writeConnected(1, client: session, version: "1.0", ping: 25, pong: true, in: carrier, to: writer)
        case "connectedOne":
            Encoder.writeConnected(
                .max, client: session, version: "1.0", ping: 25, pong: true, ttl: 3600,
                channels: [(ChannelName(trusted: Array("a".utf8)), nil)], session: Array("s-1".utf8), in: carrier,
                to: writer)
        case "connectedRecovered":
            let missed = [publication("5", position: Position(epoch: 0xFF, offset: 6))]
            Encoder.writeConnected(
                2, client: session, version: "1.0", ping: 0, pong: false,
                channels: [(ChannelName(trusted: Array("b".utf8)), beginning(5, recovered: true, missed))], in: carrier,
                to: writer)
        case "connectPush":
            Encoder.writeConnectPush(
                client: session, version: "1.0", ping: 25, ttl: 9,
                channels: [(ChannelName(trusted: Array("a".utf8)), nil)], in: carrier, to: writer)
        case "subscribed": Encoder.writeSubscribed(2, in: carrier, to: writer)
        case "subscribedExpiring": Encoder.writeSubscribed(2, ttl: 60, hasDeltas: true, in: carrier, to: writer)
        case "subscribedRecovered":
            let missed = [
                publication("5", position: Position(epoch: 0xFF, offset: 6)),
                publication("x", position: Position(epoch: 0xFF, offset: 7), time: 3),
            ]
            Encoder.writeSubscribed(
                2, beginning: beginning(5, recovered: true, missed), hasDeltas: true, in: carrier, to: writer)
        case "subscribedUnrecovered":
            Encoder.writeSubscribed(300, beginning: beginning(9, recovered: false), in: carrier, to: writer)
        case "unsubscribed": Encoder.writeUnsubscribed(3, in: carrier, to: writer)
        case "published": Encoder.writePublished(4, in: carrier, to: writer)
        case "history":
            let kept = publication(
                Array(#"{"a":1}"#.utf8), position: Position(epoch: 1, offset: 7),
                extras: .init(tags: try PublicationTagsTests.tags(["k": "v"])))
            Encoder.writeHistory(5, page([kept], top: 7), in: carrier, to: writer)
        case "emptyHistory": Encoder.writeHistory(5, page([], top: 0), in: carrier, to: writer)
        case "presence": Encoder.writePresence(6, [ann], in: carrier, to: writer)
        case "noPresence": Encoder.writePresence(6, [], in: carrier, to: writer)
        case "presenceStats":
            Encoder.writePresenceStats(7, PresenceCounts(ours: 300, users: 2), in: carrier, to: writer)
        case "refreshed":
            Encoder.writeRefreshed(8, client: session, version: "1.0", ttl: 60, in: carrier, to: writer)
        case "subRefreshed": Encoder.writeSubRefreshed(9, ttl: 60, in: carrier, to: writer)
        case "error": Encoder.writeError(4, .internal, in: carrier, to: writer)
        case "refused": Encoder.writeError(4, .permissionDenied, in: carrier, to: writer)
        default: Encoder.write(publication("1"), in: .init(.stream, isBidirectional: false), to: writer)
        }
    }

    static func page(_ publications: [Publication], top: Offset) -> HistoryPage {
        HistoryPage(
            publications: publications, lineage: EpochLineage(top: Position(epoch: 1, offset: top)), isContinuous: true)
    }

    @Test(arguments: expected.keys.sorted())
    func writesWhatAnotherImplementationWrites(_ name: String) throws {
        let message = Proto.hex(try #require(Self.expected[name]))
        let delimited = Proto.varint(UInt64(message.count)) + message
        let writer = ByteWriter(capacity: 64)
        try Self.write(name, .init(.stream, isBidirectional: true), to: writer)
        #expect(Array(writer.bytes) == delimited)
        guard name != "barePush" else { return }
        writer.removeAll()
        try Self.write(name, .webSocket, to: writer)
        let frame = Written.bytes { writer in delimited.withUnsafeBytes { FrameWriter.write(.binary, $0, to: writer) } }
        #expect(Array(writer.bytes) == frame)
    }

    @Test func unidirectionalClientsGetThePushAlone() throws {
        for name in [
            "publication", "message", "join", "disconnect", "subscribe", "refreshPush", "connectPush", "unsubscribe",
        ] {
            // A reply with nothing but a push is its key, a length and the push.
            let reply = Proto.hex(try #require(Self.expected[name]))
            #expect(reply.first == 0x22)
            let push = Array(reply.dropFirst(2))
            let writer = ByteWriter()
            try Self.write(name, .init(.stream, isBidirectional: false), to: writer)
            #expect(Array(writer.bytes) == Proto.varint(UInt64(push.count)) + push)
        }
    }

    @Test func aPingIsAnEmptyMessage() {
        #expect(Written.bytes { CentrifugeProtobufEncoder.writePing(in: .webSocket, to: $0) } == [0x82, 1, 0])
        #expect(
            Written.bytes { CentrifugeProtobufEncoder.writePing(in: .init(.stream, isBidirectional: true), to: $0) }
                == [0])
    }

    /// Lengths of one, two, three and four bytes, and heads of all kinds.
    @Test(arguments: [0, 90, 100, 105, 106, 107, 108, 109, 110, 127, 128, 16_340, 16_384, 65_500, 65_540, 2_100_000])
    func framesOfEveryLengthAreRight(_ count: Int) throws {
        let payload = [UInt8](repeating: 0x61, count: count)
        let bytes = Written.bytes {
            CentrifugeProtobufEncoder.write(Self.publication(payload, .text), in: .webSocket, to: $0)
        }
        let data = payload.isEmpty ? [] : Proto.bytes(4, payload)
        let reply = Proto.bytes(4, Proto.text(2, "chat:1") + Proto.bytes(4, data))
        let message = Proto.varint(UInt64(reply.count)) + reply
        #expect(
            bytes == Written.bytes { writer in message.withUnsafeBytes { FrameWriter.write(.binary, $0, to: writer) } })
    }

    @Test func sizesAreBounds() throws {
        let long = PresenceMember(
            session: Self.session, user: [UInt8](repeating: 97, count: 60_000),
            info: [UInt8](repeating: 49, count: 3000))
        let tags = try PublicationTags(
            validating: (0..<20).map { (Array("key\($0)".utf8), [UInt8](repeating: 97, count: 150)) })
        let name = ChannelName(trusted: [UInt8](repeating: 97, count: 255))
        for count in [0, 1, 127, 128, 20_000, 70_000] {
            for extras: Publication.Extras? in [
                nil, .init(publisher: Self.ann), .init(publisher: long, tags: tags), .init(tags: tags),
            ] {
                for channel in [Self.chat, name, .all] {
                    let publication = Self.publication(
                        [UInt8](repeating: 0xFF, count: count), .binary, position: Position(epoch: .max, offset: .max),
                        time: Publication.latestTime, extras: extras, in: channel)
                    let bound = CentrifugeProtobufEncoder.maximumBytes(publication)
                    let alone = Written.bytes {
                        CentrifugeProtobufEncoder.write(publication, showsEpoch: true, in: .webSocket, to: $0)
                    }
                    #expect(alone.count <= bound)
                    #expect(bound <= alone.count + 40 || channel.isReserved)
                    let page = Self.page([publication, publication], top: 9)
                    let history = Written.bytes {
                        CentrifugeProtobufEncoder.writeHistory(.max, page, in: .webSocket, to: $0)
                    }
                    #expect(history.count <= 2 * bound)
                }
            }
        }
        for member in [Self.ann, Self.nobody, long] {
            let bound = CentrifugeProtobufEncoder.maximumBytes(member)
            let all = Written.bytes {
                CentrifugeProtobufEncoder.writePresence(.max, [member, member], in: .webSocket, to: $0)
            }
            #expect(all.count <= 2 * bound)
            let join = Publication(.join, of: member, in: name, origin: NodeID(1))
            let one = Written.bytes { CentrifugeProtobufEncoder.write(.join, member, in: name, in: .webSocket, to: $0) }
            #expect(one.count <= CentrifugeProtobufEncoder.maximumBytes(join))
        }
    }

    /// What the core says is said in both encodings, or in none.
    @Test func everyOutcomeIsWritten() {
        let outcomes: [(Outcome, String?)] = [
            (
                .connected(.init(client: Self.session, version: "1.0", ping: 25, timeToLive: nil, channels: [])),
                "connected"
            ),
            (.subscribed(timeToLive: nil, nil, hasDeltas: false), "subscribed"), (.unsubscribed, "unsubscribed"),
            (.published, "published"), (.history(Self.page([], top: 0)), "emptyHistory"),
            (.presence([Self.ann]), "presence"), (.presence([]), "noPresence"),
            (.presenceCounts(PresenceCounts(ours: 300, users: 2)), "presenceStats"),
            (.refreshed(client: Self.session, version: "1.0", timeToLive: 60), "refreshed"),
            (.subscriptionRefreshed(timeToLive: 60), "subRefreshed"), (.failed(.temporary), "error"),
            (.failed(.permissionDenied), "refused"),
            (.subscriptionEnded(Self.chat, .insufficientState), "unsubscribe"), (.lost(Self.chat, at: nil), nil),
            (.positions([]), nil),
        ]
        for (outcome, name) in outcomes {
            let message = name.flatMap { Self.expected[$0] }.map(Proto.hex)
            // The first byte of a reply's fields is its number.
            let number = message.flatMap { $0.first == 0x08 ? UInt32($0[1]) : nil } ?? 0
            let written = Written.bytes {
                CentrifugeProtobufEncoder.write(
                    outcome, for: ReplyID(number), in: .init(.stream, isBidirectional: true), to: $0)
            }
            #expect(written == message.map { Proto.varint(UInt64($0.count)) + $0 } ?? [], "\(outcome)")
            let json = Written.bytes { Variant.centrifugeJSON.write(outcome, for: ReplyID(number), to: $0) }
            #expect(json.isEmpty == written.isEmpty, "\(outcome)")
        }
    }
}
