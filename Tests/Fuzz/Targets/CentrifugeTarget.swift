@testable import Codec

/// The commands of the centrifuge dialect: what comes out are pieces of what went in, in the order the protocol has, and
/// the same with a hint as without.
enum CentrifugeTarget {
    @Sendable static func run(_ input: UnsafeRawBufferPointer) {
        // Text messages are UTF-8 when they come here.
        guard UTF8Validator.isValid(input) else { return }
        scan(input)
        let connect = Array(#"{"id":1,"connect":{}}"#.utf8)
        for isConnected in [false, true] {
            var machine = CentrifugeMachine()
            if isConnected {
                connect.withUnsafeBytes { _ = machine.received($0) }
                machine.accepted()
                expect(machine.isConnected, "connect does not connect")
                machine.pinged()
            }
            var hinted = machine
            let plain = say(input, to: &machine, hint: nil)
            let other = say(input, to: &hinted, hint: ChannelName(trusted: Array("chat:1".utf8)))
            expect(plain == other && machine == hinted, "with a hint it is \(other), without \(plain)")
            check(plain, isConnected)
            let isOver = plain.last?.hasPrefix("disconnect") ?? false
            let more = say(UnsafeRawBufferPointer(start: nil, count: 0), to: &machine, hint: nil)
            expect(isOver == more.isEmpty, "after \(plain) comes \(more)")
        }
        var machine = CentrifugeMachine()
        expect(machine.received(.wrongEncoding) != nil, "a binary message is not refused")
        expect(machine.received(.wrongEncoding) == nil, "a binary message is refused twice")
    }

    /// Intents as text.
    private static func say(
        _ message: UnsafeRawBufferPointer, to machine: inout CentrifugeMachine, hint: ChannelName?
    ) -> [String] {
        var said: [String] = []
        var lines = CentrifugeLines(message)
        while let next = lines.next() {
            let received =
                switch next {
                case .command(let line): machine.received(line, hint: hint)
                case .malformed: machine.received(.malformed)
                }
            guard let intent = received else { break }
            switch intent {
            case .publish(let publish): inside(publish.data, message)
            case .connect(let connect): if let data = connect.data { inside(data, message) }
            default: break
            }
            check(names: intent)
            if case .connect = intent { machine.accepted() }
            said.append("\(text(intent))")
        }
        return said
    }

    private static func check(_ said: [String], _ wasConnected: Bool) {
        for (index, intent) in said.enumerated() {
            if intent.hasPrefix("disconnect") { expect(index == said.count - 1, "something comes after \(intent)") }
            if intent.hasPrefix("connect") { expect(!wasConnected && index == 0, "connect comes late: \(said)") }
        }
        expect(said.filter { $0 == "pong" }.count <= (wasConnected ? 1 : 0), "more pongs than pings: \(said)")
    }

    static func check(names intent: Intent) {
        switch intent {
        case .connect(let connect): for known in connect.known { isName(known.channel) }
        case .subscribe(let subscribe): isName(subscribe.channel)
        case .history(let history):
            isName(history.channel)
            expect(history.limit == Int64(Int32(clamping: history.limit)), "a limit of \(history.limit)")
        case .publish(let publish): if let channel = publish.channel { isName(channel) }
        case .unsubscribe(_, let channel), .refreshSubscription(_, let channel, _), .presence(_, let channel, _):
            isName(channel)
        case .pong, .nothing, .refresh, .refuse, .end, .rpc: break
        case .call: expect(false, "a call of a method")
        case .resume, .acknowledged, .renumbered: expect(false, "messages that are counted")
        }
    }

    static func text(_ intent: Intent) -> String {
        switch intent {
        case .connect(let it):
            "connect \(it.reply) \(it.token ?? []) \(it.name ?? []) \(it.version ?? []) \(it.data.map(Array.init) ?? [])"
        case .subscribe(let it):
            "subscribe \(it.reply) \(it.channel) \(it.seen.map { "\($0)" } ?? "") \(it.token ?? [])"
        case .history(let it):
            "history \(it.reply) \(it.channel) \(it.since.map { "\($0)" } ?? "") \(it.limit) \(it.isReverse)"
        case .publish(let it): "publish \(it.reply) \(it.channel.map { "\($0)" } ?? "") \(Array(it.data))"
        case .end(let ending): "disconnect \(ending)"
        case .pong: "pong"
        case .nothing: "nothing"
        case .unsubscribe, .refresh, .refreshSubscription, .presence, .refuse, .call, .rpc, .resume, .acknowledged,
            .renumbered:
            "\(intent)"
        }
    }

    private static func isName(_ channel: ChannelName) {
        expect(ChannelName.objection(to: channel.bytes) == nil, "'\(channel)' is not a channel")
    }

    /// Data lies in the message and is one JSON value.
    private static func inside(_ data: UnsafeRawBufferPointer, _ message: UnsafeRawBufferPointer) {
        guard let start = data.baseAddress, let from = message.baseAddress else { return expect(false, "no data") }
        expect(start >= from && start + data.count <= from + message.count, "data lies outside the message")
        expect(JSONScanner.isValid(data), "data is not JSON")
    }

    /// What the scanner takes for JSON is JSON, and a string that is read and written comes back.
    private static func scan(_ input: UnsafeRawBufferPointer) {
        let isValid = JSONScanner.isValid(input)
        if isValid {
            expect(PlainJSON.isValid(Array(input)), "the scanner takes what is not JSON")
            let writer = ByteWriter()
            JSONWriter.writeOnOneLine(input, to: writer)
            expect(!writer.bytes.contains(10) && JSONScanner.isValid(writer.bytes), "one line of it is not JSON")
        } else {
            expect(!PlainJSON.isValid(Array(input)), "the scanner refuses JSON")
        }
        let writer = ByteWriter()
        JSONWriter.writeString(input, to: writer)
        var scanner = JSONScanner(writer.bytes)
        expect(scanner.text() == Array(input) && scanner.isAtEnd, "a string does not come back")
    }
}
