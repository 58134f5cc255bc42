/// The client's side of the opening handshake (RFC 6455 4.1).
extension Handshake {
    /// The request of a client of ours. `key` is 16 random bytes in base64.
    package static func writeRequest(
        host: String, target: String, key: String, protocols: [String] = [], to writer: ByteWriter
    ) {
        writer.append(text: "GET \(target) HTTP/1.1\r\nHost: \(host)\r\n")
        writer.append("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n")
        writer.append(text: "Sec-WebSocket-Key: \(key)\r\n")
        if !protocols.isEmpty {
            writer.append(text: "Sec-WebSocket-Protocol: \(protocols.joined(separator: ", "))\r\n")
        }
        writer.append("\r\n")
    }

    package enum Reply: Equatable, Sendable {
        case incomplete
        /// The connection is open; how many bytes the reply took.
        case opened(consumed: Int)
        /// The status line, or what was wrong.
        case refused(String)
    }

    /// Reads a server's reply to the key we sent, from its first byte on.
    package static func checkReply(_ bytes: UnsafeRawBufferPointer, key: String) -> Reply {
        let limit = HTTPLimits().totalBytes
        let seen = UnsafeRawBufferPointer(rebasing: bytes.prefix(limit))
        var lines: [Slice<UnsafeRawBufferPointer>] = []
        var start = 0
        while true {
            let end = seen.lineFeed(from: start)
            guard end < seen.count else {
                return bytes.count >= limit ? .refused("the reply is too long") : .incomplete
            }
            guard end > start, seen[end - 1] == 0x0D else { return .refused("the reply is not HTTP/1.1") }
            if end == start + 1 { return verdict(lines, key: key, consumed: end + 1) }
            lines.append(seen[start..<(end - 1)])
            start = end + 1
        }
    }

    private static func verdict(
        _ lines: [Slice<UnsafeRawBufferPointer>], key: String, consumed: Int
    ) -> Reply {
        guard let status = lines.first, status.starts(with: "HTTP/1.1 ".utf8) else {
            return .refused("the reply is not HTTP/1.1")
        }
        guard status.dropFirst(9).prefix(4).elementsEqual("101 ".utf8) || status.dropFirst(9).elementsEqual("101".utf8)
        else { return .refused(printable(status)) }

        var accepts: [Slice<UnsafeRawBufferPointer>] = []
        var isUpgrade = false
        var isConnection = false
        for line in lines.dropFirst() {
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else { continue }
            let name = line[..<colon]
            let value = FieldText.trimmed(line[(colon + 1)...])
            if FieldText.isSame(name, lower: "sec-websocket-accept".utf8) {
                accepts.append(value)
            } else if FieldText.isSame(name, lower: "upgrade".utf8) {
                isUpgrade = FieldText.isSame(value, lower: "websocket".utf8)
            } else if FieldText.isSame(name, lower: "connection".utf8) {
                isConnection =
                    isConnection
                    || value.split(separator: UInt8(ascii: ",")).contains {
                        FieldText.isSame(FieldText.trimmed($0), lower: "upgrade".utf8)
                    }
            } else if FieldText.isSame(name, lower: "sec-websocket-extensions".utf8) {
                return .refused("the reply names an extension that was not asked for")
            }
        }
        guard isUpgrade, isConnection else { return .refused("the reply does not upgrade the connection") }
        guard accepts.count == 1, accepts[0].elementsEqual(accept(for: key).utf8) else {
            return .refused("the reply does not fit the key")
        }
        return .opened(consumed: consumed)
    }

    /// A status line as it may be shown to people: what a server sends reaches a terminal.
    private static func printable(_ line: Slice<UnsafeRawBufferPointer>) -> String {
        let bytes = line.prefix(200).map { $0 >= 0x20 && $0 < 0x7F ? $0 : UInt8(ascii: "?") }
        return String(decoding: bytes, as: UTF8.self)
    }
}
