import COpenSSL

/// The opening handshake (RFC 6455 4), the server's side; the client's is in `HandshakeReply.swift`.
package enum Handshake {
    package struct Accepted: Equatable, Sendable {
        /// The value of `Sec-WebSocket-Accept`.
        package let accept: String
        /// The subprotocols offered, best first.
        package let protocols: [String]
        /// `Sec-WebSocket-Extensions` as it came, its lines joined with commas.
        package let extensions: String?
    }

    /// RFC 6455 4.2.1, read strictly: an upgrade somebody else might not take for one is not one, because a proxy that
    /// is wrong about it would pass the next request on unseen.
    package static func check(_ head: RequestHead) -> Result<Accepted, HTTPError> {
        guard head.method == "GET" else { return .failure(.methodNotAllowed) }
        guard head.version == .http11 else { return .failure(.version(head.version.rawValue)) }
        guard !head.hasBody else { return .failure(.unexpectedBody) }
        guard head.header("upgrade", hasToken: "websocket"), head.header("connection", hasToken: "upgrade") else {
            return .failure(.upgradeRequired)
        }
        guard let version = head.onlyHeader("sec-websocket-version"), version == "13" else {
            return .failure(.webSocketVersion)
        }
        guard let key = head.onlyHeader("sec-websocket-key"), isKey(key) else { return .failure(.webSocketKey) }
        let extensions = head.elements(of: "sec-websocket-extensions")
        return .success(
            Accepted(
                accept: accept(for: key), protocols: head.protocols,
                extensions: extensions.isEmpty ? nil : extensions.joined(separator: ", ")))
    }

    /// 16 bytes in base64 are 22 digits and two equals signs.
    private static func isKey(_ key: String) -> Bool {
        key.utf8.count == 24 && key.utf8.suffix(2).elementsEqual("==".utf8)
            && key.utf8.dropLast(2).allSatisfy { Base64.isDigit($0) }
    }

    /// What proves to the client that its key was understood (RFC 6455 4.2.2, item 5.4).
    package static func accept(for key: String) -> String {
        let text = Array(key.utf8) + Array("258EAFA5-E914-47DA-95CA-C5AB0DC85B11".utf8)
        var digest = [UInt8](repeating: 0, count: Int(SHA_DIGEST_LENGTH))
        _ = SHA1(text, text.count, &digest)
        return Base64.encode(digest)
    }

    /// The reply that opens the connection. The subprotocol and the extensions are ours, never the client's own text.
    package static func writeResponse(
        accept: String, protocol subprotocol: String?, extensions: String? = nil, to writer: ByteWriter
    ) {
        writer.append("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
        writer.append("Sec-WebSocket-Accept: ")
        writer.append(text: accept)
        if let subprotocol, FieldText.isToken(subprotocol.utf8) {
            writer.append("\r\nSec-WebSocket-Protocol: ")
            writer.append(text: subprotocol)
        }
        if let extensions {
            writer.append("\r\nSec-WebSocket-Extensions: ")
            writer.append(text: extensions)
        }
        writer.append("\r\n\r\n")
    }
}

extension RequestHead {
    /// The value of a header that is there exactly once.
    fileprivate func onlyHeader(_ name: String) -> String? {
        let fields = headers.filter { $0.name == name }
        return fields.count == 1 ? fields[0].value : nil
    }
}

extension HTTPError {
    fileprivate static var methodNotAllowed: HTTPError {
        HTTPError(
            status: 405, code: "method_not_allowed", message: "a WebSocket is opened with GET",
            headers: [("Allow", "GET")])
    }

    fileprivate static var unexpectedBody: HTTPError {
        HTTPError(status: 400, code: "unexpected_body", message: "a WebSocket handshake has no body")
    }

    fileprivate static var upgradeRequired: HTTPError {
        HTTPError(
            status: 426, code: "upgrade_required",
            message: "this path speaks WebSocket: send Connection: Upgrade and Upgrade: websocket",
            headers: spoken)
    }

    fileprivate static var webSocketVersion: HTTPError {
        HTTPError(
            status: 426, code: "websocket_version", message: "only WebSocket version 13 is spoken here",
            headers: spoken)
    }

    fileprivate static var webSocketKey: HTTPError {
        HTTPError(
            status: 400, code: "websocket_key",
            message: "Sec-WebSocket-Key has to be there once, 16 bytes in base64")
    }

    /// What a 426 has to say (RFC 9110 15.5.22 and RFC 6455 4.4).
    private static var spoken: [(String, String)] { [("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13")] }
}
