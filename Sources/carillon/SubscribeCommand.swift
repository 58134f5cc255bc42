import ArgumentParser
import Client
import Codec
import Foundation
import Reactor

struct SubscribeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "subscribe",
        abstract: "Print the messages published to channels, one per line, until Ctrl-C.",
        discussion: """
            Binary messages are printed as "base64:" and their base64 encoding. Line breaks in text are printed as \\n.

            EXAMPLES
              carillon subscribe news
              carillon subscribe news weather --server ws://127.0.0.1:8000
              carillon subscribe news --count 1          exit after one message
            """)

    @Argument(help: "Names of the channels.")
    var channels: [String]

    @Option(help: "Address of a node's client listener, ws:// or wss://.")
    var server = "ws://127.0.0.1:8000"

    @Option(
        help:
            "Client token (JWT), for example from 'carillon token make'. Sent as a header, so that it appears in no log."
    )
    var token: String?

    @Option(help: "File with the CA certificates (PEM) that verify a wss:// server (or CARILLON_CA).")
    var ca: String?

    @Option(help: "Exit after this many messages.")
    var count: Int?

    func validate() throws {
        if channels.isEmpty { throw ValidationError("say which channel") }
        if let count, count < 1 { throw ValidationError("--count has to be at least 1") }
        if let token, token.isEmpty || !token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) {
            throw ValidationError("--token has visible ASCII characters only")
        }
    }

    func run() async throws {
        let base = server.hasSuffix("/") ? String(server.dropLast()) : server
        let query = channels.map { "channel=\(percentEncoded($0))" }.joined(separator: "&")
        let target: Target
        let reactor: Reactor
        let tls: TLSContext?
        do {
            target = try Target(parsing: "\(base)/raw?\(query)")
            let authorities = ca ?? ProcessInfo.processInfo.environment["CARILLON_CA"]
            tls = try authorities.map { try TLSContext(TLSClientConfiguration(authorities: $0)) }
            reactor = try Reactor(index: 0, name: "subscribe")
        } catch {
            throw Failure("\(error)")
        }
        reactor.start()
        let (events, feed) = AsyncStream.makeStream(of: ClientEvent.self)
        let headers = token.map { [(name: "Authorization", value: "Bearer \($0)")] } ?? []
        let connection = await reactor.perform {
            let connection = ClientConnection(reactor: reactor, target: target, headers: headers, tls: tls) {
                feed.yield($0)
            }
            connection.open()
            return connection
        }
        defer { withExtendedLifetime(connection) {} }
        var printed = 0
        for await event in events {
            switch event {
            case .opened:
                FileHandle.standardError.write(Data("subscribed at \(base)\n".utf8))
            case .message(let opcode, let payload):
                print(opcode == .text ? Self.oneLine(payload) : "base64:\(Data(payload).base64EncodedString())")
                // Through a pipe, too, each message is to be seen when it comes.
                try StandardOutput.flush()
                printed += 1
                if printed == count { return }
            case .closed(let code, let reason):
                throw Failure("the connection ended: \(code) \(reason)")
            case .pong:
                break
            }
        }
    }

    private static func oneLine(_ payload: [UInt8]) -> String {
        String(decoding: payload, as: UTF8.self).replacing("\\", with: "\\\\").replacing("\n", with: "\\n")
            .replacing("\r", with: "\\r").replacing("\u{1B}", with: "\\u001b")
    }
}
