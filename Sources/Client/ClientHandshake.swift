import Codec

/// The opening handshake of a client that may offer permessage-deflate (RFC 6455 4.1, RFC 7692 5 and 7.1).
///
/// It offers no window of its own and asks that nothing be kept from one message to the next, on either side: so each
/// message is inflated by itself, and a server may send the same bytes to everybody.
struct ClientHandshake: Sendable {
    /// 16 bytes in base64.
    let key: String
    let offersCompression: Bool
    /// More lines of the request.
    var headers: [(name: String, value: String)] = []

    enum Reply: Equatable {
        case incomplete
        /// The connection is open; how many bytes the reply took, and whether messages may be compressed.
        case opened(consumed: Int, isCompressed: Bool)
        /// The status line, or what was wrong.
        case refused(String)
    }

    /// What is offered: the value of `Sec-WebSocket-Extensions`.
    static let offer = "permessage-deflate; client_no_context_takeover; server_no_context_takeover"

    func writeRequest(to target: Target, protocols: [String] = [], in writer: ByteWriter) {
        Handshake.writeRequest(
            host: target.authority, target: target.path, key: key, protocols: protocols, to: writer)
        var more = headers
        if offersCompression { more.append((name: "Sec-WebSocket-Extensions", value: Self.offer)) }
        guard !more.isEmpty else { return }
        // They go before the empty line.
        writer.removeLast(2)
        for (name, value) in more { writer.append(text: "\(name): \(value)\r\n") }
        writer.append("\r\n")
    }

    /// Reads a reply from its first byte on.
    func check(_ bytes: UnsafeRawBufferPointer) -> Reply {
        guard offersCompression, let end = Self.end(of: bytes) else { return Self.reply(checking: bytes, key) }
        guard end <= HTTPLimits().totalBytes else { return .refused("the reply is too long") }
        // The lines about extensions are judged here, all others where replies without them are.
        var rest: [UInt8] = []
        var answers: [String] = []
        for line in Self.lines(UnsafeRawBufferPointer(rebasing: bytes[..<end])) {
            if let answer = Self.extensions(in: line) { answers.append(answer) } else { rest.append(contentsOf: line) }
        }
        let reply = rest.withUnsafeBytes { Self.reply(checking: $0, key) }
        guard case .opened = reply else { return reply }
        guard !answers.isEmpty else { return .opened(consumed: end, isCompressed: false) }
        let answer = answers.joined(separator: ", ")
        guard Self.fits(answer) else {
            return .refused("the reply agrees to an extension that was not offered: \(Self.printable(answer))")
        }
        return .opened(consumed: end, isCompressed: true)
    }

    private static func reply(checking bytes: UnsafeRawBufferPointer, _ key: String) -> Reply {
        switch Handshake.checkReply(bytes, key: key) {
        case .incomplete: .incomplete
        case .opened(let consumed): .opened(consumed: consumed, isCompressed: false)
        case .refused(let reason): .refused(reason)
        }
    }

    /// Where the reply's head ends, behind its empty line; nil when that has not come.
    private static func end(of bytes: UnsafeRawBufferPointer) -> Int? {
        guard bytes.count >= 4 else { return nil }
        for end in 4...bytes.count where bytes[end - 1] == 0x0A {
            if bytes[end - 2] == 0x0D, bytes[end - 3] == 0x0A, bytes[end - 4] == 0x0D { return end }
        }
        return nil
    }

    /// With their line ends.
    private static func lines(_ head: UnsafeRawBufferPointer) -> [Slice<UnsafeRawBufferPointer>] {
        var lines: [Slice<UnsafeRawBufferPointer>] = []
        var start = 0
        for (index, byte) in head.enumerated() where byte == 0x0A {
            lines.append(head[start...index])
            start = index + 1
        }
        return lines
    }

    /// The value of a line `Sec-WebSocket-Extensions`; nil for any other line.
    private static func extensions(in line: Slice<UnsafeRawBufferPointer>) -> String? {
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { return nil }
        guard String(decoding: line[..<colon], as: UTF8.self).lowercased() == "sec-websocket-extensions" else {
            return nil
        }
        return trimmed(String(decoding: line[(colon + 1)...], as: UTF8.self)[...])
    }

    /// Whether a server may answer our offer so (RFC 7692 7.1): one extension, nothing kept on its side, and nothing
    /// asked of us that was not offered. Its window does not matter: ours inflates with any.
    static func fits(_ answer: String) -> Bool {
        let parts = answer.split(separator: ";", omittingEmptySubsequences: false).map { trimmed($0) }
        guard parts[0].lowercased() == "permessage-deflate" else { return false }
        let parameters = parts.dropFirst()
        guard Set(parameters.map { $0.prefix { $0 != "=" } }).count == parameters.count else { return false }
        return parameters.contains("server_no_context_takeover") && parameters.allSatisfy(isAllowed)
    }

    private static func isAllowed(_ parameter: String) -> Bool {
        switch parameter {
        case "server_no_context_takeover", "client_no_context_takeover": return true
        default:
            let window = "server_max_window_bits="
            guard parameter.hasPrefix(window) else { return false }
            return (8...15).contains { parameter.dropFirst(window.count) == "\($0)" }
        }
    }

    private static func trimmed(_ text: Substring) -> String {
        var rest = text
        while let first = rest.first, first.isWhitespace { rest = rest.dropFirst() }
        while let last = rest.last, last.isWhitespace { rest = rest.dropLast() }
        return String(rest)
    }

    /// As it may be shown to people: what a server sends reaches a terminal.
    private static func printable(_ text: String) -> String {
        String(decoding: text.utf8.prefix(200).map { $0 >= 0x20 && $0 < 0x7F ? $0 : 0x3F }, as: UTF8.self)
    }
}
