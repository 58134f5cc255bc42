import Glibc
package import Reactor

/// Where a client connects to: a `ws://` URL and the addresses behind its name.
package struct Target: Sendable, Equatable {
    /// What the Host field says.
    package let authority: String
    package let host: String
    package let port: UInt16
    /// Path and query, as sent in the request line.
    package let path: String
    package let addresses: [SocketAddress]

    package struct ParseError: Error, Equatable, Sendable, CustomStringConvertible {
        package let description: String
    }

    /// Reads `ws://host:port/path?query` and looks the host up, which may block: not on a reactor.
    package init(parsing url: String) throws(ParseError) {
        let scheme = "ws://"
        guard url.lowercased().hasPrefix(scheme) else {
            throw ParseError(
                description: url.lowercased().hasPrefix("wss://")
                    ? "'\(url)': TLS is not spoken here; right would be ws://host:port/path"
                    : "'\(url)' is not a WebSocket URL; right would be ws://host:port/path")
        }
        let rest = url.dropFirst(scheme.count)
        let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        let authority = String(rest[..<end])
        let tail = String(rest[end...].prefix { $0 != "#" })
        guard tail.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw ParseError(description: "'\(url)': path and query need percent-encoding")
        }
        guard authority.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "@") }) else {
            throw ParseError(description: "'\(authority)' is not a host and a port")
        }
        let (host, port) = try Self.split(authority, url)
        self.authority = authority
        self.host = host
        self.port = port
        path = tail.hasPrefix("/") ? tail : "/" + tail
        addresses = try Self.lookUp(host, port)
    }

    private static func split(_ authority: String, _ url: String) throws(ParseError) -> (String, UInt16) {
        let afterHost: Substring
        let host: Substring
        if authority.hasPrefix("["), let bracket = authority.firstIndex(of: "]") {
            host = authority[authority.index(after: authority.startIndex)..<bracket]
            afterHost = authority[authority.index(after: bracket)...]
        } else {
            host = authority.prefix { $0 != ":" }
            afterHost = authority[host.endIndex...]
        }
        guard !host.isEmpty else { throw ParseError(description: "'\(url)' names no host") }
        guard !afterHost.isEmpty else { return (String(host), 80) }
        guard afterHost.hasPrefix(":"), let port = UInt16(afterHost.dropFirst()), port > 0 else {
            throw ParseError(description: "'\(authority)': the port has to be 1 to 65535")
        }
        return (String(host), port)
    }

    private static func lookUp(_ host: String, _ port: UInt16) throws(ParseError) -> [SocketAddress] {
        if let address = try? SocketAddress(ip: host, port: port) { return [address] }
        do {
            return try SocketAddress.resolve(host: host, port: port)
        } catch {
            throw ParseError(description: error.description)
        }
    }

    package var isLoopback: Bool { addresses.allSatisfy(\.isLoopback) }
}
