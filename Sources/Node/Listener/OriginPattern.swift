import Codec

/// An entry of `client.origins`: an origin as a browser sends it (RFC 6454 6.2, WHATWG HTML 7.1.1), or one with a wildcard for
/// labels in front. What no browser sends is refused, because it would allow nobody.
package struct OriginPattern: Equatable, Sendable {
    /// In lower case.
    package let text: String

    package init(parsing given: String) throws(OriginError) {
        guard given.utf8.allSatisfy({ $0 < 0x80 }) else {
            throw OriginError(given, "browsers send a host in ASCII: write it as xn--…")
        }
        let text = given.lowercased()
        guard text != "null" else {
            throw OriginError(
                given, "files and sandboxed frames of anybody say null, so it cannot be told who they are")
        }
        guard let separator = text.range(of: "://"), Self.isScheme(text[..<separator.lower]) else {
            throw OriginError(given, "an origin begins with a scheme", right: Self.example)
        }
        let scheme = text[..<separator.lower]
        let rest = text[separator.upper...]
        if let other = ["ws": "http", "wss": "https"][String(scheme)] {
            throw OriginError(given, "the origin of a page begins with http or https", right: "\(other)://\(rest)")
        }
        guard !["file", "data", "blob", "about", "javascript"].contains(scheme) else {
            throw OriginError(given, "browsers send null for such pages")
        }
        if let slash = rest.firstIndex(where: { "/?#".contains($0) }), slash != rest.startIndex {
            throw OriginError(given, "an origin has no path", right: "\(scheme)://\(rest[..<slash])")
        }
        guard !rest.isEmpty, !rest.contains("@"), !rest.contains("/") else {
            throw OriginError(given, "an origin is a scheme and a host", right: Self.example)
        }
        let isWeb = scheme == "http" || scheme == "https"
        let (host, port) = try Self.split(rest, given)
        if let port { try Self.check(port: port, scheme, host, given) }
        if isWeb {
            try Self.check(host: String(host), given)
        } else {
            guard host.utf8.allSatisfy(Self.isNameByte) else {
                throw OriginError(given, "the host has a character that no browser sends")
            }
        }
        self.text = text
    }

    private static let example = "https://app.example.com"

    private static func isScheme(_ text: Substring) -> Bool {
        guard let first = text.utf8.first, (0x61...0x7A).contains(first) else { return false }
        return text.utf8.allSatisfy {
            (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || "+-.".utf8.contains($0)
        }
    }

    static func isNameByte(_ byte: UInt8) -> Bool {
        (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) || "-_.".utf8.contains(byte)
    }

    /// Host and port.
    private static func split(
        _ rest: Substring, _ given: String
    ) throws(OriginError) -> (host: Substring, port: Substring?) {
        let afterHost =
            rest.hasPrefix("[")
            ? rest.firstIndex(of: "]").map { rest.index(after: $0) } ?? rest.endIndex
            : rest.firstIndex(of: ":") ?? rest.endIndex
        let host = rest[..<afterHost]
        guard afterHost < rest.endIndex else { return (host, nil) }
        guard rest[afterHost] == ":", !host.isEmpty else {
            throw OriginError(given, "an origin is a scheme and a host", right: example)
        }
        return (host, rest[rest.index(after: afterHost)...])
    }

    private static func check(
        port: Substring, _ scheme: Substring, _ host: Substring, _ given: String
    ) throws(OriginError) {
        guard let number = DecimalPort(port) else {
            throw OriginError(given, "the port has to be a number from 1 to 65535; there is no wildcard for it")
        }
        if (scheme == "https" && number.value == 443) || (scheme == "http" && number.value == 80) {
            throw OriginError(given, "browsers leave the scheme's own port out", right: "\(scheme)://\(host)")
        }
    }

    private static func check(host: String, _ given: String) throws(OriginError) {
        if host.hasPrefix("[") {
            let inner = host.dropFirst().dropLast()
            guard host.hasSuffix("]"), let address = IPAddress(parsing: inner.utf8), case .v6 = address else {
                throw OriginError(given, "'\(host)' is not an IPv6 address")
            }
            guard "\(address)" == inner else {
                throw OriginError(given, "browsers shorten an IPv6 address", right: "[\(address)] as the host")
            }
            return
        }
        var name = Substring(host)
        let isWildcard = name.hasPrefix("*.")
        if isWildcard { name = name.dropFirst(2) }
        guard !name.contains("*") else {
            throw OriginError(
                given, "a wildcard stands for all labels in front of a name", right: "https://*.example.com")
        }
        let labels = (name.hasSuffix(".") ? name.dropLast() : name).split(
            separator: ".", omittingEmptySubsequences: false)
        guard name.utf8.count <= 254,
            labels.allSatisfy({ (1...63).contains($0.utf8.count) && $0.utf8.allSatisfy(isNameByte) })
        else { throw OriginError(given, "'\(host)' is not the name of a host", right: example) }
        // Browsers read a name that ends with a number as an IPv4 address, and write that in one form only.
        if let last = labels.last, last.utf8.allSatisfy({ (0x30...0x39).contains($0) }) || last.hasPrefix("0x") {
            guard !isWildcard, case .v4? = IPAddress(parsing: name.utf8) else {
                throw OriginError(given, "'\(host)' is not an IPv4 address as browsers write it")
            }
        }
        guard !isWildcard || labels.count >= 2 else {
            throw OriginError(
                given, "this wildcard would allow everybody under a whole top-level domain",
                right: "https://*.example.com")
        }
    }
}

/// Why an entry of `client.origins` is none.
package struct OriginError: Error, Equatable, CustomStringConvertible {
    package let description: String

    init(_ given: String, _ reason: String, right: String? = nil) {
        description = "'\(given)' is not an origin: \(reason)" + (right.map { "; right would be \($0)" } ?? "")
    }
}

/// A port as a browser writes it.
private struct DecimalPort {
    let value: Int

    init?(_ text: Substring) {
        guard (1...5).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
            text.utf8.first != 0x30, let value = Int(text), value <= 65535
        else { return nil }
        self.value = value
    }
}

extension String {
    /// Where a text stands, without Foundation.
    fileprivate func range(of text: String) -> (lower: String.Index, upper: String.Index)? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return (start, index(start, offsetBy: text.count)) }
            start = index(after: start)
        }
        return nil
    }
}
