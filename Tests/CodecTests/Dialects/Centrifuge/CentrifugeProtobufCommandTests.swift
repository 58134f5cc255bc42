@testable import Codec
import Testing

/// Commands in Protobuf: what another implementation writes is read (`protobuf` 7.36.2 from PyPI, with the protocol's
/// client.proto), and it makes no difference to what a command asks for how it is written.
@Suite struct CentrifugeProtobufCommandTests {
    static let foreign: [String: String] = [
        "connect":
            "080122330a017412077b2261223a317d1a0c0a016312071801320165380422026a732a013532080a03582d4112016238014201644a0170",
        "subscribe": "08022a250a06636861743a31120174180132016538044201314801500158016206666f7373696c7002",
        "filtered":
            "08022a310a06636861743a316a270a03616e64320a1201611a02657122013132140a036e6f74320d1201621a02696e2a01782a0179",
        "map": "08022a170a06636861743a3178018001028a010163900103980101",
        "unsubscribe": "080332080a06636861743a31",
        "publish": "08043a0c0a06636861743a31120200ff",
        "mapPublish": "08043a120a06636861743a31120131180122016b2801",
        "presence": "080542080a06636861743a31",
        "presenceStats": "08064a080a06636861743a31",
        "history": "0807521c0a06636861743a3138ffffffffffffffffff01420508031201654801",
        "ping": "08085a00",
        "send": "62030a0131",
        "rpc": "08096a060a013112016d",
        "refresh": "080a72030a0174",
        "subRefresh": "080b7a0b0a06636861743a31120174",
        "track": "080b7a150a06636861743a31120174180122030a01732a0175",
        "pong": "",
    ]

    /// The same in JSON.
    static let plain: [String: String] = [
        "connect": """
        {"id":1,"connect":{"token":"t","data":{"a":1},"name":"js","version":"5","headers":{"X-A":"b"},"flag":1,\
        "dict":"d","profile":"p","subs":{"c":{"recover":true,"epoch":"e","offset":4}}}}
        """,
        "subscribe": """
        {"id":2,"subscribe":{"channel":"chat:1","token":"t","recover":true,"epoch":"e","offset":4,"data":1,\
        "positioned":true,"recoverable":true,"join_leave":true,"delta":"fossil","flag":2}}
        """,
        "filtered": """
        {"id":2,"subscribe":{"channel":"chat:1","tf":{"op":"and","nodes":[{"key":"a","cmp":"eq","val":"1"},\
        {"op":"not","nodes":[{"key":"b","cmp":"in","vals":["x","y"]}]}]}}}
        """,
        "map": #"{"id":2,"subscribe":{"channel":"chat:1","type":1,"phase":2,"cursor":"c","limit":3,"asc":true}}"#,
        "unsubscribe": #"{"id":3,"unsubscribe":{"channel":"chat:1"}}"#,
        "mapPublish": #"{"id":4,"publish":{"channel":"chat:1","data":1,"type":1,"key":"k","removed":true}}"#,
        "presence": #"{"id":5,"presence":{"channel":"chat:1"}}"#,
        "presenceStats": #"{"id":6,"presence_stats":{"channel":"chat:1"}}"#,
        "history": """
        {"id":7,"history":{"channel":"chat:1","limit":-1,"since":{"offset":3,"epoch":"e"},"reverse":true}}
        """,
        "ping": #"{"id":8,"ping":{}}"#,
        "send": #"{"send":{"data":1}}"#,
        "rpc": #"{"id":9,"rpc":{"data":1,"method":"m"}}"#,
        "refresh": #"{"id":10,"refresh":{"token":"t"}}"#,
        "subRefresh": #"{"id":11,"sub_refresh":{"channel":"chat:1","token":"t"}}"#,
        "track": """
        {"id":11,"sub_refresh":{"channel":"chat:1","token":"t","type":1,"track":[{"signature":"s"}],"untrack":["u"]}}
        """,
        "pong": "{}",
    ]

    /// What a command says, so that two can be compared.
    static func words(_ command: CentrifugeCommand?) -> String {
        guard let command else { return "no command" }
        func text(_ text: CentrifugeText?) -> String { text.map { "\($0.unescaped ?? [0xFF])" } ?? "-" }
        let request = command.request
        let known = request.known.map {
            "\(text($0.channel)) \($0.isRecovering) \(text($0.epoch)) \($0.offset) \($0.isServed)"
        }
        let headers = request.headers.map { $0.map { "\($0.name): \($0.value)" }.sorted() }
        let fields: [Any?] = [
            command.id, command.method, text(request.channel), request.data.map { Array($0) }, text(request.token),
            text(request.name), text(request.version), request.isRecovering, text(request.epoch), request.offset,
            request.limit, request.hasSince, request.isReverse, request.flag, text(request.delta),
            request.filter.map { "\($0)" }, request.isOtherType, known.sorted(), headers,
        ]
        return fields.map { $0.map { "\($0)" } ?? "nil" }.joined(separator: " | ")
    }

