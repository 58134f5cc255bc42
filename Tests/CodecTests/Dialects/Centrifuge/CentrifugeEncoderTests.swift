import Codec
import Testing

@Suite struct CentrifugeEncoderTests {
    static let session = SessionID(node: NodeID(0xA1), locator: 2, secret: .init(high: 3, low: .max))

    static func push(
        _ payload: String, _ kind: PayloadKind, channel: ChannelName = ChannelName(trusted: Array("chat:1".utf8)),
        position: Position? = nil, extras: Publication.Extras? = nil
    ) -> String? {
        let publication = Publication(
            channel: channel, kind: kind, payload: Array(payload.utf8), origin: NodeID(1), position: position,
            extras: extras)
        return Written.textFrame {
            PublicationEncoder.write(publication, as: .centrifugeJSON, packing: Packing(.init()), to: $0)
        }
    }

    static let data: [(String, PayloadKind, String)] = [
        ("{\"a\":1}", .json, "{\"a\":1}"),
        ("{\"a\":1}", .text, "{\"a\":1}"),
        ("{\n \"a\":\r\n1}\n", .json, "{ \"a\":1}"),
        ("\"a\\nb\"", .text, "\"a\\nb\""),
        ("5", .text, "5"),
        ("hello", .text, "\"hello\""),
        ("say \"hi\"\n", .text, "\"say \\\"hi\\\"\\n\""),
        ("", .text, "\"\""),
        ("\u{0}é", .text, "\"\\u0000é\""),
        ("{\"a\":1", .text, "\"{\\\"a\\\":1\""),
        // What another node calls JSON and is none must not end our object early.
        ("1}}},{\"push\":{}", .json, "\"1}}},{\\\"push\\\":{}\""),
        ("", .json, "\"\""),
        ("\u{1}ab", .binary, "\"AWFi\""),
        ("", .binary, "\"\""),
    ]

