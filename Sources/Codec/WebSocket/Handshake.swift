import COpenSSL

/// The opening handshake (RFC 6455 4).
package enum Handshake {
    package struct Accepted: Equatable, Sendable {
        /// The value of `Sec-WebSocket-Accept`.
        package let accept: String
        /// The subprotocols offered.
        package let protocols: [String]
        /// `Sec-WebSocket-Extensions` as it came.
        package let extensions: String?
    }

    /// RFC 6455 4.2.1, read strictly: an upgrade somebody else might not take for one is not one.
    package static func check(_ head: RequestHead) -> Result<Accepted, HTTPError> {
        guard head.method == "GET" else {
            return .failure(
                HTTPError(
                    status: 405, code: "method_not_allowed", message: "a WebSocket is opened with GET",
                    headers: [("Allow", "GET")]))
        }
        guard !head.hasBody else {
            return .failure(
                HTTPError(status: 400, code: "unexpected_body", message: "a WebSocket handshake has no body"))
        }
        guard head.header("upgrade", hasToken: "websocket"), head.header("connection", hasToken: "upgrade") else {
            return .failure(
                HTTPError(
                    status: 426, code: "upgrade_required",
                    message: "this path speaks WebSocket: send Connection: Upgrade and Upgrade: websocket",
                    headers: [("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]))
        }
        let versions = head.headers.filter { $0.name == "sec-websocket-version" }
        guard versions.count == 1, versions[0].value == "13" else {
            return .failure(
                HTTPError(
                    status: 426, code: "websocket_version", message: "only WebSocket version 13 is spoken here",
                    headers: [("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")]))
        }
        let keys = head.headers.filter { $0.name == "sec-websocket-key" }
        guard keys.count == 1, isKey(keys[0].value) else {
            return .failure(
                HTTPError(
                    status: 400, code: "websocket_key",
                    message: "Sec-WebSocket-Key has to be there once, 16 bytes in base64"))
        }
        return .success(
            Accepted(
                accept: accept(for: keys[0].value), protocols: head.protocols,
                extensions: head.header("sec-websocket-extensions")))
    }

    /// 16 bytes in base64 are 22 digits and two equals signs.
    private static func isKey(_ key: String) -> Bool {
        let bytes = Array(key.utf8)
        return bytes.count == 24 && bytes.suffix(2).elementsEqual("==".utf8)
            && bytes.dropLast(2).allSatisfy { Base64.isDigit($0) }
    }

    /// What proves to the client that its key was understood (RFC 6455 4.2.2, item 5.4).
    package static func accept(for key: String) -> String {
        let text = Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8)
        var digest = [UInt8](repeating: 0, count: Int(SHA_DIGEST_LENGTH))
        _ = SHA1(text, text.count, &digest)
        return Base64.encode(digest)
    }

    /// The reply that opens the connection.
    package static func writeResponse(accept: String, protocol subprotocol: String?, to writer: ByteWriter) {
        writer.append("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
        writer.append("Sec-WebSocket-Accept: ")
        writer.append(text: accept)
        if let subprotocol {
            writer.append("\r\nSec-WebSocket-Protocol: ")
            writer.append(text: subprotocol)
        }
        writer.append("\r\n\r\n")
    }

    // MARK: The client's side

    /// The request of a client of ours. `key` is 16 random bytes in base64.
    package static func writeRequest(
        host: String, target: String, key: String, protocols: [String] = [], to writer: ByteWriter
    ) {
        writer.append(text: "GET \(target) HTTP/1.1\r\nHost: \(host)\r\n")
        writer.append("Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n")
        writer.append(text: "Sec-WebSocket-Key: \(key)\r\n")
        if !protocols.isEmpty {
            let list = protocols.dropFirst().reduce(protocols[0]) { "\($0), \($1)" }
            writer.append(text: "Sec-WebSocket-Protocol: \(list)\r\n")
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

    /// Reads a server's reply to the key we sent.
    package static func checkReply(_ bytes: UnsafeRawBufferPointer, key: String) -> Reply {
        let text = Array(bytes.prefix(HTTPLimits().totalBytes))
        let blank = Array("\r\n\r\n".utf8)
        guard let end = (0..<max(0, text.count - 3)).first(where: { text[$0..<($0 + 4)].elementsEqual(blank) }) else {
            return bytes.count > HTTPLimits().totalBytes ? .refused("the reply is too long") : .incomplete
        }
        let lines = String(decoding: text[..<end], as: UTF8.self).split(separator: "\r\n")
        guard let status = lines.first, status.hasPrefix("HTTP/1.1 101") else {
            return .refused(String(lines.first ?? ""))
        }
        let expected = accept(for: key)
        let isRight = lines.contains { line in
            let parts = line.split(separator: ":", maxSplits: 1)
            return parts.count == 2 && parts[0].lowercased() == "sec-websocket-accept"
                && parts[1].drop { $0 == " " } == expected
        }
        return isRight ? .opened(consumed: end + 4) : .refused("the reply does not fit the key")
    }
}
