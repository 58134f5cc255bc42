@testable import Codec

/// What clients of hubs send, in both protocols, from the handshake on; and what their calls come to.
enum HubTarget {
    @Sendable static func run(_ input: UnsafeRawBufferPointer) {
        for greeting in [
            "", #"{"protocol":"json","version":1}"# + "\u{1E}", #"{"protocol":"messagepack","version":1}"# + "\u{1E}",
        ] {
            for isText in [false, true] where !isText || UTF8Validator.isValid(input) {
                say(Array(greeting.utf8) + Array(input), isText: isText)
            }
        }
        _ = Variant(.signalr, in: .messagePack, over: .webSocket).redacted(incoming: Array(input))
        _ = Variant(.signalr, over: .webSocket).redacted(incoming: Array(input))
    }

    private static let hub: HubRule = {
        var hub = HubRule(path: "/hub")
        hub.prefix = Array("a:".utf8)
        hub.everyone = ChannelName(trusted: Array("a:all".utf8))
        hub.methods = HubRule.Action.allCases.map { .init($0.rawValue.utf8, $0) }
        return hub
    }()

    private static func say(_ bytes: [UInt8], isText: Bool) {
        var machine = DialectMachine(Variant(.signalr, in: .undecided, over: .webSocket), hub: hub.number)
        bytes.withUnsafeBytes { bytes in
            var message = IncomingMessage(bytes, isText: isText, commandBytes: 4096)
            var isOver = false
            var left = bytes.count
            while let intent = machine.next(in: &message, hint: nil) {
                expect(!isOver, "something comes after the end")
                switch intent {
                case .connect(let connect):
                    expect(!machine.isLoggedIn && machine.awaitsLogin, "a second greeting")
                    expect(connect.encoding == .standard || connect.encoding == .messagePack, "no encoding")
                    machine.loginAccepted()
                case .call(let call): check(call)
                case .refuse(let reply, _): check(reply)
                case .resume(let resume):
                    expect(!machine.isLoggedIn && machine.awaitsLogin, "a client that greeted comes back")
                    expect(resume.encoding == .standard || resume.encoding == .messagePack, "no encoding")
                    machine.loginAccepted()
                case .nothing, .pong, .acknowledged, .renumbered:
                    expect(machine.isLoggedIn, "something before the greeting")
                case .end: isOver = true
                default: expect(false, "an intent that the dialect does not have")
                }
                expect(isOver || message.rest.count < left, "nothing was taken")
                left = message.rest.count
            }
            expect(isOver || message.rest.isEmpty, "something is left")
        }
    }

    private static func check(_ reply: ReplyID) {
        if case .text(let text) = reply { expect(text.count <= 255, "an id of \(text.count) bytes") }
    }

    private static func check(_ call: HubCall) {
        check(call.reply)
        expect(call.hub == hub.number && (1...255).contains(call.method.count), "a call of another hub")
        switch hub.order(of: call) {
        case .join(let channel), .leave(let channel):
            expect(ChannelName.objection(to: channel.bytes) == nil && channel != hub.everyone, "'\(channel)'")
        case .send(let message):
            expect(EventName.isValid(message.event), "an event that is none")
            expect(
                message.isPermitted
                    ? message.channel.user != nil : ChannelName.objection(to: message.channel.bytes) == nil,
                "'\(message.channel)' is not a channel")
            message.payload.withUnsafeBytes { payload in
                guard message.kind != .binary else { return }
                expect(message.kind == .json && JSONScanner.isValid(payload), "a payload that is no JSON")
            }
        case .forward: expect(hub.upstream != nil, "a call for nobody")
        case .refuse: break
        }
    }
}