    @Test(arguments: data)
    func publicationsAreJSON(_ payload: String, _ kind: PayloadKind, _ data: String) {
        #expect(Self.push(payload, kind) == "{\"push\":{\"channel\":\"chat:1\",\"pub\":{\"data\":\(data)}}}")
        #expect(Self.push(payload, kind, channel: .all) == "{\"push\":{\"message\":{\"data\":\(data)}}}")
        #expect(
            Self.push(payload, kind, channel: .connection(Self.session))
                == "{\"push\":{\"message\":{\"data\":\(data)}}}")
    }

    @Test func carriesPublisherAndOffset() {
        let pushed = Self.push(
            "1", .json, channel: ChannelName(trusted: Array("a\"b\\".utf8)), position: Position(epoch: 1, offset: .max),
            extras: .init(publisher: .init(session: Self.session, user: nil, info: nil)))
        #expect(
            pushed == """
                {"push":{"channel":"a\\"b\\\\","pub":{"data":1,"info":{"client":"\(Self.session)"},\
                "offset":9007199254740991}}}
                """)
    }

    @Test func saysWhoPublishedAndWhen() {
        let publication = Publication(
            channel: ChannelName(trusted: Array("chat:1".utf8)), kind: .json, payload: Array("1".utf8),
            origin: NodeID(1), position: Position(epoch: 1, offset: 7), time: 1_700_000_000_123,
            extras: .init(
                publisher: .init(
                    session: Self.session, user: Array("a\"b".utf8), info: Array("{\"name\":\n\"Ann\"}".utf8))))
        let written = Written.textFrame {
            PublicationEncoder.write(publication, as: .centrifugeJSON, packing: Packing(.init()), to: $0)
        }
        let object = """
            {"data":1,"info":{"user":"a\\"b","client":"\(Self.session)","conn_info":{"name":"Ann"}},\
            "offset":7,"time":1700000000123}
            """
        #expect(written == "{\"push\":{\"channel\":\"chat:1\",\"pub\":\(object)}}")
        let page = HistoryPage(
            publications: [publication], lineage: EpochLineage(top: Position(epoch: 1, offset: 7)), isContinuous: true)
        let history = Written.textFrame { CentrifugeEncoder.writeHistory(3, page, to: $0) }
        #expect(history?.contains("\"publications\":[\(object)]") == true)
        #expect((written?.utf8.count ?? .max) <= CentrifugeEncoder.maximumBytes(publication))
    }

    @Test func framesOfEveryLengthHaveTheRightHeader() {
        for count in [0, 60, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90, 1000, 65_480, 65_500, 65_600, 200_000] {
            let payload = "\"" + String(repeating: "x", count: count) + "\""
            #expect(
                Self.push(payload, .json) == "{\"push\":{\"channel\":\"chat:1\",\"pub\":{\"data\":\(payload)}}}")
        }
    }

    @Test func framesFollowEachOther() {
        let one = Written.bytes { CentrifugeEncoder.writePing(to: $0) }
        let two = Written.bytes { CentrifugeEncoder.writePublished(7, to: $0) }
        let both = Written.bytes { writer in
            CentrifugeEncoder.writePing(to: writer)
            CentrifugeEncoder.writePublished(7, to: writer)
        }
        #expect(both == one + two)
    }

    @Test func repliesAsInTheProtocol() {
        #expect(Written.textFrame { CentrifugeEncoder.writePing(to: $0) } == "{}")
        #expect(Written.textFrame { CentrifugeEncoder.writeSubscribed(2, to: $0) } == "{\"id\":2,\"subscribe\":{}}")
        #expect(
            Written.textFrame { CentrifugeEncoder.writeUnsubscribed(.max, to: $0) }
                == "{\"id\":4294967295,\"unsubscribe\":{}}")
        #expect(Written.textFrame { CentrifugeEncoder.writePublished(3, to: $0) } == "{\"id\":3,\"publish\":{}}")
        #expect(
            Written.textFrame { CentrifugeEncoder.writeError(4, .permissionDenied, to: $0) }
                == "{\"id\":4,\"error\":{\"code\":103,\"message\":\"permission denied\"}}")
        #expect(
            Written.textFrame { CentrifugeEncoder.writeError(4, .internal, to: $0) }
                == "{\"id\":4,\"error\":{\"code\":100,\"message\":\"internal server error\",\"temporary\":true}}")
    }

    @Test func connectedSaysWhatIsSet() {
        func connected(_ ping: UInt32, _ pong: Bool) -> String? {
            Written.textFrame {
                CentrifugeEncoder.writeConnected(
                    1, client: Self.session, version: "1.0", ping: ping, pong: pong, to: $0)
            }
        }
        let begin = "{\"id\":1,\"connect\":{\"client\":\"\(Self.session)\",\"version\":\"1.0\""
        let end = ",\"node\":\"00000000000000a1\"}}"
        #expect(connected(25, true) == begin + ",\"ping\":25,\"pong\":true" + end)
        #expect(connected(0, false) == begin + end)
    }

    @Test func codesAreOfTheirRanges() {
        let errors: [CentrifugeError] = [
            .internal, .unauthorized, .unknownChannel, .permissionDenied, .methodNotFound, .alreadySubscribed,
            .limitExceeded, .badRequest, .notAvailable, .tokenExpired, .expired, .tooManyRequests,
            .unrecoverablePosition, .concurrentPagination,
        ]
        #expect(errors.map(\.code) == Array(100...113))
        #expect(errors.filter(\.isTemporary).map(\.code) == [100, 111, 113])
        let comeBack: [CentrifugeDisconnect] = [
            .connectionClosed, .shutdown, .serverError, .expired, .subscriptionExpired, .slow, .writeError,
            .insufficientState, .forceReconnect, .noPong, .tooManyRequests, .stateInvalidated,
        ]
        #expect(comeBack.map(\.code) == [3000, 3001, 3004, 3005, 3006, 3008, 3009, 3010, 3011, 3012, 3013, 3014])
        let stayAway: [CentrifugeDisconnect] = [
            .invalidToken, .badRequest, .stale, .forceDisconnect, .connectionLimit, .channelLimit,
            .inappropriateProtocol, .permissionDenied, .notAvailable, .tooManyErrors,
        ]
        #expect(stayAway.map(\.code) == Array(3500...3509))
        #expect(comeBack.allSatisfy { $0.isReconnectWelcome })
        #expect(!stayAway.contains { $0.isReconnectWelcome })
        #expect((comeBack + stayAway).allSatisfy { (1...123).contains($0.reason.utf8.count) })
    }
}
