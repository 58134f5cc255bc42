package import Codec

/// Which web pages may connect (RFC 6455 10.2): a browser names the page's origin, and anything else may say what it
/// likes, so this protects users of browsers and nobody else.
package enum OriginRule: Equatable, Sendable {
    /// The origin's host and port are those of the request's `Host`. The default.
    case sameHost
    /// Any page may.
    case any
    /// Exactly these, as `OriginPattern` writes them. The host of the request is not among them unless it is listed: whoever
    /// lists origins does not want to trust what a request says about the host (DNS rebinding).
    case listed(Set<String>)

    /// Longer origins are none.
    private static let maximumBytes = 512

    /// Whether a request may go on. One without an origin did not come from a page.
    package func allows(_ head: RequestHead) -> Bool {
        let origins = head.headers.filter { $0.name == "origin" }
        guard let given = origins.first?.value else { return true }
        guard origins.count == 1 else { return false }
        switch self {
        case .any: return true
        case .listed(let allowed):
            // Browsers write other characters as `xn--…`; some of those others compare equal to ASCII.
            guard given.utf8.count <= Self.maximumBytes, given.utf8.allSatisfy({ $0 < 0x80 }) else { return false }
            let origin = given.lowercased()
            return allowed.contains(origin) || Self.wildcards(for: origin).contains { allowed.contains($0) }
        case .sameHost:
            guard let host = head.header("host") else { return false }
            for scheme in ["http", "https"] where given.lowercased().hasPrefix("\(scheme)://") {
                let port = scheme == "http" ? ":80" : ":443"
                let named = Self.withoutDefault(String(given.lowercased().dropFirst(scheme.count + 3)), port)
                return named == Self.withoutDefault(host.lowercased(), port)
            }
            return false
        }
    }

    /// The patterns that match an origin: `https://*.example.com` and `https://*.com` for `https://app.example.com`.
    private static func wildcards(for origin: String) -> [String] {
        guard origin.hasPrefix("http://") || origin.hasPrefix("https://") else { return [] }
        let parts = origin.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[2].utf8.allSatisfy({ OriginPattern.isNameByte($0) || $0 == UInt8(ascii: ":") })
        else {
            return []
        }
        var patterns: [String] = []
        var rest = parts[2]
        while let dot = rest.firstIndex(of: "."), patterns.count < 128 {
            // What is in front of the dot has to be a label.
            guard dot != rest.startIndex else { return [] }
            rest = rest[rest.index(after: dot)...]
            patterns.append("\(parts[0])//*.\(rest)")
        }
        return patterns
    }

    private static func withoutDefault(_ authority: String, _ port: String) -> String {
        authority.hasSuffix(port) ? String(authority.dropLast(port.count)) : authority
    }

    /// What a page that asks may read of the answer; nil when no page asks, or one that may not.
    package func crossOrigin(_ head: RequestHead) -> CrossOrigin? {
        guard let origin = head.header("origin"), allows(head) else { return nil }
        return CrossOrigin(origin: self == .any ? nil : origin)
    }

    /// The refusal of a page, with what an operator would have to change.
    package func refusal(of head: RequestHead) -> HTTPError {
        let origin = head.headers.filter { $0.name == "origin" }.map(\.value).joined(separator: ", ").prefix(128)
        let reason =
            switch self {
            case .sameHost, .any:
                "is not from the host of the request: pages of other hosts have to be in client.origins"
            case .listed:
                "is not in client.origins"
            }
        return HTTPError(
            status: 403, code: "origin_not_allowed", message: "this origin is not allowed here: '\(origin)' \(reason)")
    }
}

/// What a page of another origin may read of an answer (WHATWG Fetch 3.2, CORS).
package struct CrossOrigin: Equatable, Sendable {
    /// Nil: any page may, but not with cookies, because any page could then use a visitor's.
    let origin: String?

    /// The parser refuses control bytes in an origin.
    package var headers: [(String, String)] {
        let exposed = ("Access-Control-Expose-Headers", "Retry-After, WWW-Authenticate")
        guard let origin else { return [("Access-Control-Allow-Origin", "*"), exposed] }
        return [
            ("Access-Control-Allow-Origin", origin), ("Access-Control-Allow-Credentials", "true"), exposed,
            ("Vary", "Origin"),
        ]
    }

    /// What the answer to a preflight says besides.
    ///
    /// - Parameters:
    ///   - methods: Those of the path.
    ///   - requested: The headers the page wants to send, as the browser lists them. Pages that may connect may send
    ///   any; what is not looked at does nothing.
    package static func preflight(methods: [String], requested: String?) -> [(String, String)] {
        [("Access-Control-Allow-Methods", methods.joined(separator: ", ")), ("Access-Control-Max-Age", "600")]
            + (requested.map { [("Access-Control-Allow-Headers", $0)] } ?? [])
    }
}
