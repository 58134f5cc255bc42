import Glibc
package import Reactor

/// Where a client connects to: a `ws://` or `wss://` URL and the addresses behind its name.
package struct Target: Sendable, Equatable {
    /// What the Host field says.
    package let authority: String
    package let host: String
    package let port: UInt16
    /// Path and query, as sent in the request line.
    package private(set) var path: String
    package let addresses: [SocketAddress]
    /// `wss://`.
    package let isEncrypted: Bool

    package struct ParseError: Error, Equatable, Sendable, CustomStringConvertible {
        package let description: String
    }

    private static let schemes: [(name: String, port: UInt16, isEncrypted: Bool)] = [
        ("ws://", 80, false), ("wss://", 443, true),
    ]

    /// Reads `ws://host:port/path?query`, or the same with `wss`, and looks the host up, which may block: not on a
    /// reactor.
    package init(parsing url: String) throws(ParseError) {
        let lower = url.lowercased()
        let known = Self.schemes.first { lower.hasPrefix($0.name) }
        guard let scheme = known else {
            throw ParseError(
                description:
                    "'\(url)' is not a WebSocket URL; right would be ws://host:port/path or wss://host:port/path"
            )
        }
        let rest = url.dropFirst(scheme.name.count)
        let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        let authority = String(rest[..<end])
        let tail = String(rest[end...].prefix { $0 != "#" })
        guard tail.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw ParseError(description: "'\(url)': path and query need percent-encoding")
        }
        guard authority.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "@") }) else {
            throw ParseError(description: "'\(authority)' is not a host and a port")
        }
        let (host, port) = try Self.split(authority, url, defaultPort: scheme.port)
        isEncrypted = scheme.isEncrypted
        self.authority = authority
        self.host = host
        self.port = port
        path = tail.hasPrefix("/") ? tail : "/" + tail
        addresses = try Self.lookUp(host, port)
    }

    private static func split(
        _ authority: String, _ url: String, defaultPort: UInt16
    ) throws(ParseError) -> (String, UInt16) {
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
        guard !afterHost.isEmpty else { return (String(host), defaultPort) }
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

    /// What stands for a number in a path.
    private static let place = "{}"

    /// The same with a number in the place of each `{}` in its path.
    func numbered(_ number: Int) -> Target {
        var target = self
        target.path = path.replacing(Self.place, with: "\(number)")
        return target
    }

    package var isLoopback: Bool { addresses.allSatisfy(\.isLoopback) }
}
