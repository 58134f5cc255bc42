import Codec
import Testing

@Suite struct CentrifugeMachineTests {
    /// An intent in words, so that tables can hold it.
    static func words(_ intent: Intent) -> String {
        func text(_ bytes: some Sequence<UInt8>) -> String { String(decoding: Array(bytes), as: UTF8.self) }
        switch intent {
        case .connect(let connect):
            let parts = [connect.token, connect.name, connect.version, connect.data.map { Array($0) }]
            return "connect \(connect.reply.number)" + parts.map { " " + ($0.map(text) ?? "-") }.joined()
                + connect.headers.map { " \($0.name): \($0.value)" }.joined()
                + connect.wanted.map { " wants \($0)" }.joined()
        case .subscribe(let subscribe):
            return "subscribe \(subscribe.reply.number) \(subscribe.channel)"
                + (subscribe.seen.map { " recovering \(text($0.epoch)):\($0.offset)" } ?? "")
                + (subscribe.token.map { " by " + text($0) } ?? "")
                + (subscribe.rejectsUnrecovered ? " or not at all" : "")
        case .unsubscribe(let reply, let channel): return "unsubscribe \(reply.number) \(channel)"
        case .publish(let publish):
            let channel = publish.channel.map { "\($0)" } ?? "-"
            return "publish \(publish.reply.number) \(channel) \(text(publish.data))"
        case .history(let history):
            return "history \(history.reply.number) \(history.channel) \(history.limit)"
                + (history.since.map { " since \(text($0.epoch)):\($0.offset)" } ?? "")
                + (history.isReverse ? " reverse" : "")
        case .presence(let reply, let channel, let view):
            return "presence \(reply.number) \(channel) \(view.rawValue)"
        case .refresh(let reply, let token): return "refresh \(reply.number) \(text(token))"
        case .refreshSubscription(let reply, let channel, let token):
            return "subrefresh \(reply.number) \(channel) \(text(token))"
        case .call(let call): return "call \(text(call.method))"
        case .rpc(let call):
            return "rpc \(call.reply.number) \(text(call.method)) \(call.data.map { text($0) } ?? "-")"
        case .pong: return "pong"
        case .resume, .acknowledged, .renumbered: return "messages that are counted"
        case .nothing: return "nothing"
        case .refuse(let reply, let failure): return "refuse \(reply.number) \(CentrifugeError(failure).code)"
        case .end(let ending): return "disconnect \(Dialect.centrifuge.farewell(ending).code)"
        }
    }

    /// Gives a message to a machine as a session does, and accepts each `connect`.
    static func receive(_ message: String, isText: Bool = true, by machine: inout CentrifugeMachine) -> [String] {
        Array(message.utf8).withUnsafeBytes { receive($0, isText: isText, by: &machine) }
    }

    static func receive(
        _ message: UnsafeRawBufferPointer, isText: Bool = true, by machine: inout CentrifugeMachine
    ) -> [String] {
        guard isText else { return machine.received(.wrongEncoding).map { [words($0)] } ?? [] }
        var intents: [String] = []
        var lines = CentrifugeLines(message)
        while let next = lines.next() {
            let intent =
                switch next {
                case .command(let line): machine.received(line)
                case .malformed: machine.received(.malformed)
                }
            guard let intent else { break }
            intents.append(words(intent))
            if case .connect = intent { machine.accepted() }
        }
        return intents
    }

    /// One command, and nothing said about its outcome.
    private static func command(_ machine: inout CentrifugeMachine, _ line: String) -> String? {
        Array(line.utf8).withUnsafeBytes { machine.received($0) }.map(words)
    }

    static func connected() -> CentrifugeMachine {
        var machine = CentrifugeMachine()
        _ = receive("{\"id\":1,\"connect\":{}}", by: &machine)
        return machine
    }

