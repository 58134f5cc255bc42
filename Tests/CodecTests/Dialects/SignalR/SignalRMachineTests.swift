import Codec
import Testing

/// What clients of a hub say (HubProtocol.md of dotnet/aspnetcore), and what it comes to.
@Suite struct SignalRMachineTests {
    static let hub: UInt16 = 0xABCD
    static let greeting = #"{"protocol":"json","version":1}"# + "\u{1E}"
    static let packedGreeting = #"{"protocol":"messagepack","version":1}"# + "\u{1E}"

    /// An intent in a few words.
    static func words(_ intent: Intent) -> String {
        switch intent {
        case .connect(let connect): "connect \(connect.encoding.map { "\($0)" } ?? "-")"
        case .call(let call):
            "call \(name(call.reply)) \(String(decoding: call.method, as: UTF8.self)) \(arguments(call.arguments))"
        case .refuse(let reply, let failure): "refuse \(name(reply)) \(failure)"
        case .nothing: "nothing"
        case .pong: "sign of life"
        case .acknowledged(let number): "acknowledged \(number)"
        case .renumbered(let next): "next \(next)"
        case .resume(let resume): "resume \(resume.encoding) \(resume.next)"
        case .end(let ending): "end \(ending)"
        default: "something else"
        }
    }

    static func name(_ reply: ReplyID) -> String {
        guard case .text(let text) = reply else { return "-" }
        return String(decoding: text, as: UTF8.self)
    }

    static func arguments(_ arguments: HubCall.Arguments) -> String {
        switch arguments {
        case .json(let bytes): return String(decoding: bytes, as: UTF8.self)
        case .messagePack(let bytes):
            var scanner = MessagePackScanner(bytes)
            return Written.text { _ = JSONWriter.writeValue(&scanner, to: $0) }
        }
    }

    /// Everything in one message, until nothing is left. The login is accepted as soon as it is asked for.
    static func said(
        _ machine: inout DialectMachine, _ bytes: [UInt8], isText: Bool = true, limit: Int = 4096
    ) -> [String] {
        bytes.withUnsafeBytes { bytes in
            var message = IncomingMessage(bytes, isText: isText, commandBytes: limit)
            var all: [String] = []
            while let intent = machine.next(in: &message, hint: nil) {
                if case .connect = intent {
                    #expect(machine.awaitsLogin && !machine.isLoggedIn)
                    machine.loginAccepted()
                }
                all.append(words(intent))
            }
            return all
        }
    }

    static func machine() -> DialectMachine { DialectMachine(.signalrNew, hub: hub) }

    static func greeted(_ text: String = greeting) -> DialectMachine {
        var machine = machine()
        _ = said(&machine, Array(text.utf8))
        return machine
    }

    /// One message of a client that speaks JSON.
    static func json(_ record: String) -> [String] {
        var machine = greeted()
        return said(&machine, Array((record + "\u{1E}").utf8))
    }

    static func packed(_ message: [UInt8]) -> [String] {
        var machine = greeted(packedGreeting)
        return said(&machine, [UInt8(message.count)] + message, isText: false)
    }

    // MARK: Handshakes

