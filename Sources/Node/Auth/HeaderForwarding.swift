package import Codec

/// Which headers of a request the application gets to see, and from whom.
///
/// Nearly all of them are what the client says. Some are what a proxy in front of the node says about the client: those
/// are passed on only when the connection comes from a proxy that the configuration names, because otherwise any client
/// could write them.
package struct HeaderForwarding: Equatable, Sendable {
    /// In lower case.
    package var names: Set<String>
    /// HTTP proxies in front of the node, whose word about the client counts.
    package var proxies: [AddressRange]

    /// What is passed on unless the configuration says otherwise.
    package static let defaultNames: Set<String> = [
        "authorization", "cookie", "origin", "user-agent", "x-request-id", "x-real-ip", "x-forwarded-for",
    ]
    /// What browsers add to a request by themselves, whichever page it is that asks.
    package static let ambient = ["authorization", "cookie"]
    /// Headers of the connection and not of the client (RFC 9110 7.6.1), and those of the handshake: they say nothing about
    /// who it is.
    package static let hopByHop: Set<String> = [
        "connection", "content-length", "keep-alive", "proxy-authenticate", "proxy-authorization",
        "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "sec-websocket-extensions",
        "sec-websocket-key", "sec-websocket-protocol", "sec-websocket-version",
    ]

    package init(names: Set<String> = defaultNames, proxies: [AddressRange] = []) {
        self.names = names
        self.proxies = proxies
    }

    /// Whether a header says who is behind a proxy: `Forwarded` (RFC 7239), `X-Forwarded-…`, and what makers of proxies and
    /// delivery networks call it.
    package static func isClaimOfProxy(_ name: String) -> Bool {
        name.hasPrefix("x-forwarded-") || proxyNames.contains(name)
    }

    private static let proxyNames: Set<String> = [
        "forwarded", "x-forwarded", "forwarded-for", "via", "x-real-ip", "x-client-ip", "client-ip", "true-client-ip",
        "x-cluster-client-ip", "x-original-forwarded-for", "x-original-host", "x-original-url", "x-rewrite-url",
        "cf-connecting-ip", "cf-connecting-ipv6", "cf-ipcountry", "fastly-client-ip", "fly-client-ip",
        "x-appengine-user-ip", "x-azure-clientip", "x-envoy-external-address", "x-remote-ip", "x-remote-addr",
        "x-remote-user", "remote-user", "x-ssl-client-cert", "x-ssl-client-verify", "x-client-cert", "ssl-client-cert",
    ]

    /// What is passed on of headers that a client gives with its `connect` because it cannot set them: each name once, the
    /// first one. Never the page's origin, which is a browser's to say, and nothing that a proxy says.
    package func emulated(_ given: [(name: String, value: String)]) -> [(name: String, value: String)] {
        var seen: Set<String> = []
        return given.filter { header in
            names.contains(header.name) && header.name != "origin" && !Self.isClaimOfProxy(header.name)
                && seen.insert(header.name).inserted
        }
    }

    /// What is passed on of a request: each name once, in the order in which they came.
    ///
    /// - Parameter peer: Who sent the request to the node, or for whom a PROXY header spoke; nil for a Unix socket.
    package func headers(of head: RequestHead, from peer: IPAddress?) -> [(name: String, value: String)] {
        let isProxy = peer.map { peer in proxies.contains { $0.contains(peer) } } ?? false
        var headers: [(name: String, value: String)] = []
        var seen: Set<String> = []
        for field in head.headers where names.contains(field.name) && seen.insert(field.name).inserted {
            guard isProxy || !Self.isClaimOfProxy(field.name), let value = head.joined(field.name) else { continue }
            headers.append((field.name, value))
        }
        return headers
    }
}
