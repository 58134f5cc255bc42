import ArgumentParser
import Codec
import Foundation

struct TailCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tail",
        abstract: "Print what is published in a channel, as it is published, until Ctrl-C.",
        discussion: """
            The node reads along through its admin listener. It needs no client token, and nobody in the channel notices.
            Binary payloads are shown as "base64:" and their base64 encoding. The node shows the beginning of long payloads
            (admin.shown_bytes) and a limited number of publications per second (admin.shown_rate). What it does not show is
            counted on standard error.

            EXAMPLES
              carillon tail news
              carillon tail news --count 1               exit after one publication
              carillon tail news --json | jq .data       one JSON object per line
            """)

    @OptionGroup var options: AdminOptions

    @Argument(help: "Name of the channel.")
    var channel: String

    @Option(help: "Exit after this many publications.")
    var count: Int?

    func validate() throws {
        if let count, count < 1 { throw ValidationError("--count has to be at least 1") }
    }

    private struct Listening: Decodable { let node: String }

    private struct Published: Decodable {
        let time: Double
        let position: String?
        let bytes: Int
        let encoding: String
        let data: String
        let truncated: Bool
    }

    private struct Dropped: Decodable { let publications: Int }

    func run() async throws {
        var printed = 0
        try await options.read("/api/v1/channels/\(percentEncoded(channel))/tail") { event in
            if options.json {
                print(event.line)
            } else {
                try show(event)
            }
            // Through a pipe, too, each publication is to be seen when it comes.
            try StandardOutput.flush()
            if event.name == "publication" { printed += 1 }
            return printed != count
        }
        if printed != count { throw Failure("the node ended the stream") }
    }

    private func show(_ event: ServerSentEvent) throws {
        switch event.name {
        case "listening":
            let node = try AdminOptions.decode(event.data, as: Listening.self).node
            Notes.say("reading along at node \(node)")
        case "publication":
            let published = try AdminOptions.decode(event.data, as: Published.self)
            let position = published.position.map { "  \($0)" } ?? ""
            print(
                Display.time(published.time) + position + "  "
                    + Display.payload(published.data, published.encoding)
                    + (published.truncated ? "… (\(things(published.bytes, "byte")))" : ""))
        case "dropped":
            let dropped = try AdminOptions.decode(event.data, as: Dropped.self)
            Notes.say("\(things(dropped.publications, "publication is", "publications are")) not shown")
        case "lost": Notes.say("publications are lost")
        default: break
        }
    }
}

struct TraceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trace",
        abstract: "Print what one connection sends and is sent, as it happens.",
        discussion: """
            The connection may be on any node. Tokens are left out. Messages are cut (admin.shown_bytes) and limited in number
            (admin.shown_rate); what is left out is counted on standard error. A trace ends after --seconds, at the latest after
            300, or when the connection closes.

            EXAMPLES
              carillon connections --user ann                     find the connection
              carillon trace 4f3c2b1a09876543-…                   trace it for 60 seconds
              carillon trace 4f3c2b1a09876543-… --seconds 300 --json
            """)

    @OptionGroup var options: AdminOptions

    @Argument(help: "Id of the connection, as shown by 'carillon connections'.")
    var connection: String

    @Option(help: "How long the trace runs, in seconds (1 to 300).")
    var seconds = 60

    func validate() throws {
        if !(1...300).contains(seconds) { throw ValidationError("--seconds has to be 1 to 300") }
    }

    private struct Beginning: Decodable { let node: String }

    private struct Message: Decodable {
        let time: Double
        let opcode: String?
        let kind: String?
        let bytes: Int
        let encoding: String
        let data: String
        let truncated: Bool
    }

    private struct Dropped: Decodable { let messages: Int }

    private struct End: Decodable { let reason: String }

    func run() async throws {
        var isEnded = false
        try await options.read("/api/v1/connections/\(percentEncoded(connection))/trace?seconds=\(seconds)") { event in
            if options.json { print(event.line) } else { try show(event) }
            try StandardOutput.flush()
            isEnded = event.name == "end"
            return !isEnded
        }
        if !isEnded { throw Failure("the node ended the stream") }
    }

    private func show(_ event: ServerSentEvent) throws {
        switch event.name {
        case "tracing":
            let node = try AdminOptions.decode(event.data, as: Beginning.self).node
            Notes.say("tracing for \(seconds) s; the connection is on node \(node)")
        case "in", "out":
            let message = try AdminOptions.decode(event.data, as: Message.self)
            let kind = message.opcode ?? message.kind ?? ""
            print(
                Display.time(message.time) + "  " + Display.padded(event.name, 3) + "  " + Display.padded(kind, 7)
                    + "  " + Display.payload(message.data, message.encoding)
                    + (message.truncated ? "… (\(things(message.bytes, "byte")))" : ""))
        case "dropped":
            let dropped = try AdminOptions.decode(event.data, as: Dropped.self)
            Notes.say("\(things(dropped.messages, "message is", "messages are")) not shown")
        case "end":
            let reason = try AdminOptions.decode(event.data, as: End.self).reason
            switch reason {
            case "time": Notes.say("the time is over")
            case "closed": Notes.say("the connection is closed")
            default: Notes.say("ended: \(Table.visible(reason))")
            }
        default: break
        }
    }
}

/// What is said beside the output, so that the output stays what was asked for.
enum Notes {
    static func say(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
}

extension Display {
    /// `14:03:07.250`, in the time zone of whoever reads it.
    static func time(_ milliseconds: Double) -> String {
        let whole = max(0, min(milliseconds, 8e15))
        var seconds = time_t(whole / 1000)
        var parts = tm()
        localtime_r(&seconds, &parts)
        let rest = Int(whole.truncatingRemainder(dividingBy: 1000))
        return String(format: "%02d:%02d:%02d.%03d", parts.tm_hour, parts.tm_min, parts.tm_sec, rest)
    }

    /// On one line, and without what controls a terminal.
    static func payload(_ data: String, _ encoding: String) -> String {
        if encoding == "base64" { return "base64:" + data }
        return Table.visible(
            data.replacing("\\", with: "\\\\").replacing("\n", with: "\\n").replacing("\r", with: "\\r")
                .replacing("\u{1B}", with: "\\u001b"))
    }

    static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }
}