    static func words(json: String) -> String {
        Array(json.utf8).withUnsafeBytes { words(CentrifugeCommand($0)) }
    }

    static func words(protobuf: [UInt8]) -> String {
        protobuf.withUnsafeBytes { words(CentrifugeCommand(protobuf: $0)) }
    }

    @Test(arguments: plain.keys.sorted())
    func saysTheSameAsInJSON(_ name: String) throws {
        let protobuf = Proto.hex(try #require(Self.foreign[name]))
        let json = try #require(Self.plain[name])
        #expect(Self.words(protobuf: protobuf) == Self.words(json: json))
        #expect(Self.words(protobuf: protobuf) != "no command")
        #expect(Self.said(protobuf, first: name == "connect") == Self.said(json, first: name == "connect"))
    }

    private static func said(_ protobuf: [UInt8], first: Bool = false) -> String? {
        var machine = first ? CentrifugeMachine() : CentrifugeMachineTests.connected()
        machine.pinged()
        return protobuf.withUnsafeBytes { machine.received($0, as: .protobuf) }.map(CentrifugeMachineTests.words)
    }

    private static func said(_ json: String, first: Bool = false) -> String? {
        var machine = first ? CentrifugeMachine() : CentrifugeMachineTests.connected()
        machine.pinged()
        return Array(json.utf8).withUnsafeBytes { machine.received($0) }.map(CentrifugeMachineTests.words)
    }

    @Test(arguments: [1 as UInt64, 2, 3, 4, 5])
    func itMakesNoDifferenceHowACommandIsWritten(_ seed: UInt64) {
        var numbers = SeededNumbers(state: seed)
        for round in 0..<2000 {
            let command = RandomCommand(&numbers)
            let words = Self.words(protobuf: command.protobuf)
            #expect(words == Self.words(json: command.json), "round \(round): \(command.json)")
            #expect(words != "no command")
            let isFirst = command.name == "connect"
            #expect(
                Self.said(command.protobuf, first: isFirst) == Self.said(command.json, first: isFirst),
                "\(command.json)")
        }
    }

    @Test func dataOfAnyKindIsPublished() {
        for (data, kind): ([UInt8], PayloadKind) in [
            (Array("{\"a\":1}".utf8), .json), (Array(" 5".utf8), .json), (Array("null".utf8), .json),
            (Array("hello".utf8), .text), (Array("{\"a\":".utf8), .text), (Array("\u{0}é".utf8), .text),
            ([0, 0xFF, 0x80], .binary), ([0xC3], .binary),
        ] {
            let command = Proto.number(1, 4) + Proto.bytes(7, Proto.text(1, "a") + Proto.bytes(2, data))
            var machine = CentrifugeMachineTests.connected()
            let intent = command.withUnsafeBytes { bytes in
                machine.received(bytes, as: .protobuf).map { intent in
                    guard case .publish(let publish) = intent else { return "\(intent)" }
                    return "\(Array(publish.data)) \(publish.kind)"
                }
            }
            #expect(intent == "\(data) \(kind)")
        }
        // As in JSON, nothing is no data.
        #expect(Self.said(Proto.number(1, 4) + Proto.bytes(7, Proto.text(1, "a"))) == "refuse 4 107")
        #expect(Self.said(Proto.number(1, 4) + Proto.bytes(7, Proto.text(1, "a") + [0x12, 0])) == "refuse 4 107")
    }

    @Test func theApplicationIsAskedInJSON() {
        func said(_ data: [UInt8]) -> String? {
            Self.said(Proto.number(1, 1) + Proto.bytes(4, Proto.bytes(2, data)), first: true)
        }
        #expect(said(Array("{\"a\":1}".utf8)) == "connect 1 - - - {\"a\":1}")
        #expect(said([]) == "connect 1 - - - -")
        #expect(said(Array("\"},\"user\":\"admin".utf8)) == "refuse 1 107")
        #expect(said([0xFF]) == "refuse 1 107")
    }