    /// What the machine may say, by where it is: the order of `connect`, its verdict and everything else, at random.
    @Test(arguments: 1...20 as ClosedRange<UInt64>)
    func nothingButConnectCountsBeforeItIsAccepted(seed: UInt64) {
        enum Place { case new, pending, connected, over }
        var random = SeededNumbers(state: seed)
        let others = [
            "subscribe\":{\"channel\":\"a\"}", "unsubscribe\":{\"channel\":\"a\"}", "rpc\":{}",
            "publish\":{\"channel\":\"a\",\"data\":1}", "history\":{\"channel\":\"a\"}", "refresh\":{\"token\":\"t\"}",
            "presence\":{\"channel\":\"a\"}", "presence_stats\":{\"channel\":\"a\"}",
            "sub_refresh\":{\"channel\":\"a\",\"token\":\"t\"}",
        ]
        for _ in 0..<200 {
            var machine = CentrifugeMachine()
            var beginning = Place.new
            for step in 0..<12 {
                switch random.next() % 5 {
                case 0:
                    machine.accepted()
                    if beginning == .pending { beginning = .connected }
                case 1:
                    machine.refused()
                    if beginning == .pending { beginning = .new }
                case 2:
                    let said = Self.command(&machine, "{\"id\":\(step + 1),\"connect\":{}}")
                    switch beginning {
                    case .new:
                        #expect(said == "connect \(step + 1) - - - -")
                        beginning = .pending
                    case .pending, .connected:
                        #expect(said == "disconnect 3501")
                        beginning = .over
                    case .over: #expect(said == nil)
                    }
                default:
                    let said = Self.command(&machine, "{\"id\":\(step + 1),\"\(others.randomElement(using: &random)!)}")
                    switch beginning {
                    case .connected: #expect(said?.hasPrefix("disconnect") == false)
                    case .new, .pending:
                        #expect(said == "disconnect 3501")
                        beginning = .over
                    case .over: #expect(said == nil)
                    }
                }
                #expect(machine.isConnected == (beginning == .connected))
                #expect(machine.isPending == (beginning == .pending))
            }
        }
    }

    @Test func fitsIntoAFewBytes() {
        #expect(MemoryLayout<CentrifugeMachine>.size <= 4)
    }

    static let firsts: [(String, [String])] = [
        ("{\"id\":1,\"connect\":{}}", ["connect 1 - - - -"]),
        ("{\"connect\":{},\"id\":1}", ["connect 1 - - - -"]),
        (
            "{\"id\":1,\"connect\":{\"token\":\"t\",\"data\":{\"x\": 1},\"name\":\"js\",\"version\":\"5\",\"subs\":{}}}\n",
            ["connect 1 t js 5 {\"x\": 1}"]
        ),
        ("{\"id\":0,\"connect\":{}}", ["disconnect 3501"]),
        ("{\"connect\":{}}", ["disconnect 3501"]),
        ("{\"id\":1}", ["disconnect 3501"]),
        ("{\"id\":1,\"connect\":null}", ["disconnect 3501"]),
        ("{\"id\":1,\"connect\":[]}", ["disconnect 3501"]),
        ("{\"id\":1,\"subscribe\":{\"channel\":\"a\"}}", ["disconnect 3501"]),
        ("{\"send\":{\"data\":1}}", ["disconnect 3501"]),
        ("{}", ["disconnect 3501"]),
        ("", ["disconnect 3501"]),
        ("\n", ["disconnect 3501"]),
        ("null", ["disconnect 3501"]),
        ("[{\"id\":1,\"connect\":{}}]", ["disconnect 3501"]),
        ("{\"id\":1,\"connect\":{}}{}", ["disconnect 3501"]),
    ]

    @Test(arguments: firsts)
    func theFirstCommandHasToConnect(_ message: String, _ intents: [String]) {
        var machine = CentrifugeMachine()
        #expect(Self.receive(message, by: &machine) == intents)
        #expect(machine.isConnected == intents[0].hasPrefix("connect"))
        // Who was told to go is not listened to any more.
        if !machine.isConnected {
            #expect(Self.receive("{\"id\":1,\"connect\":{}}", by: &machine).isEmpty)
        }
    }

    static let long = String(repeating: "x", count: 255)

