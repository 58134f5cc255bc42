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
                connect.withUnsafeBytes { machine.received($0, isText: true) { _ in true } }
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
        var count = 0
        machine.received(input, isText: false) { _ in
            count += 1
            return true
        }
        expect(count == 1, "a binary message is not refused")
    }

    /// Intents as text.
    private static func say(
        _ message: UnsafeRawBufferPointer, to machine: inout CentrifugeMachine, hint: ChannelName?
    ) -> [String] {
        var said: [String] = []
        machine.received(message, isText: true, hint: hint) { intent in
            switch intent {
            case .publish(_, _, let data): inside(data, message)
            case .send(let data): if !data.isEmpty { inside(data, message) }
            case .connect(let connect): if let data = connect.data { inside(data, message) }
            case .subscribe(let subscribe): isName(subscribe.channel)
            case .history(let history):
                isName(history.channel)
                expect(history.limit == Int64(Int32(clamping: history.limit)), "a limit of \(history.limit)")
            case .unsubscribe(_, let channel), .subRefresh(_, let channel, _): isName(channel)
            case .pong, .refresh, .refuse, .disconnect: break
            }
            said.append("\(text(intent))")
            return true
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

    private static func text(_ intent: CentrifugeIntent) -> String {
        switch intent {
        case .connect(let it):
            "connect \(it.id) \(it.token ?? []) \(it.name ?? []) \(it.version ?? []) \(it.data.map(Array.init) ?? [])"
        case .subscribe(let it):
            "subscribe \(it.id) \(it.channel) \(it.isRecovering) \(it.epoch) \(it.offset) \(it.token ?? [])"
        case .history(let it):
            "history \(it.id) \(it.channel) \(it.since.map { "\($0)" } ?? "") \(it.limit) \(it.isReverse)"
        case .publish(let id, let channel, let data): "publish \(id) \(channel) \(Array(data))"
        case .send(let data): "send \(Array(data))"
        case .disconnect(let disconnect): "disconnect \(disconnect)"
        case .pong: "pong"
        case .unsubscribe, .refresh, .subRefresh, .refuse: "\(intent)"
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