    @Test func textsAreAsTheyAre() {
        // A backslash is a character like any other, and a name with one is compared as such.
        let name = #"a\u0062"#
        let command = Proto.number(1, 3) + Proto.bytes(6, Proto.text(1, name))
        #expect(Self.said(command) == "unsubscribe 3 \(name)")
        var machine = CentrifugeMachineTests.connected()
        let hint = ChannelName(trusted: Array(name.utf8))
        let hinted = command.withUnsafeBytes { machine.received($0, as: .protobuf, hint: hint) }
        #expect(hinted.map(CentrifugeMachineTests.words) == "unsubscribe 3 \(name)")
        #expect(Self.said(Proto.number(1, 3) + Proto.bytes(6, Proto.bytes(1, [0xFF]))) == "disconnect 3501")
        #expect(Self.said(Proto.number(1, 3) + Proto.bytes(6, [])) == "disconnect 3501")
        #expect(Self.said(Proto.number(1, 3) + Proto.bytes(6, Proto.text(1, "a b"))) == "refuse 3 107")
        #expect(Self.said(Proto.number(1, 3) + Proto.bytes(6, Proto.text(1, "$all"))) == "refuse 3 107")
    }

    /// Each field of each method with a value of another type.
    @Test func valuesOfAnotherTypeAreRefused() {
        let texts: [(method: UInt64, fields: [UInt64])] = [
            (4, [1, 2, 3, 4, 5, 6]), (5, [1, 2, 6, 8, 12, 13, 17]), (6, [1]), (7, [1, 2, 4]), (8, [1]), (9, [1]),
            (10, [1, 8]), (12, [1]), (13, [1]), (14, [1]), (15, [1, 2, 4, 5]),
        ]
        for (method, fields) in texts {
            for field in fields {
                let command = Proto.number(1, 2) + Proto.bytes(method, Proto.number(field, 1))
                #expect(Self.words(protobuf: command) == "no command", "\(method).\(field)")
            }
        }
        let counts: [(method: UInt64, fields: [UInt64])] = [
            (4, [7]), (5, [3, 7, 14, 15, 16, 18, 19]), (7, [3, 5]), (10, [7, 9]), (15, [3]),
        ]
        for (method, fields) in counts {
            for field in fields {
                let command = Proto.number(1, 2) + Proto.bytes(method, Proto.text(field, "1"))
                #expect(Self.words(protobuf: command) == "no command", "\(method).\(field)")
            }
        }
        for number in [1 as UInt64] { #expect(Self.words(protobuf: Proto.text(number, "1")) == "no command") }
        #expect(Self.words(protobuf: Proto.number(1, 1 << 32)) == "no command")
        #expect(Self.words(protobuf: Proto.number(5, 1)) == "no command")
        // Negative flags, and limits beyond 32 bits.
        #expect(Self.words(protobuf: Proto.bytes(5, Proto.number(14, .max))) == "no command")
        #expect(Self.words(protobuf: Proto.bytes(5, Proto.number(18, 1 << 31))) == "no command")
        #expect(Self.words(protobuf: Proto.bytes(10, Proto.number(7, 1 << 31))) == "no command")
    }

    @Test func unknownFieldsAreSteppedOverAndTheFirstMethodCounts() {
        let unknown = Proto.number(99, 1) + Proto.text(100, "x") + [0xA3, 0x01, 0x10, 1, 0xA4, 0x01]
        let subscribe = Proto.bytes(5, Proto.text(1, "a") + Proto.number(50, 1))
        let expected = "subscribe 2 a"
        #expect(Self.said(unknown + Proto.number(1, 2) + subscribe + Proto.number(16, 1)) == expected)
        #expect(Self.said(Proto.number(1, 2) + Proto.bytes(7, Proto.text(1, "b")) + subscribe) == expected)
        #expect(Self.said(Proto.number(1, 2) + subscribe + Proto.bytes(7, Proto.text(1, "b"))) == expected)
        // `id` may come last, and reserved numbers are nobody's.
        #expect(Self.said(Proto.number(2, 1) + Proto.text(3, "x") + subscribe + Proto.number(1, 2)) == expected)
    }

    @Test func headersAreBounded() {
        func said(_ count: Int) -> String? {
            let headers = (0..<count).flatMap { Proto.bytes(6, Proto.text(1, "x-\($0)") + Proto.text(2, "1")) }
            return Self.said(Proto.number(1, 1) + Proto.bytes(4, headers), first: true)
        }
        #expect(said(HTTPLimits().fields)?.hasPrefix("connect 1") == true)
        #expect(said(HTTPLimits().fields + 1) == "refuse 1 107")
        #expect(said(5000) == "refuse 1 107")
    }

    @Test func everyCutAndEveryByteEndsNobody() {
        for digits in Self.foreign.values {
            let bytes = Proto.hex(digits)
            for count in 0...bytes.count { _ = Self.words(protobuf: Array(bytes.prefix(count))) }
            for index in bytes.indices {
                for byte in UInt8.min...UInt8.max {
                    var other = bytes
                    other[index] = byte
                    _ = Self.said(other)
                }
            }
        }
        var numbers = SeededNumbers(state: 7)
        for _ in 0..<20_000 { _ = Self.said(numbers.bytes(Int.random(in: 0...40, using: &numbers))) }
    }
}

@Suite struct CentrifugeMessagesTests {
    private static func commands(_ message: [UInt8], isBegun: Bool = false) -> [[UInt8]?] {
        message.withUnsafeBytes { bytes in
            var messages = CentrifugeMessages(bytes, isBegun: isBegun)
            var commands: [[UInt8]?] = []
            while let next = messages.next() {
                switch next {
                case .command(let command): commands.append(Array(command))
                case .malformed: commands.append(nil)
                }
            }
            return commands
        }
    }