    static let commands: [(String, [String])] = [
        ("{\"id\":2,\"subscribe\":{\"channel\":\"chat:1\"}}", ["subscribe 2 chat:1"]),
        ("{\"id\":2,\"subscribe\":{\"channel\":\"c\\u0068at\"}}", ["subscribe 2 chat"]),
        ("{\"id\":2,\"subscribe\":{\"channel\":\"\(long)\"}}", ["subscribe 2 \(long)"]),
        (
            "{\"id\":2,\"subscribe\":{\"channel\":\"chat:1\",\"recover\":true,\"epoch\":\"xyz\",\"offset\":41}}",
            ["subscribe 2 chat:1 recovering xyz:41"]
        ),
        ("{\"id\":4294967295,\"unsubscribe\":{\"channel\":\"a\"}}", ["unsubscribe 4294967295 a"]),
        (
            "{\"id\":3,\"publish\":{\"channel\":\"a\",\"data\": {\"t\" : [1, 2]} }}",
            ["publish 3 a {\"t\" : [1, 2]}"]
        ),
        ("{\"id\":3,\"publish\":{\"data\":\"x\",\"channel\":\"a\"}}", ["publish 3 a \"x\""]),
        // A line feed at the end is tolerated; several commands are one a line.
        ("{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}\n", ["subscribe 2 a"]),
        (
            "{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}\n{\"id\":3,\"unsubscribe\":{\"channel\":\"a\"}}",
            ["subscribe 2 a", "unsubscribe 3 a"]
        ),
        // Commands before a bad one are carried out, those behind it are not.
        (
            "{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}\n{\"id\":3\n{\"id\":4,\"subscribe\":{\"channel\":\"b\"}}",
            ["subscribe 2 a", "disconnect 3501"]
        ),
        (
            "{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}\n\n{\"id\":4,\"subscribe\":{\"channel\":\"b\"}}",
            ["subscribe 2 a", "disconnect 3501"]
        ),
        // Names that cannot be are an error; none at all is a broken client.
        ("{\"id\":2,\"subscribe\":{\"channel\":\"a b\"}}", ["refuse 2 107"]),
        ("{\"id\":2,\"subscribe\":{\"channel\":\"a\\u0000\"}}", ["refuse 2 107"]),
        ("{\"id\":2,\"subscribe\":{\"channel\":\"$all\"}}", ["refuse 2 107"]),
        ("{\"id\":2,\"subscribe\":{\"channel\":\"\(long)x\"}}", ["refuse 2 107"]),
        ("{\"id\":2,\"publish\":{\"channel\":\"$all\",\"data\":1}}", ["refuse 2 107"]),
        ("{\"id\":2,\"subscribe\":{\"channel\":\"\"}}", ["disconnect 3501"]),
        ("{\"id\":2,\"subscribe\":{}}", ["disconnect 3501"]),
        ("{\"id\":2,\"publish\":{\"data\":1}}", ["disconnect 3501"]),
        ("{\"id\":2,\"unsubscribe\":{}}", ["disconnect 3501"]),
        ("{\"id\":2,\"subscribe\":{\"channel\":5}}", ["disconnect 3501"]),
        ("{\"id\":2,\"subscribe\":{\"channel\":\"\\ud800\"}}", ["disconnect 3501"]),
        ("{\"id\":2,\"publish\":{\"channel\":\"a\"}}", ["refuse 2 107"]),
        ("{\"id\":2,\"publish\":{\"channel\":\"a\",\"data\":null}}", ["publish 2 a null"]),
        // What is not there yet.
        ("{\"id\":2,\"history\":{\"channel\":\"a\"}}", ["history 2 a 0"]),
        (
            "{\"id\":2,\"history\":{\"channel\":\"a\",\"limit\":-1,\"since\":{\"epoch\":\"x\",\"offset\":7},\"reverse\":true}}",
            ["history 2 a -1 since x:7 reverse"]
        ),
        ("{\"id\":2,\"history\":{\"channel\":\"a\",\"limit\":1.5}}", ["disconnect 3501"]),
        ("{\"id\":2,\"history\":{\"channel\":\"a\",\"limit\":2147483648}}", ["disconnect 3501"]),
        ("{\"id\":2,\"history\":{\"channel\":\"a\",\"since\":{\"offset\":-1}}}", ["disconnect 3501"]),
        (
            "{\"id\":2,\"subscribe\":{\"channel\":\"a\",\"recover\":true,\"epoch\":\"e\",\"offset\":18446744073709551615}}",
            ["subscribe 2 a recovering e:9007199254740991"]
        ),
        ("{\"id\":2,\"presence\":{\"channel\":\"a\"}}", ["presence 2 a clients"]),
        ("{\"id\":2,\"presence_stats\":{\"channel\":\"a\"}}", ["presence 2 a count"]),
        ("{\"id\":2,\"sub_refresh\":{\"channel\":\"a\",\"token\":\"t\"}}", ["subrefresh 2 a t"]),
        ("{\"id\":2,\"sub_refresh\":{\"channel\":\"a\"}}", ["refuse 2 107"]),
        ("{\"id\":2,\"refresh\":{\"token\":\"t\"}}", ["refresh 2 t"]),
        ("{\"id\":2,\"refresh\":{\"token\":\"\"}}", ["disconnect 3501"]),
        ("{\"id\":2,\"refresh\":{}}", ["disconnect 3501"]),
        ("{\"id\":2,\"subscribe\":{\"channel\":\"a\",\"token\":\"t\"}}", ["subscribe 2 a by t"]),
        ("{\"id\":2,\"subscribe\":{\"channel\":\"a\",\"token\":\"\\ud800\"}}", ["disconnect 3501"]),
        ("{\"id\":2,\"rpc\":{\"method\":\"m\",\"data\":{}}}", ["rpc 2 m {}"]),
        ("{\"id\":2,\"rpc\":{}}", ["rpc 2  -"]),
        ("{\"id\":2,\"rpc\":{\"method\":1}}", ["disconnect 3501"]),
        // The first method in the order of the protocol counts; fields nobody knows do not.
        (
            "{\"id\":2,\"unsubscribe\":{\"channel\":\"b\"},\"x\":{},\"subscribe\":{\"channel\":\"a\"}}",
            ["subscribe 2 a"]
        ),
        ("{\"id\":2,\"subscribe\":null,\"unsubscribe\":{\"channel\":\"a\"}}", ["unsubscribe 2 a"]),
        // Never right.
        ("{\"id\":2,\"connect\":{}}", ["disconnect 3501"]),
        ("{\"id\":2,\"ping\":{}}", ["disconnect 3501"]),
        ("{\"id\":2}", ["disconnect 3501"]),
        ("{}", ["disconnect 3501"]),
        ("", ["disconnect 3501"]),
        ("{\"subscribe\":{\"channel\":\"a\"}}", ["disconnect 3501"]),
        ("{\"id\":0,\"publish\":{\"channel\":\"a\",\"data\":1}}", ["disconnect 3501"]),
        ("{\"id\":-1,\"subscribe\":{\"channel\":\"a\"}}", ["disconnect 3501"]),
        ("{\"id\":1.5,\"subscribe\":{\"channel\":\"a\"}}", ["disconnect 3501"]),
        ("{\"id\":4294967296,\"subscribe\":{\"channel\":\"a\"}}", ["disconnect 3501"]),
        ("{\"id\":\"2\",\"subscribe\":{\"channel\":\"a\"}}", ["disconnect 3501"]),
        ("{\"id\":2,\"publish\":{\"channel\":\"a\",\"data\":{]}}", ["disconnect 3501"]),
        ("hello", ["disconnect 3501"]),
    ]

