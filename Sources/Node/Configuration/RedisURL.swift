package import Backplane
import Reactor

/// What a `redis://`, `rediss://` or `unix://` URL says. A part that it does not have is nil; the keys of
/// `backplane.redis` say it then.
package struct RedisURL: Equatable, Sendable {
    package let endpoint: RedisConfiguration.Endpoint
    /// `rediss://`
    package let isEncrypted: Bool
    package private(set) var user: String?
    package private(set) var password: String?
    package private(set) var database: Int?

    private static let example =
        "right would be redis://127.0.0.1:6379, rediss://user:password@host/0 or unix:///run/redis.sock"

    /// The URL may hold a password: an error never repeats any of it.
    init(_ text: String) throws(ValueError) {
        if text.hasPrefix("unix://") {
            let path = String(text.dropFirst(7))
            guard path.hasPrefix("/"), path.utf8.count <= SocketAddress.maximumPathBytes else {
                throw ValueError(message: "the URL needs an absolute path; \(Self.example)")
            }
            endpoint = .unix(path: path)
            isEncrypted = false
            return
        }
        isEncrypted = text.hasPrefix("rediss://")
        guard isEncrypted || text.hasPrefix("redis://") else {
            throw ValueError(message: "this is not a Redis URL; \(Self.example)")
        }
        var rest = text.dropFirst(isEncrypted ? 9 : 8)
        var login: Substring?
        if let at = rest.lastIndex(of: "@") {
            login = rest[..<at]
            rest = rest[rest.index(after: at)...]
        }
        if let slash = rest.firstIndex(of: "/") {
            let digits = rest[rest.index(after: slash)...]
            rest = rest[..<slash]
            if !digits.isEmpty { database = try Value.number(String(digits), 0...65535) }
        }
        do throws(HostAndPort.Objection) {
            let address = try HostAndPort(String(rest), defaultPort: 6379)
            endpoint = .tcp(host: address.host, port: address.port)
        } catch {
            switch error {
            case .port: throw ValueError(message: "the port in the URL is not 1 to 65535; \(Self.example)")
            case .host: throw ValueError(message: "the URL has no host; \(Self.example)")
            }
        }
        guard let login else { return }
        guard let colon = login.firstIndex(of: ":") else {
            throw ValueError(message: "the URL has a user without a password; \(Self.example)")
        }
        guard let user = Self.decoded(login[..<colon]) else {
            throw ValueError(message: "the user in the URL is not percent-encoded UTF-8; \(Self.example)")
        }
        guard let password = Self.decoded(login[login.index(after: colon)...]) else {
            throw ValueError(message: "the password in the URL is not percent-encoded UTF-8; \(Self.example)")
        }
        guard !password.isEmpty else {
            throw ValueError(message: "the password in the URL is empty; \(Self.example)")
        }
        self.user = user.isEmpty ? nil : user
        self.password = password
    }

    /// The text with `%41` replaced by the byte it stands for; nil when a `%` has no two hexadecimal digits behind it, or
    /// the bytes are not UTF-8.
    private static func decoded(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var iterator = text.utf8.makeIterator()
        while let byte = iterator.next() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = iterator.next().flatMap(digit), let low = iterator.next().flatMap(digit) else {
                return nil
            }
            bytes.append(high << 4 | low)
        }
        return String(validating: bytes, as: UTF8.self)
    }

    /// A hexadecimal digit's value.
    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}

extension Configuration {
    /// Takes from the URL what no key of `backplane.redis` says. A URL that replaces another one leaves nothing of it.
    mutating func resolveRedisURL() {
        if !redisShards.isEmpty { redisTLS.isOn = redisShards.contains(where: \.server.isEncrypted) }
        if !redis.cluster.isEmpty { redisTLS.isOn = redisTLS.isEnabled ?? false }
        guard let url = redisURL else { return }
        redis.endpoint = url.endpoint
        redisTLS.isOn = url.isEncrypted
        if given["backplane.redis.user"] == nil { redis.user = url.user }
        if given["backplane.redis.password"] == nil { redis.password = url.password }
        if given["backplane.redis.database"] == nil { redis.database = url.database ?? 0 }
    }
}
