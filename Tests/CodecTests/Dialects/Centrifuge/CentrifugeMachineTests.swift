import Codec
import Testing

@Suite struct CentrifugeMachineTests {
    /// An intent in words, so that tables can hold it.
    static func words(_ intent: CentrifugeIntent) -> String {
        func text(_ bytes: some Sequence<UInt8>) -> String { String(decoding: Array(bytes), as: UTF8.self) }
        switch intent {
        case .connect(let connect):
            let parts = [connect.token, connect.name, connect.version, connect.data.map { Array($0) }]
            return "connect \(connect.id)" + parts.map { " " + ($0.map(text) ?? "-") }.joined()
        case .subscribe(let subscribe):
            return "subscribe \(subscribe.id) \(subscribe.channel)"
                + (subscribe.isRecovering ? " recovering \(text(subscribe.epoch)):\(subscribe.offset)" : "")
                + (subscribe.token.map { " by " + text($0) } ?? "")
        case .unsubscribe(let id, let channel): return "unsubscribe \(id) \(channel)"
        case .publish(let id, let channel, let data): return "publish \(id) \(channel) \(text(data))"
        case .history(let history):
            return "history \(history.id) \(history.channel) \(history.limit)"
                + (history.since.map { " since \(text($0.epoch)):\($0.offset)" } ?? "")
                + (history.isReverse ? " reverse" : "")
        case .presence(let id, let channel, let view): return "presence \(id) \(channel) \(view.rawValue)"
        case .refresh(let id, let token): return "refresh \(id) \(text(token))"
        case .subRefresh(let id, let channel, let token): return "subrefresh \(id) \(channel) \(text(token))"
        case .pong: return "pong"
        case .send(let data): return "send \(text(data))"
        case .refuse(let id, let error): return "refuse \(id) \(error.code)"
        case .disconnect(let disconnect): return "disconnect \(disconnect.code)"
        }
    }

    static func receive(_ message: String, isText: Bool = true, by machine: inout CentrifugeMachine) -> [String] {
        var intents: [String] = []
        Array(message.utf8).withUnsafeBytes { bytes in
            machine.received(bytes, isText: isText) { intent in
                intents.append(words(intent))
                return true
            }
        }
        return intents
    }

    static func connected() -> CentrifugeMachine {
        var machine = CentrifugeMachine()
        _ = receive("{\"id\":1,\"connect\":{}}", by: &machine)
        return machine
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
        ("{\"send\":{\"data\":{}}}", ["send {}"]),
        ("{\"id\":9,\"send\":{}}", ["send "]),
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
        ("{\"id\":2,\"publish\":{\"channel\":\"a\",\"data\":null}}", ["refuse 2 107"]),
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
            ["subscribe 2 a recovering e:18446744073709551615"]
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
        ("{\"id\":2,\"rpc\":{\"method\":\"m\",\"data\":{}}}", ["refuse 2 104"]),
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

    @Test func stopsWhenItIsToldTo() {
        var machine = Self.connected()
        var count = 0
        let line = "{\"id\":2,\"unsubscribe\":{\"channel\":\"a\"}}\n"
        Array((line + line + line).utf8).withUnsafeBytes { bytes in
            machine.received(bytes, isText: true) { _ in
                count += 1
                return count < 2
            }
        }
        #expect(count == 2)
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
            numbers.bytes(30).withUnsafeBytes { machine.received($0, isText: true) { _ in true } }
        }
        let command = Array("{\"id\":3,\"publish\":{\"channel\":\"a\\u0041\",\"data\":{\"t\":[1,2]}}}".utf8)
        for index in command.indices {
            for value in UInt8.min...UInt8.max {
                var bytes = command
                bytes[index] = value
                var machine = Self.connected()
                bytes.withUnsafeBytes { machine.received($0, isText: true) { _ in true } }
            }
            var machine = Self.connected()
            let cut = String(decoding: command[..<index], as: UTF8.self)
            #expect(Self.receive(cut, by: &machine) == ["disconnect 3501"])
        }
    }
}