    @Test func commandsAreBehindTheirLengths() {
        #expect(Self.commands([1, 7]) == [[7]])
        #expect(Self.commands([1, 7, 2, 8, 9]) == [[7], [8, 9]])
        #expect(Self.commands([0]) == [[]])
        #expect(Self.commands([0, 1, 7, 0]) == [[], [7], []])
        #expect(
            Self.commands(Proto.varint(300) + [UInt8](repeating: 1, count: 300)) == [[UInt8](repeating: 1, count: 300)])
    }

    @Test func thoseBeforeABadOneCount() {
        #expect(Self.commands([]) == [nil])
        #expect(Self.commands([1, 7, 3, 8, 9]) == [[7], nil])
        #expect(Self.commands([1, 7, 0x80]) == [[7], nil])
        #expect(Self.commands([0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01, 1]) == [nil])
        #expect(Self.commands([UInt8](repeating: 0x80, count: 30)) == [nil])
        #expect(Self.commands([], isBegun: true) == [])
        #expect(Self.commands([1, 7], isBegun: true) == [[7]])
    }

    @Test func whatIsLeftIsToBeHad() {
        let message: [UInt8] = [1, 7, 2, 8, 9]
        message.withUnsafeBytes { bytes in
            var messages = CentrifugeMessages(bytes)
            #expect(Array(messages.rest) == message)
            _ = messages.next()
            #expect(Array(messages.rest) == [2, 8, 9])
            _ = messages.next()
            #expect(messages.rest.isEmpty)
        }
    }

    @Test func theMachineTakesThemInTheirOrder() {
        let connect = Proto.hex(CentrifugeProtobufCommandTests.foreign["connect"] ?? "")
        let subscribe = Proto.hex(CentrifugeProtobufCommandTests.foreign["subscribe"] ?? "")
        let message = [connect, subscribe, [], [0x0A]].flatMap { Proto.varint(UInt64($0.count)) + $0 }
        #expect(Self.said(message) == Self.expected + ["pong", "disconnect 3501"])
        #expect(Self.said(message, isText: true) == ["disconnect 3506"])
        #expect(Self.said(message, longest: connect.count).count == 4)
        #expect(Self.said(message, longest: connect.count - 1) == ["disconnect 3501"])
        #expect(Self.said(Array(message.dropLast()) + [9]) == Self.expected + ["pong", "disconnect 3501"])
        #expect(Self.said([]) == ["disconnect 3501"])
    }

    private static let expected = [
        "connect 1 t js 5 {\"a\":1} x-a: b", "subscribe 2 chat:1 recovering e:4 by t or not at all",
    ]

    /// As a session takes a message: one command after the other.
    private static func said(_ message: [UInt8], isText: Bool = false, longest: Int = 1000) -> [String] {
        var machine = CentrifugeMachine()
        var said: [String] = []
        message.withUnsafeBytes { bytes in
            var incoming = IncomingMessage(bytes, isText: isText, commandBytes: longest)
            while let intent = machine.next(in: &incoming, as: .protobuf, hint: nil) {
                said.append(CentrifugeMachineTests.words(intent))
                if case .connect = intent { machine.accepted() }
                if case .subscribe = intent { machine.pinged() }
            }
        }
        return said
    }
}