    @Test(
        arguments: [
            (#"{"protocol":"json","version":1}"#, "connect standard"),
            (#"{"protocol":"json","version":0}"#, "connect standard"),
            (#"{"protocol":"json","version":2}"#, "connect standard"),
            (#" { "version" : 1, "x": [1], "protocol" : "json" } "#, "connect standard"),
            (#"{"protocol":"messagepack","version":1}"#, "connect messagePack"),
            (#"{"protocol":"messagepack","version":2}"#, "connect messagePack"),
            (#"{"protocol":"json","version":3}"#, "end wrongEncoding"),
            (#"{"protocol":"blazorpack","version":1}"#, "end wrongEncoding"),
            (#"{"protocol":"JSON","version":1}"#, "end wrongEncoding"),
            (#"{"protocol":"json"}"#, "end malformed"), (#"{"version":1}"#, "end malformed"),
            (#"{"protocol":"json","version":"1"}"#, "end malformed"),
            (#"{"protocol":"json","version":-1}"#, "end malformed"),
            (#"{"protocol":"json","version":1}x"#, "end malformed"),
            (#"{"type":6}"#, "end malformed"), ("", "end malformed"), ("x", "end malformed"),
            (#"{"protocol":1,"version":1}"#, "end malformed"),
        ])
    func theFirstMessageIsAHandshake(_ record: String, _ expected: String) {
        for isText in [true, false] {
            var machine = Self.machine()
            #expect(Self.said(&machine, Array((record + "\u{1E}").utf8), isText: isText) == [expected])
            #expect(machine.isLoggedIn == expected.hasPrefix("connect"))
            #expect(machine.hub == Self.hub)
        }
    }

    @Test func whatCarriesOnlyTextTakesOnlyJSON() {
        for (greeting, expected) in [(Self.greeting, "connect standard"), (Self.packedGreeting, "end wrongEncoding")] {
            var machine = DialectMachine(Variant(.signalr, in: .undecided, over: .eventStream), hub: Self.hub)
            #expect(Self.said(&machine, Array(greeting.utf8)) == [expected])
        }
    }

    @Test func aHandshakeHasToBeWhole() {
        var machine = Self.machine()
        #expect(Self.said(&machine, Array(#"{"protocol":"json","version":1}"#.utf8)) == ["end malformed"])
        #expect(Self.said(&machine, Array(Self.greeting.utf8)) == [])
        machine = Self.machine()
        #expect(Self.said(&machine, []) == [])
        #expect(Self.said(&machine, Array(Self.greeting.utf8), limit: 10) == ["end oversizedCommand"])
        machine = Self.machine()
        #expect(Self.said(&machine, [0xFF, 0x1E], isText: false) == ["end malformed"])
    }

    @Test func whatFollowsInTheSameFrameIsTaken() {
        var machine = Self.machine()
        let first = Self.greeting + #"{"type":6}"# + "\u{1E}" + #"{"type":1,"target":"a","arguments":[]}"# + "\u{1E}"
        #expect(Self.said(&machine, Array(first.utf8)) == ["connect standard", "sign of life", "call - a []"])
        machine = Self.machine()
        #expect(
            Self.said(&machine, Array(Self.packedGreeting.utf8) + [2, 0x91, 6], isText: false)
                == ["connect messagePack", "sign of life"])
    }

    /// What waits until the login is decided is taken up as a message of its own.
    @Test func theRestOfAMessageCanWait() {
        var machine = Self.machine()
        let bytes = Array((Self.greeting + #"{"type":1,"target":"a","arguments":[1]}"# + "\u{1E}").utf8)
        var rest: [UInt8] = []
        bytes.withUnsafeBytes { bytes in
            var message = IncomingMessage(bytes, isText: true, commandBytes: 4096)
            #expect(machine.next(in: &message, hint: nil).map(Self.words) == "connect standard")
            rest = Array(message.rest)
        }
        machine.loginAccepted()
        rest.withUnsafeBytes { bytes in
            var message = IncomingMessage(bytes, isText: true, commandBytes: 4096, isBegun: true)
            #expect(machine.next(in: &message, hint: nil).map(Self.words) == "call - a [1]")
        }
    }

    @Test func nothingIsRightBeforeTheLoginIsAccepted() {
        var machine = Self.machine()
        Array((Self.greeting + Self.greeting).utf8).withUnsafeBytes { bytes in
            var message = IncomingMessage(bytes, isText: true, commandBytes: 4096)
            _ = machine.next(in: &message, hint: nil)
            #expect(machine.next(in: &message, hint: nil).map(Self.words) == "end malformed")
        }
    }

    /// A client that comes back says how it counts its messages, and greets nobody.
    @Test func aClientThatComesBackDoesNotGreet() {
        let json = Array((#"{"type":9,"sequenceId":3}"# + "\u{1E}").utf8)
        for isText in [true, false] {
            var machine = Self.machine()
            #expect(Self.said(&machine, json, isText: isText) == ["resume standard 3"])
            #expect(!machine.isLoggedIn && machine.awaitsLogin)
        }
        for packed in [[3, 0x92, 9, 3], [5, 0x92, 9, 0xCD, 0, 3]] as [[UInt8]] {
            var machine = Self.machine()
            #expect(Self.said(&machine, packed, isText: false) == ["resume messagePack 3"])
        }
        for other in [[3, 0x92, 8, 3], [2, 0x91, 6], [3, 0x92, 9], [0]] as [[UInt8]] {
            var machine = Self.machine()
            #expect(Self.said(&machine, other, isText: false) == ["end malformed"])
        }
        var machine = DialectMachine(Variant(.signalr, in: .undecided, over: .eventStream), hub: Self.hub)
        #expect(Self.said(&machine, json) == ["end malformed"])
    }

    // MARK: Messages in JSON

    @Test(
        arguments: [
            (#"{"type":1,"target":"Send","arguments":["a",{"b":[1]}]}"#, ["call - Send [\"a\",{\"b\":[1]}]"]),
            (#"{"arguments":[],"invocationId":"7","target":"x","type":1,"headers":{"a":"b"}}"#, ["call 7 x []"]),
            (#"{"type":1,"target":"x","arguments":[],"invocationId":null,"streamIds":[]}"#, ["call - x []"]),
            (#"{"type":1,"target":"\u00e9","arguments":[],"invocationId":"\u0041"}"#, ["call A é []"]),
            (
                #"{"type":1,"target":"x","arguments":[],"invocationId":"1","streamIds":["2"]}"#,
                ["refuse 1 notAvailable"]
            ),
            (#"{"type":4,"target":"x","arguments":[],"invocationId":"1"}"#, ["refuse 1 notAvailable"]),
            (#"{"type":2,"invocationId":"1","item":{}}"#, ["nothing"]),
            (#"{"type":3,"invocationId":"1","result":5}"#, ["nothing"]),
            (#"{"type":5,"invocationId":"1"}"#, ["nothing"]), (#"{"type":6}"#, ["sign of life"]),
            (#"{"type":8,"sequenceId":1}"#, ["acknowledged 1"]), (#"{"sequenceId":7,"type":9}"#, ["next 7"]),
            (#"{"type":8}"#, ["end malformed"]), (#"{"type":9,"sequenceId":-1}"#, ["end malformed"]),
            (#"{"type":99,"new":true}"#, ["sign of life"]),
            (#"{"type":18446744073709551615}"#, ["sign of life"]),
            (#"{"type":7}"#, ["end left(\(CloseCode.normal))"]),
            // What is no message ends the session.
            ("", ["end malformed"]), ("{}", ["end malformed"]), ("[]", ["end malformed"]), ("6", ["end malformed"]),
            (#"{"type":"6"}"#, ["end malformed"]), (#"{"type":-1}"#, ["end malformed"]),
            (#"{"type":6}x"#, ["end malformed"]), (#"{"type":1,"arguments":[]}"#, ["end malformed"]),
            (#"{"type":1,"target":"","arguments":[]}"#, ["end malformed"]),
            (#"{"type":1,"target":"x"}"#, ["end malformed"]),
            (#"{"type":1,"target":"x","arguments":{}}"#, ["end malformed"]),
            (#"{"type":1,"target":5,"arguments":[]}"#, ["end malformed"]),
            (#"{"type":1,"target":"x","arguments":[],"invocationId":7}"#, ["end malformed"]),
            (#"{"type":4,"target":"x","arguments":[]}"#, ["end malformed"]),
            (#"{"type":1,"target":"x","arguments":["\#u{0}"]}"#, ["end malformed"]),
        ])
    func messagesInJSON(_ record: String, _ expected: [String]) {
        #expect(Self.json(record) == expected)
    }

    @Test func limitsOfMessages() {
        let long = String(repeating: "x", count: 256)
        #expect(Self.json(#"{"type":1,"target":"\#(long)","arguments":[]}"#) == ["end malformed"])
        #expect(Self.json(#"{"type":1,"target":"x","arguments":[],"invocationId":"\#(long)"}"#) == ["end malformed"])
        let deep = String(repeating: "[", count: 40) + String(repeating: "]", count: 40)
        #expect(Self.json(#"{"type":1,"target":"x","arguments":\#(deep)}"#) == ["end malformed"])
        var machine = Self.greeted()
        let large = #"{"type":1,"target":"x","arguments":["\#(String(repeating: "y", count: 4096))"]}"# + "\u{1E}"
        #expect(Self.said(&machine, Array(large.utf8)) == ["end oversizedCommand"])
        machine = Self.greeted()
        #expect(Self.said(&machine, Array(large.utf8.dropLast())) == ["end oversizedCommand"])
        machine = Self.greeted()
        #expect(Self.said(&machine, Array(#"{"type":6}"#.utf8)) == ["end malformed"])
        // In a binary frame nobody has looked at the text yet.
        machine = Self.greeted()
        let broken = Array(#"{"type":1,"target":""#.utf8) + [0xFF] + Array(#"","arguments":[]}"#.utf8) + [0x1E]
        #expect(Self.said(&machine, broken, isText: false) == ["end malformed"])
    }

    @Test func nothingCountsAfterTheEnd() {
        var machine = Self.greeted()
        let both = Array((#"{"type":7}"# + "\u{1E}" + #"{"type":1,"target":"x","arguments":[]}"# + "\u{1E}").utf8)
        #expect(Self.said(&machine, both) == ["end left(\(CloseCode.normal))"])
        #expect(Self.said(&machine, both) == [])
    }

    // MARK: Messages in MessagePack

    @Test(
        arguments: [
            // Six parts, five as one client sends them, seven as a later version may.
            ([0x96, 1, 0x80, 0xC0, 0xA1, 120, 0x92, 0xA1, 97, 5, 0x90], ["call - x [\"a\",5]"]),
            ([0x95, 1, 0x80, 0xA1, 55, 0xA1, 120, 0x90], ["call 7 x []"]),
            ([0x97, 1, 0x80, 0xA1, 55, 0xA1, 120, 0x90, 0x90, 0xC0], ["call 7 x []"]),
            ([0x95, 1, 0x81, 0xA1, 97, 0xA1, 98, 0xD9, 1, 55, 0xD9, 1, 120, 0x90], ["call 7 x []"]),
            ([0x96, 1, 0x80, 0xA1, 55, 0xA1, 120, 0x90, 0x91, 0xA1, 50], ["refuse 7 notAvailable"]),
            ([0x96, 4, 0x80, 0xA1, 55, 0xA1, 120, 0x90, 0x90], ["refuse 7 notAvailable"]),
            ([0x91, 6], ["sign of life"]), ([0x94, 2, 0x80, 0xA1, 49, 5], ["nothing"]),
            ([0x94, 3, 0x80, 0xA1, 49, 2], ["nothing"]), ([0x93, 5, 0x80, 0xA1, 49], ["nothing"]),
            ([0x92, 8, 1], ["acknowledged 1"]), ([0x92, 9, 0xCD, 1, 0], ["next 256"]),
            ([0x91, 8], ["end malformed"]), ([0x92, 9, 0xFF], ["end malformed"]),
            ([0x91, 0xCC, 99], ["sign of life"]),
            ([0x92, 7, 0xC0], ["end left(\(CloseCode.normal))"]),
            ([0x90], ["end malformed"]), ([0xC0], ["end malformed"]), ([0x91, 0xFF], ["end malformed"]),
            ([0x91, 6, 0], ["end malformed"]), ([0x92, 6], ["end malformed"]),
            ([0x94, 1, 0x80, 0xC0, 0xA1, 120], ["end malformed"]),
            ([0x95, 1, 0x80, 0xC0, 0xA1, 0xFF, 0x90], ["end malformed"]),
            ([0x95, 1, 0x80, 0xC0, 0xA1, 120, 0x80], ["end malformed"]),
            ([0x95, 1, 0x80, 5, 0xA1, 120, 0x90], ["end malformed"]),
            ([0x95, 1, 0x80, 0xC0, 0xA1, 120, 0xDD, 0xFF, 0xFF, 0xFF, 0xFF], ["end malformed"]),
        ] as [([UInt8], [String])])
    func messagesInMessagePack(_ message: [UInt8], _ expected: [String]) {
        #expect(Self.packed(message) == expected)
    }

    @Test func lengthsOfMessages() {
        let ping: [UInt8] = [2, 0x91, 6]
        var machine = Self.greeted(Self.packedGreeting)
        #expect(
            Self.said(&machine, ping + ping + ping, isText: false) == ["sign of life", "sign of life", "sign of life"])
        // As many bytes as a length may have, and more; less than it says; more than it may say.
        for (bytes, expected) in [
            ([0x82, 0x80, 0x80, 0x80, 0x00, 0x91, 6], ["sign of life"]),
            ([0x82, 0x80, 0x80, 0x80, 0x80, 0x00, 0x91, 6], ["end malformed"]),
            ([3, 0x91, 6], ["end malformed"]), ([0x80], ["end malformed"]), ([0], ["end malformed"]),
            ([0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 1], ["end oversizedCommand"]),
            ([0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 1], ["end oversizedCommand"]),
        ] as [([UInt8], [String])] {
            machine = Self.greeted(Self.packedGreeting)
            #expect(Self.said(&machine, bytes, isText: false) == expected)
        }
        // The kind of frame does not matter.
        machine = Self.greeted(Self.packedGreeting)
        #expect(Self.said(&machine, [2, 0x91, 6], isText: true) == ["sign of life"])
    }
}