    @Test(arguments: commands)
    func commandsOfAConnectedClient(_ message: String, _ intents: [String]) {
        var machine = Self.connected()
        #expect(Self.receive(message, by: &machine) == intents)
        #expect(machine.isConnected == (intents.last?.hasPrefix("disconnect") != true))
    }

    @Test func binaryIsAnotherProtocol() {
        var machine = CentrifugeMachine()
        #expect(Self.receive("{\"id\":1,\"connect\":{}}", isText: false, by: &machine) == ["disconnect 3506"])
        #expect(Self.receive("{\"id\":1,\"connect\":{}}", by: &machine).isEmpty)
    }

    @Test func aPongAnswersOnePing() {
        var machine = Self.connected()
        machine.pinged()
        #expect(machine.awaitsPong)
        #expect(Self.receive("{}", by: &machine) == ["pong"])
        #expect(!machine.awaitsPong)
        machine.pinged()
        #expect(
            Self.receive("{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}\n{}\n", by: &machine) == [
                "subscribe 2 a", "pong",
            ])
        #expect(Self.receive("{}", by: &machine) == ["disconnect 3501"])
        #expect(!machine.isConnected)
    }

    /// What is left of a message is the commands behind the last one that was taken.
    @Test func aMessageCanBeTakenInPieces() {
        let lines = (2...6).map { "{\"id\":\($0),\"unsubscribe\":{\"channel\":\"a\"}}" }
        for end in ["", "\n"] {
            for taken in 0...lines.count {
                Array((lines.joined(separator: "\n") + end).utf8).withUnsafeBytes { bytes in
                    var first = CentrifugeLines(bytes)
                    for _ in 0..<taken { _ = first.next() }
                    var rest = CentrifugeLines(first.rest, isBegun: taken > 0)
                    var found: [String] = []
                    while case .command(let line)? = rest.next() { found.append(String(decoding: line, as: UTF8.self)) }
                    #expect(found == Array(lines[taken...]))
                }
            }
        }
    }

    /// The session that the reference shows.
    @Test func theSessionOfTheReference() {
        var machine = CentrifugeMachine()
        #expect(
            Self.receive("{\"id\":1,\"connect\":{\"token\":\"…\",\"name\":\"js\"}}", by: &machine)
                == ["connect 1 … js - -"])
        let subscribe =
            "{\"id\":2,\"subscribe\":{\"channel\":\"chat:1\",\"recover\":true,\"epoch\":\"xyz\",\"offset\":41}}"
        #expect(Self.receive(subscribe, by: &machine) == ["subscribe 2 chat:1 recovering xyz:41"])
        machine.pinged()
        #expect(Self.receive("{}", by: &machine) == ["pong"])
    }

    /// What `connect` says of channels is read one level deep: an entry has no entries.
    @Test(arguments: [
        (#"{"id":1,"connect":{"subs":{"a":{"recover":true,"epoch":"e","offset":3}}}}"#, ["a e:3"]),
        (#"{"id":1,"connect":{"subs":{"a":{"recover":true,"subs":{"b":{"recover":true}}}}}}"#, ["a :0"]),
        (#"{"id":1,"connect":{"subs":{"a":{"recover":false},"c":null,"":{"recover":true}}}}"#, []),
        (#"{"id":1,"connect":{"subs":{"a":{"recover":null,"epoch":null,"offset":null,"tf":null}}}}"#, []),
        (#"{"id":1,"connect":{"subs":null}}"#, []),
    ])
    func knowsOnlyItsOwnSubscriptions(_ message: String, _ expected: [String]) {
        var machine = CentrifugeMachine()
        var known: [String]?
        Array(message.utf8).withUnsafeBytes { bytes in
            guard case .connect(let connect)? = machine.received(bytes) else { return }
            known = connect.known.map {
                "\($0.channel) \(String(decoding: $0.seen.epoch, as: UTF8.self)):\($0.seen.offset)"
            }
        }
        #expect(known == expected)
    }

    @Test(arguments: [
        (#"{"subs":{"":"#, "}}"), (#"{"subs":{"":"#, ""), (#"{"a":"#, "}"), (#"{"since":"#, "}"), ("[", "]"),
        (#"[{"":"#, "}]"),
    ])
    func noMessageIsReadDeeperThanTheLimit(_ opening: String, _ closing: String) {
        let depth = 90_000 / (opening.utf8.count + closing.utf8.count)
        let value =
            String(repeating: opening, count: depth) + "1" + String(repeating: closing, count: depth)
        for message in ["{\"id\":1,\"connect\":\(value)}", "{\"id\":1,\"connect\":{\"subs\":{\"\":\(value)}}}", value] {
            var machine = CentrifugeMachine()
            #expect(Self.receive(message, by: &machine) == ["disconnect 3501"])
        }
    }

    @Test func nothingThatComesInCanStopIt() {
        var numbers = SeededNumbers(state: 11)
        let alphabet = [
            "{", "}", "\"id\":", "1", ",", "\"publish\":", "\"channel\":", "\"a\"", "\"data\":", "\n", "null",
        ]
        for _ in 0..<5000 {
            var machine = Self.connected()
            let parts = (0..<Int.random(in: 0...14, using: &numbers)).map { _ in
                alphabet.randomElement(using: &numbers)!
            }
            _ = Self.receive(parts.joined(), by: &machine)
            machine = Self.connected()
            _ = numbers.bytes(30).withUnsafeBytes { Self.receive($0, by: &machine) }
        }
        let command = Array("{\"id\":3,\"publish\":{\"channel\":\"a\\u0041\",\"data\":{\"t\":[1,2]}}}".utf8)
        for index in command.indices {
            for value in UInt8.min...UInt8.max {
                var bytes = command
                bytes[index] = value
                var machine = Self.connected()
                _ = bytes.withUnsafeBytes { Self.receive($0, by: &machine) }
            }
            var machine = Self.connected()
            let cut = String(decoding: command[..<index], as: UTF8.self)
            #expect(Self.receive(cut, by: &machine) == ["disconnect 3501"])
        }
    }
}
