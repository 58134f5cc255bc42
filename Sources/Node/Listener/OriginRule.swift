package import Codec

/// Which web pages may connect (RFC 6455 10.2): a browser names the page's origin, and anything else may say what it
/// likes, so this protects users of browsers and nobody else.
package enum OriginRule: Equatable, Sendable {
    /// The origin's host and port are those of the request's `Host`. The default.
    case sameHost
    /// Any page may.
    case any
    /// Exactly these, as `scheme://host[:port]`, lower case.
    case listed(Set<String>)

    /// Whether a request may go on. One without an origin did not come from a page.
    package func allows(_ head: RequestHead) -> Bool {
        let origins = head.headers.filter { $0.name == "origin" }
        guard let origin = origins.first?.value else { return true }
        guard origins.count == 1 else { return false }
        switch self {
        case .any: return true
        case .listed(let allowed): return allowed.contains(origin.lowercased())
        case .sameHost:
            guard let host = head.header("host") else { return false }
            for scheme in ["http", "https"] where origin.lowercased().hasPrefix("\(scheme)://") {
                let port = scheme == "http" ? ":80" : ":443"
                let named = Self.withoutDefault(String(origin.lowercased().dropFirst(scheme.count + 3)), port)
                return named == Self.withoutDefault(host.lowercased(), port)
            }
            return false
        }
    }

    private static func withoutDefault(_ authority: String, _ port: String) -> String {
        authority.hasSuffix(port) ? String(authority.dropLast(port.count)) : authority
    }
}
