/// Where a server is: a name that is looked up, or an IP address, and a port.
package struct HostAndPort: Equatable, Sendable, CustomStringConvertible {
    package let host: String
    package let port: UInt16

    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    /// What is wrong with a text that should be one.
    package enum Objection: Error, Equatable, Sendable {
        case host
        /// It is not 1 to 65535.
        case port
    }

    /// Reads `host`, `host:6379` or `[::1]:6379`.
    package init(_ text: String, defaultPort: UInt16) throws(Objection) {
        var host = text
        var port = defaultPort
        if let colon = text.lastIndex(of: ":"), !text.hasSuffix("]") {
            guard let number = UInt16(text[text.index(after: colon)...]), number > 0 else { throw .port }
            port = number
            host = String(text[..<colon])
        }
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        guard !host.isEmpty, host.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { throw .host }
        self.init(host: host, port: port)
    }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}
