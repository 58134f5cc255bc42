internal import Foundation

/// Where keys come from, as it is configured.
package struct KeySource: Equatable, Sendable {
    package enum Location: Equatable, Sendable {
        /// The secret itself, as text; its UTF-8 bytes are the key.
        case secret(String)
        /// The path of one public key in PEM.
        case pem(String)
        /// The path of a JWK set.
        case jwksFile(String)
        /// The address of a JWK set.
        case jwksURL(String)
    }

    package var location: Location
    /// The key id, for a secret and a PEM file. The keys of a JWK set bring theirs.
    package var id: String?
    /// The one algorithm of the key. A secret has HS256 if nothing is said; EC and Ed25519 keys have theirs by their
    /// curve; an RSA key needs it. In a JWK set it is for keys that do not say theirs and fit several.
    package var algorithm: SignatureAlgorithm?
    /// The least time between two fetches of a URL.
    package static let minimumInterval: Duration = .seconds(10)

    /// How often a URL is fetched, 10 s or more apart.
    package var interval: Duration
    /// Whether `http:` is accepted beyond the loopback.
    package var allowsPlainHTTP: Bool

    package init(
        _ location: Location, id: String? = nil, algorithm: SignatureAlgorithm? = nil,
        interval: Duration = .seconds(600), allowsPlainHTTP: Bool = false
    ) {
        self.location = location
        self.id = id
        self.algorithm = algorithm
        self.interval = interval
        self.allowsPlainHTTP = allowsPlainHTTP
    }

    /// What it is, without what is secret.
    package var place: String {
        switch location {
        case .secret: id.map { "secret \"\($0)\"" } ?? "secret"
        case .pem(let path): "PEM file \(path)"
        case .jwksFile(let path): "JWKS file \(path)"
        // A query may hold a secret, and the user part does.
        case .jwksURL(let text):
            "JWKS URL " + (URLComponents(string: text).map { "\($0.scheme ?? "")://\($0.host ?? "")\($0.path)" } ?? "")
        }
    }

    /// The keys of all that is here already, in their order, and what a JWK set held that cannot be used. URLs give
    /// none: they are fetched later.
    ///
    /// - Throws: What an operator has to mend before the node starts.
    package func load() throws(KeyError) -> (keys: [VerificationKey], problems: [KeyError]) {
        switch location {
        case .secret(let text):
            let key = try VerificationKey(
                secret: Array(text.utf8), id: id, algorithm: algorithm ?? .hs256, place: place)
            return ([key], [])
        case .pem(let path):
            let text = String(decoding: try Self.contents(of: path, place: place), as: UTF8.self)
            return ([try VerificationKey(publicPEM: text, id: id, algorithm: algorithm, place: place)], [])
        case .jwksFile(let path):
            let set = try JWKSet(
                parsing: Self.contents(of: path, place: place), place: place, algorithm: algorithm,
                acceptsSecrets: true)
            guard !set.keys.isEmpty else { throw set.problems.first ?? KeyError(place, .noUsableKey) }
            return (set.keys, set.problems)
        case .jwksURL(let text):
            try checkURL(text)
            return ([], [])
        }
    }

    private func checkURL(_ text: String) throws(KeyError) {
        guard let url = URLComponents(string: text), let host = url.host, !host.isEmpty, url.user == nil,
            url.password == nil, url.scheme == "https" || url.scheme == "http"
        else { throw KeyError(place, .badURL) }
        let isLoopback = ["localhost", "127.0.0.1", "::1", "[::1]"].contains(host)
        guard interval >= Self.minimumInterval else { throw KeyError(place, .interval) }
        guard url.scheme == "https" || isLoopback || allowsPlainHTTP else { throw KeyError(place, .plainHTTP) }
    }

    /// A file of at most `JWKSet.maximumBytes`.
    private static func contents(of path: String, place: String) throws(KeyError) -> [UInt8] {
        let data: Data
        do {
            let file = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
            defer { try? file.close() }
            data = try file.read(upToCount: JWKSet.maximumBytes + 1) ?? Data()
        } catch {
            throw KeyError(place, .unreadable(error.localizedDescription))
        }
        guard data.count <= JWKSet.maximumBytes else { throw KeyError(place, .fileTooLarge) }
        return Array(data)
    }
}
