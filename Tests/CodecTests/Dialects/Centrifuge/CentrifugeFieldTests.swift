import Codec
import Testing

/// Fields of commands: what is not set, what is served, and what is refused because it is not.
@Suite struct CentrifugeFieldTests {
    private static func said(_ command: String) -> [String] {
        var machine = CentrifugeMachineTests.connected()
        return CentrifugeMachineTests.receive(command, by: &machine)
    }

    private static func atFirst(_ command: String) -> [String] {
        var machine = CentrifugeMachine()
        return CentrifugeMachineTests.receive(command, by: &machine)
    }

    /// What stands in front of the field, the fields, and what stands behind them.
    private static let fields: [(begin: String, names: [String], end: String)] = [
        (#""connect":{"#, ["token", "data", "subs", "name", "version", "headers", "flag", "dict", "profile"], "}"),
        (
            #""subscribe":{"channel":"a","#,
            [
                "token", "recover", "epoch", "offset", "data", "positioned", "recoverable", "join_leave", "delta", "tf",
                "flag", "type", "phase", "cursor", "limit", "asc",
            ], "}"
        ),
        (#""publish":{"channel":"a","data":1,"#, ["type", "key", "removed"], "}"),
        (#""history":{"channel":"a","#, ["limit", "since", "reverse"], "}"),
        (#""history":{"channel":"a","since":{"#, ["offset", "epoch"], "}}"),
        (#""sub_refresh":{"channel":"a","token":"t","#, ["type", "track", "untrack"], "}"),
        (#""subscribe":{"channel":"a"},"#, ["connect", "unsubscribe", "publish", "rpc", "x"], ""),
    ]

    /// Every field of every command: `null` is as good as nothing.
    @Test(arguments: 0..<7)
    func nullIsNotSet(_ index: Int) {
        let (begin, names, end) = Self.fields[index]
        let isFirst = begin.hasPrefix("\"connect\":")
        func answer(_ command: String) -> [String] { isFirst ? Self.atFirst(command) : Self.said(command) }
        let bare = begin.hasSuffix(",") ? String(begin.dropLast()) : begin
        let without = answer("{\"id\":1," + bare + end + "}")
        #expect(without.count == 1)
        #expect(!without[0].hasPrefix("disconnect"))
        for name in names {
            #expect(answer("{\"id\":1," + begin + "\"" + name + "\":null" + end + "}") == without, "\(name)")
        }
        let all = names.map { "\"" + $0 + "\":null" }.joined(separator: ",")
        #expect(answer("{\"id\":1," + begin + all + end + "}") == without)
    }

    @Test func aCommandWithoutANumberIsStillWrong() {
        #expect(Self.said(#"{"id":null,"subscribe":{"channel":"a"}}"#) == ["disconnect 3501"])
        #expect(Self.said(#"{"id":2,"subscribe":{"channel":null}}"#) == ["disconnect 3501"])
        #expect(Self.said(#"{"id":2,"refresh":{"token":null}}"#) == ["disconnect 3501"])
        #expect(Self.said(#"{"id":2,"subscribe":{"channel":"a","token":nul}}"#) == ["disconnect 3501"])
    }

    /// What this dialect does not serve is refused in the protocol's own words (Centrifuge: client.go).
    @Test(
        arguments: [
            (#""subscribe":{"channel":"a","type":1}"#, "refuse 2 108"),
            (#""subscribe":{"channel":"a","type":4}"#, "refuse 2 108"),
            (#""subscribe":{"channel":"a","type":0}"#, "subscribe 2 a"),
            (#""subscribe":{"channel":"a","phase":2}"#, "refuse 2 108"),
            (#""subscribe":{"channel":"a","cursor":"x"}"#, "refuse 2 108"),
            (#""subscribe":{"channel":"a","limit":100}"#, "refuse 2 108"),
            (#""subscribe":{"channel":"a","asc":true}"#, "refuse 2 108"),
            (#""subscribe":{"channel":"a","asc":false,"cursor":"","phase":0,"limit":0}"#, "subscribe 2 a"),
            (#""subscribe":{"channel":"a","tf":{"key":"t","cmp":"eq","val":"x"}}"#, "subscribe 2 a"),
            (#""subscribe":{"channel":"a","tf":{}}"#, "refuse 2 107"),
            (#""subscribe":{"channel":"a","tf":{"key":"t","cmp":"like","val":"x"}}"#, "refuse 2 107"),
            (#""subscribe":{"channel":"a","tf":{"op":"not"}}"#, "refuse 2 107"),
            (#""subscribe":{"channel":"a","delta":"fossil"}"#, "subscribe 2 a"),
            (#""subscribe":{"channel":"a","delta":""}"#, "subscribe 2 a"),
            (#""subscribe":{"channel":"a","delta":"xdelta"}"#, "disconnect 3501"),
            // An offer: no numeric id in the reply declines it.
            (#""subscribe":{"channel":"a","flag":1}"#, "subscribe 2 a"),
            (#""subscribe":{"channel":"a","flag":2}"#, "subscribe 2 a"),
            (
                #""subscribe":{"channel":"a","flag":3,"recover":true,"epoch":"e","offset":4}"#,
                "subscribe 2 a recovering e:4 or not at all"
            ),
            (#""subscribe":{"channel":"a","flag":"2"}"#, "disconnect 3501"),
            (#""publish":{"channel":"a","data":1,"type":1}"#, "refuse 2 108"),
            (#""publish":{"channel":"a","data":1,"type":1,"key":"k","removed":true}"#, "refuse 2 108"),
            (#""publish":{"channel":"a","data":1,"key":"k"}"#, "refuse 2 108"),
            (#""publish":{"channel":"a","data":null}"#, "publish 2 a null"),
            (#""publish":{"channel":"a"}"#, "refuse 2 107"),
            (#""sub_refresh":{"channel":"a","type":1,"track":[{"items":[]}]}"#, "refuse 2 108"),
            (#""sub_refresh":{"channel":"a","token":"t","type":0}"#, "subrefresh 2 a t"),
            (#""rpc":{"method":"x","data":{}}"#, "rpc 2 x {}"),
            (#""send":{"data":1}"#, "disconnect 3508"),
            (#""history":{"channel":"a","since":1}"#, "disconnect 3501"),
        ] as [(String, String)])
    func whatIsNotServedIsRefused(_ command: String, _ answer: String) {
        #expect(Self.said("{\"id\":2,\(command)}") == [answer])
    }

    @Test func aMessageWithoutANumberIsRefusedToo() {
        #expect(Self.said(#"{"send":{"data":1}}"#) == ["disconnect 3508"])
    }

    @Test(
        arguments: [
            (#"{"a":{"recover":true,"epoch":"e","offset":3,"tf":{}}}"#, "connect 1 - - - -"),
            (#"{"a":{"recover":true,"tf":{"key":"t"}}}"#, "refuse 1 108"),
            (#"{"a":{"type":4}}"#, "refuse 1 108"),
            (#"{"a":{"recover":true,"flag":2}}"#, "refuse 1 108"),
            (#"{"a":{"flag":2}}"#, "connect 1 - - - -"),
            (#"{"a":1}"#, "disconnect 3501"),
            (#"[]"#, "disconnect 3501"),
        ] as [(String, String)])
    func channelsThatTheNodeGivesAreNoOtherWayIn(_ subs: String, _ answer: String) {
        #expect(Self.atFirst("{\"id\":1,\"connect\":{\"subs\":\(subs)}}") == [answer])
    }

    @Test(
        arguments: [
            (
                #"{"X-Tenant":"blue","authorization":"Bearer x"}"#,
                "connect 1 - - - - x-tenant: blue authorization: Bearer x"
            ),
            (#"{"A":null,"b":""}"#, "connect 1 - - - - b: "),
            (#"{}"#, "connect 1 - - - -"),
            (#"{"a b":"c"}"#, "refuse 1 107"),
            (#"{"":"c"}"#, "refuse 1 107"),
            (#"{"a":"b\r\nc: d"}"#, "refuse 1 107"),
            (#"{"a":1}"#, "refuse 1 107"),
            (#"[]"#, "disconnect 3501"),
        ] as [(String, String)])
    func headersOfAConnect(_ headers: String, _ answer: String) {
        #expect(Self.atFirst("{\"id\":1,\"connect\":{\"headers\":\(headers)}}") == [answer])
    }

    @Test func headersAreBounded() {
        func object(_ count: Int) -> String {
            "{" + (0..<count).map { "\"h\($0)\":\"x\"" }.joined(separator: ",") + "}"
        }
        #expect(Self.atFirst("{\"id\":1,\"connect\":{\"headers\":\(object(64))}}")[0].hasPrefix("connect 1"))
        #expect(Self.atFirst("{\"id\":1,\"connect\":{\"headers\":\(object(65))}}") == ["refuse 1 107"])
    }
}
