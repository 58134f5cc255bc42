import ArgumentParser
import Client
import Codec
import Foundation
import Reactor

struct SubscribeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "subscribe",
        abstract: "Print what is published on channels, one message a line, until Ctrl-C.",
        discussion: """
            Binary messages are printed as base64 behind "base64:". Line breaks in texts are printed as \\n.

            EXAMPLES
              carillon subscribe news
              carillon subscribe news weather --server ws://127.0.0.1:8000
              carillon subscribe news --count 1          end after one message
            """)

    @Argument(help: "The channels.")
    var channels: [String]

    @Option(help: "Where clients connect.")
    var server = "ws://127.0.0.1:8000"

    @Option(help: "End after this many messages.")
    var count: Int?

    func run() async throws {
        let base = server.hasSuffix("/") ? String(server.dropLast()) : server
        let query = channels.map { "channel=\(percentEncoded($0))" }.joined(separator: "&")
        let target: Target
        let reactor: Reactor
        do {
            target = try Target(parsing: "\(base)/raw?\(query)")
            reactor = try Reactor(index: 0, name: "subscribe")
        } catch {
            throw Failure("\(error)")
        }
        reactor.start()
        let (events, feed) = AsyncStream.makeStream(of: ClientEvent.self)
        let connection = await reactor.perform {
            let connection = ClientConnection(reactor: reactor, target: target) { feed.yield($0) }
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
                fflush(nil)
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
