import Codec
import Testing

@testable import Node

private let limits = ServerAPILimits(messageBytes: 1000, now: 1_000_000)

private func command(_ method: ServerAPIMethod, _ text: String) throws(ServerAPIError) -> ServerAPICommand {
    try ServerAPICommand(method, Array(text.utf8), limits)
}

private func refusal(_ method: ServerAPIMethod, _ text: String) -> ServerAPIError? {
    do {
        _ = try command(method, text)
        return nil
    } catch {
        return error
    }
}

private func name(_ text: String) -> ChannelName { ChannelName(trusted: Array(text.utf8)) }

private func publish(_ text: String, _ method: ServerAPIMethod = .publish) throws -> ServerAPICommand.Publish {
    guard case .publish(let publish) = try command(method, text) else { throw Unexpected() }
    return publish
}

private func act(_ method: ServerAPIMethod, _ text: String) throws -> (SessionAction, SessionSelection, ChannelDemands)
{
    guard case .act(let action, let selection, let demands) = try command(method, text) else { throw Unexpected() }
    return (action, selection, demands)
}

private struct Unexpected: Error {}

@Suite struct ServerAPICommandTests {
    @Test func keepsDataByteForByte() throws {
        let request = try publish(#"{"data": {"n" : 1.50, "s":"\u00e9"} ,"channel":"a"}"#)
        #expect(request.payload == Array(#"{"n" : 1.50, "s":"\u00e9"}"#.utf8) && request.kind == .json)
        #expect(try request.channels.map { try $0.get() } == [name("a")] && !request.isBroadcast)
        #expect(try publish(#"{"channel":"a","data":null}"#).payload == Array("null".utf8))
    }

    @Test func binaryCountsWhereThereIsSome() throws {
        let request = try publish(#"{"channel":"a","data":null,"b64data":"AAEC/w=="}"#)
        #expect(request.kind == .binary && request.payload == [0, 1, 2, 255])
        #expect(try publish(#"{"channel":"a","data":1,"b64data":""}"#).kind == .json)
        #expect(refusal(.publish, #"{"channel":"a","b64data":"&"}"#)?.code == 107)
    }

    @Test func takesTheOptionsOfAPublication() throws {
        let request = try publish(
            #"{"channel":"a","data":1,"skip_history":true,"idempotency_key":"k","delta":true,"tags":{},"version":0}"#)
        #expect(request.skipsHistory && request.idempotencyKey == Array("k".utf8))
        let plain = try publish(#"{"channel":"a","data":1,"skip_history":null,"idempotency_key":"","tags":null}"#)
        #expect(!plain.skipsHistory && plain.idempotencyKey == nil && plain.tags == nil)
        let tags = try PublicationTags(validating: [(Array("a".utf8), Array("é".utf8)), (Array("b".utf8), [])])
        for method in [ServerAPIMethod.publish, .broadcast] {
            let tagged = try publish(
                #"{"channel":"a","channels":["a"],"data":1,"tags":{"b":"","a":"\u00e9"}}"#, method)
            #expect(tagged.tags == tags)
        }
    }

    /// Every channel of a broadcast is answered for itself, one that cannot be too.
    @Test func aBroadcastKeepsTheChannelsApart() throws {
        let request = try publish(#"{"channels":["a","","b"],"data":1}"#, .broadcast)
        #expect(request.isBroadcast && request.channels.count == 3)
        #expect(try request.channels[0].get() == name("a"))
        #expect(throws: ServerAPIError.self) { try request.channels[1].get() }
        let many = (0...ServerAPILimits.maximumChannels).map { "\"\($0)\"" }.joined(separator: ",")
        #expect(refusal(.broadcast, "{\"channels\":[\(many)],\"data\":1}")?.code == 107)
        #expect(refusal(.broadcast, #"{"channels":[],"data":1}"#)?.code == 107)
    }

    static let wrong: [(method: ServerAPIMethod, text: String, code: Int, isUnreadable: Bool)] = [
        (.publish, "", 107, true), (.publish, "[]", 107, true), (.publish, "{", 107, true),
        (.publish, "{} x", 107, true),
        (.publish, "null", 107, true), (.publish, #"{"channel":5,"data":1}"#, 107, true),
        (.publish, #"{"channel":"a","data":01}"#, 107, true), (.publish, "{\"channel\":\"\u{1}\"}", 107, true),
        (.publish, #"{"channel":"a","data":1,"skip_history":1}"#, 107, true),
        (.publish, #"{"channel":"\ud800","data":1}"#, 107, true),
        (.publish, "{\"channel\":\"a\",\"data\":\(String(repeating: "[", count: 100))", 107, true),
        (.publish, #"{"data":1}"#, 107, false), (.publish, #"{"channel":"","data":1}"#, 107, false),
        (.publish, #"{"channel":"a b","data":1}"#, 107, false), (.publish, #"{"channel":"$all","data":1}"#, 107, false),
        (.publish, #"{"channel":"a"}"#, 107, false),
        (.publish, "{\"channel\":\"a\",\"data\":\"\(String(repeating: "x", count: 999))\"}", 107, false),
        (.publish, #"{"channel":"a","data":1,"tags":{"a":1}}"#, 107, true),
        (.publish, #"{"channel":"a","data":1,"tags":["a"]}"#, 107, true),
        (.publish, #"{"channel":"a","data":1,"tags":{"":"b"}}"#, 107, false),
        (
            .broadcast, #"{"channels":["a"],"data":1,"tags":{"a":"\#(String(repeating: "x", count: 4096))"}}"#, 107,
            false
        ),
        (.publish, #"{"channel":"a","data":1,"version":7}"#, 108, false),
        (.publish, #"{"channel":"a","data":1,"version_epoch":"x"}"#, 108, false),
        (.subscribe, #"{"user":"ann"}"#, 107, false), (.subscribe, #"{"channel":"a"}"#, 107, false),
        (.subscribe, #"{"user":"ann","channel":"a","info":{"a":1}}"#, 108, false),
        (.subscribe, #"{"user":"ann","channel":"a","b64info":"AAEC"}"#, 108, false),
        (.subscribe, #"{"user":"ann","channel":"a","all_users":true}"#, 108, false),
        (.subscribe, #"{"user":"ann","channel":"a","label_filter":{"op":"and"}}"#, 108, false),
        (.subscribe, #"{"user":"ann","channel":"a","expire_at":999999}"#, 107, false),
        (.subscribe, #"{"user":"ann","channel":"a","expire_at":-1}"#, 107, false),
        (.subscribe, #"{"user":"ann","channel":"a","expire_at":1e9}"#, 107, true),
        (.subscribe, #"{"user":"ann","channel":"a","b64data":"AAEC"}"#, 107, false),
        (.subscribe, #"{"user":"ann","channel":"a","recover_since":5}"#, 107, true),
        (.subscribe, #"{"user":"ann","channel":"a","recover_since":{"offset":-1}}"#, 107, true),
        (.subscribe, #"{"user":"ann","channel":"a","override":{"presence":true}}"#, 107, true),
        (.unsubscribe, "{}", 107, false), (.unsubscribe, #"{"channel":"a"}"#, 107, false),
        (.disconnect, "{}", 107, false), (.disconnect, #"{"user":null}"#, 107, false),
        (.disconnect, #"{"user":"ann","disconnect":{"code":1000}}"#, 107, false),
        (.disconnect, #"{"user":"ann","disconnect":{"code":5000}}"#, 107, false),
        (.disconnect, #"{"user":"ann","disconnect":{"code":99999999999}}"#, 107, false),
        (
            .disconnect, "{\"user\":\"ann\",\"disconnect\":{\"reason\":\"\(String(repeating: "x", count: 124))\"}}",
            107, false
        ),
        (.disconnect, #"{"user":"ann","whitelist":["a",1]}"#, 107, true),
        (.refresh, "{}", 107, false), (.refresh, #"{"user":"ann","info":1}"#, 108, false),
        (.presence, "{}", 107, false), (.presenceStats, #"{"channel":""}"#, 107, false),
        (.history, #"{"channel":"a","limit":"5"}"#, 107, true), (.history, #"{"channel":"a","since":[]}"#, 107, true),
        (.historyRemove, "{}", 107, false), (.channels, #"{"pattern":"["}"#, 107, false),
        (.channels, #"{"pattern":1}"#, 107, true), (.rpc, "{}", 107, false),
    ]

    @Test(arguments: wrong)
    func refuses(method: ServerAPIMethod, text: String, code: Int, isUnreadable: Bool) {
        let error = refusal(method, text)
        #expect(error?.code == code && error?.isUnreadable == isUnreadable, "\(text): \(String(describing: error))")
    }

    @Test func bytesThatAreNoTextAreRefused() {
        #expect(throws: ServerAPIError.self) {
            try ServerAPICommand(.publish, Array(#"{"channel":""#.utf8) + [0xFF] + Array(#"","data":1}"#.utf8), limits)
        }
    }

    @Test func passesOverWhatTheProtocolDoesNotKnow() {
        #expect(refusal(.publish, #"{"channel":"a","data":1,"later":{"x":[1,2]}}"#) == nil)
        #expect(refusal(.info, #"{"anything":1}"#) == nil)
    }

    @Test func theLastOfTwoCounts() throws {
        #expect(try publish(#"{"channel":"a","channel":"b","data":1}"#).channels.map { try $0.get() } == [name("b")])
    }

    @Test func choosesWhoIsMeant() throws {
        let id = SessionID(node: NodeID(1), locator: 2, secret: .init(high: 3, low: 4)).description
        #expect(try act(.disconnect, #"{"user":""}"#).1 == SessionSelection(user: ""))
        #expect(try act(.disconnect, #"{"client":"\#(id)"}"#).1 == SessionSelection(client: id))
        #expect(try act(.disconnect, #"{"user":"a","session":"\#(id)","client":""}"#).1.client == id)
        #expect(try act(.disconnect, #"{"user":"a","whitelist":["x"]}"#).1.except == ["x"])
        // Two names for two sessions are nobody.
        #expect(SessionID(try #require(act(.disconnect, #"{"client":"x","session":"y"}"#).1.client)) == nil)
    }

    @Test func disconnectsWithACodeOfItsOwn() throws {
        #expect(try act(.disconnect, #"{"user":"a"}"#).0 == .disconnect(code: 3503, reason: "force disconnect"))
        #expect(
            try act(.disconnect, #"{"user":"a","disconnect":{"code":0,"reason":""}}"#).0
                == .disconnect(code: 3503, reason: "force disconnect"))
        #expect(
            try act(.disconnect, #"{"user":"a","disconnect":{"code":4500,"reason":"bye"}}"#).0
                == .disconnect(code: 4500, reason: "bye"))
    }

    @Test func refreshesOrEnds() throws {
        #expect(try act(.refresh, #"{"user":"a"}"#).0 == .refresh(expiresAt: nil))
        #expect(try act(.refresh, #"{"user":"a","expire_at":2000000}"#).0 == .refresh(expiresAt: 2_000_000))
        #expect(try act(.refresh, #"{"user":"a","expire_at":5}"#).0 == .expire)
        #expect(try act(.refresh, #"{"user":"a","expired":true,"expire_at":2000000}"#).0 == .expire)
    }

    @Test func subscribesWithWhatIsToBeTold() throws {
        let (action, _, demands) = try act(
            .subscribe,
            #"{"user":"a","channel":"c","data":{"x": 1},"recover_since":{"epoch":"e"},"expire_at":2000000,"info":null}"#
        )
        #expect(
            action == .subscribe(channel: "c", data: #"{"x": 1}"#, epoch: "e", offset: 0, expiresAt: 2_000_000))
        #expect(demands == ChannelDemands(channel: name("c")))
        #expect(
            try act(.subscribe, #"{"user":"a","channel":"c","data":null}"#).0
                == .subscribe(channel: "c", data: nil, epoch: nil, offset: nil, expiresAt: nil))
        #expect(
            try act(.subscribe, #"{"user":"a","channel":"c","b64data":"eyJhIjoxfQ=="}"#).0
                == .subscribe(channel: "c", data: #"{"a":1}"#, epoch: nil, offset: nil, expiresAt: nil))
    }

    @Test func overridesHaveToBeWhatTheRuleGives() throws {
        let demands = try act(
            .subscribe,
            #"{"user":"a","channel":"c","override":{"presence":{"value":true},"force_recovery":{"value":false}}}"#
        ).2
        #expect(demands.presence == true && demands.recovery == false && demands.joinLeave == nil)
        #expect(
            refusal(
                .subscribe,
                #"{"user":"a","channel":"c","override":{"force_recovery":{"value":true},"force_positioning":{}}}"#)?
                .code
                == 108)
        var rule = ChannelRule(match: ChannelPattern("*"))
        #expect(demands.objection(to: rule) != nil)
        rule.presence = PresenceSettings(announces: false, grace: 0)
        #expect(demands.objection(to: rule) == nil)
        rule.history = HistorySettings(size: 1, timeToLive: 1)
        #expect(demands.objection(to: rule) != nil)
    }

    @Test func readsHistoryFromWhereAClientIs() throws {
        guard
            case .history(let history) = try command(
                .history, #"{"channel":"a","limit":-1,"since":{"offset":5,"epoch":""},"reverse":true}"#)
        else { throw Unexpected() }
        #expect(history.limit == -1 && history.isReverse && history.since == .anyEpoch(ClientOffset(clamping: 5)))
        guard case .history(let end) = try command(.history, #"{"channel":"a"}"#) else { throw Unexpected() }
        #expect(end.limit == 0 && end.since == nil && !end.isReverse)
    }
}

@Suite struct ServerAPIBatchTests {
    private func batch(_ text: String) throws(ServerAPIError) -> ServerAPIBatch {
        try ServerAPIBatch(Array(text.utf8), limits)
    }

    @Test func readsCommands() throws {
        let read = try batch(
            #"{"commands":[{"publish":{"channel":"a","data":1}},{"info":{}},null,{},{"map_publish":{}},{"nonsense":{}},{"publish":{}}],"parallel":true}"#
        )
        #expect(read.isParallel)
        #expect(read.commands.map(\.method) == [.publish, .info, nil, nil, nil, nil, .publish])
        let codes = read.commands.map { entry -> Int? in
            if case .failure(let error) = entry.command { return error.code }
            return nil
        }
        #expect(codes == [nil, nil, 107, 104, 108, 104, 107])
        #expect(try batch("{}").commands.isEmpty)
    }

    @Test(arguments: [
        "", "[]", #"{"commands":{}}"#, #"{"commands":[1]}"#, #"{"commands":[{"publish":5}]}"#,
        #"{"commands":[{"publish":{"channel":1}}]}"#,
    ])
    func refuses(text: String) {
        #expect(throws: ServerAPIError.self) { try batch(text) }
    }

    @Test func boundsTheCommands() throws {
        let commands = Array(repeating: #"{"info":{}}"#, count: ServerAPILimits.maximumCommands)
        #expect(try batch("{\"commands\":[\(commands.joined(separator: ","))]}").commands.count == commands.count)
        let more = (commands + [commands[0]]).joined(separator: ",")
        #expect(throws: ServerAPIError.self) { try batch("{\"commands\":[\(more)]}") }
    }

    @Test func readsTheOlderForm() throws {
        let text = #"{"id":5,"method":"PUBLISH","params":{"channel":"a"}}"# + "\n" + #"{"method":9}{"method":"x"} {}"#
        let lines = try ServerAPILine.read(Array(text.utf8))
        #expect(lines.map(\.method) == [.publish, .info, nil, .publish])
        #expect(lines.map(\.id) == [5, 0, 0, 0])
        #expect(lines[0].parameters == Array(#"{"channel":"a"}"#.utf8) && lines[1].parameters == Array("{}".utf8))
    }

    @Test(arguments: ["", " \n", "{", "5", #"{"method":{}}"#, #"{"id":-1}"#, "{} nonsense"])
    func refusesTheOlderForm(text: String) {
        #expect(throws: ServerAPIError.self) { try ServerAPILine.read(Array(text.utf8)) }
    }

    @Test func everyMethodIsServedOrRefusedInItsOwnWords() {
        #expect(ServerAPIMethod.refusal(of: "connections".utf8).code == 108)
        #expect(ServerAPIMethod.refusal(of: "nonsense".utf8).code == 104)
        for method in ServerAPIMethod.allCases { #expect(!ServerAPIMethod.unserved.contains(method.rawValue)) }
    }
}

@Suite struct ServerAPIReplyTests {
    private func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    @Test func showsPositionsAsClientsSeeThem() {
        let position = Position(epoch: 0x1234_5678_9abc_def0, offset: 7)
        #expect(
            text(ServerAPIReply.published(position))
                == #"{"offset":\#(ClientOffset(position)),"epoch":"123456789abcdef0"}"#)
        #expect(text(ServerAPIReply.published(nil)) == "{}")
    }

    @Test func writesResponses() {
        let error = ServerAPIError.badRequest("\"")
        #expect(text(ServerAPIReply.response(.success(Array("{}".utf8)))) == #"{"result":{}}"#)
        #expect(
            text(ServerAPIReply.response(.failure(error))) == #"{"error":{"code":107,"message":"bad request: \""}}"#)
        #expect(text(ServerAPIReply.line(3, .success(Array("{}".utf8)))) == #"{"id":3,"result":{}}"#)
        #expect(text(ServerAPIReply.line(0, .success(Array("{}".utf8)))) == #"{"result":{}}"#)
        #expect(
            text(ServerAPIReply.batch([(.presenceStats, .success(Array("{}".utf8))), (nil, .failure(error))]))
                == #"{"replies":[{"presence_stats":{}},{"error":{"code":107,"message":"bad request: \""}}]}"#)
    }

    @Test func whatIsNotJSONBecomesAString() {
        let kinds: [(PayloadKind, String, String)] = [
            (.json, #"{"a": 1}"#, #"{"a": 1}"#), (.text, "5", "5"), (.text, "a\"b", #""a\"b""#),
            (.binary, "ab", "\"YWI=\""),
        ]
        for (kind, payload, shown) in kinds {
            let publication = Publication(
                channel: name("a"), kind: kind, payload: Array(payload.utf8), origin: NodeID(1),
                position: Position(epoch: 1, offset: 2))
            let page = text(ServerAPIReply.history([publication], top: Position(epoch: 1, offset: 0)))
            #expect(page == #"{"publications":[{"data":\#(shown),"offset":2}],"epoch":"0000000000000001"}"#)
        }
    }
}
