import Files
internal import Foundation

/// Where keys come from, as it is configured.
package struct KeySource: Equatable, Sendable {
    package enum Location: Equatable, Sendable {
        /// The secret itself, as text; its UTF-8 bytes are the key, without a line break at the end.
        case secret(String)
        /// The path of a file that holds a secret and nothing else; its bytes are the key, without a line break at the end.
        case secretFile(String)
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
    package var origin: String {
        switch location {
        case .secret: id.map { "secret \"\($0)\"" } ?? "secret"
        case .secretFile(let path): "secret file \(path)"
        case .pem(let path): "PEM file \(path)"
        case .jwksFile(let path): "JWKS file \(path)"
        // A query may hold a secret, and the user part does.
        case .jwksURL(let text):
            "JWKS URL " + (URLComponents(string: text).map { "\($0.scheme ?? "")://\($0.host ?? "")\($0.path)" } ?? "")
        }
    }

    /// What all nodes of a cluster should have alike of it: neither what is secret nor where it lies on a machine.
    package var kind: String {
        let kind =
            switch location {
            case .secret: "secret"
            case .secretFile: "secret file"
            case .pem: "PEM file"
            case .jwksFile: "JWKS file"
            case .jwksURL: origin
            }
        return kind + (id.map { " \"\($0)\"" } ?? "") + (algorithm.map { " (\($0.rawValue))" } ?? "")
    }

    /// The keys of all that is here already, in their order, and what a JWK set held that cannot be used. URLs give
    /// none: they are fetched later.
    ///
    /// - Throws: What an operator has to mend before the node starts.
    package func load() throws(KeyError) -> (keys: [VerificationKey], problems: [KeyError]) {
        switch location {
        case .secret(let text):
            return ([try secretKey(Self.withoutLineBreak(Array(text.utf8)))], [])
        case .secretFile(let path):
            return ([try secretKey(Self.secret(inFile: path, origin: origin))], [])
        case .pem(let path):
            let text = String(decoding: try Self.contents(of: path, origin: origin), as: UTF8.self)
            return ([try VerificationKey(publicPEM: text, id: id, algorithm: algorithm, origin: origin)], [])
        case .jwksFile(let path):
            let set = try JWKSet(
                parsing: Self.contents(of: path, origin: origin), origin: origin, algorithm: algorithm,
                acceptsSecrets: true)
            guard !set.keys.isEmpty else { throw set.problems.first ?? KeyError(origin, .noUsableKey) }
            return (set.keys, set.problems)
        case .jwksURL(let text):
            try checkURL(text)
            return ([], [])
        }
    }

    private func secretKey(_ secret: [UInt8]) throws(KeyError) -> VerificationKey {
        try VerificationKey(secret: secret, id: id, algorithm: algorithm ?? .hs256, origin: origin)
    }

    /// The secret in a file, for nodes that verify with it and programs that sign with it: both have to read a file alike.
    ///
    /// - Throws: That the file cannot be read, or is larger than `JWKSet.maximumBytes`.
    package static func secret(inFile path: String, origin: String) throws(KeyError) -> [UInt8] {
        withoutLineBreak(try contents(of: path, origin: origin))
    }

    /// Editors and shells end a file with a line break; it is not part of a secret.
    package static func withoutLineBreak(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        if bytes.last == UInt8(ascii: "\n") {
            bytes.removeLast()
            if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
        }
        return bytes
    }

    /// Everything that is wrong with the keys of a configuration: `errors` keep a node from starting, `warnings` say which
    /// key of a JWK set is left out. Nothing is fetched.
    package static func inspect(_ sources: [KeySource]) -> (errors: [KeyError], warnings: [KeyError]) {
        var errors: [KeyError] = []
        var warnings: [KeyError] = []
        var keys: [VerificationKey] = []
        for source in sources {
            do throws(KeyError) {
                let loaded = try source.load()
                keys += loaded.keys
                warnings += loaded.problems
            } catch {
                errors.append(error)
            }
        }
        return (errors + KeySet(keys).problems, warnings)
    }

    private func checkURL(_ text: String) throws(KeyError) {
        guard let url = URLComponents(string: text), let host = url.host, !host.isEmpty, url.user == nil,
            url.password == nil, url.scheme == "https" || url.scheme == "http"
        else { throw KeyError(origin, .badURL) }
        let isLoopback = ["localhost", "127.0.0.1", "::1", "[::1]"].contains(host)
        guard interval >= Self.minimumInterval else { throw KeyError(origin, .interval) }
        guard url.scheme == "https" || isLoopback || allowsPlainHTTP else { throw KeyError(origin, .plainHTTP) }
    }

    /// A regular file of at most `JWKSet.maximumBytes`.
    private static func contents(of path: String, origin: String) throws(KeyError) -> [UInt8] {
        do throws(FileError) {
            return try FileContents.of(path, limit: JWKSet.maximumBytes)
        } catch {
            if case .tooLarge = error { throw KeyError(origin, .fileTooLarge) }
            throw KeyError(origin, .unreadable("\(error)"))
        }
    }
}
