import Backplane
import Reactor

/// `redis://` and `unix://` URLs.
enum RedisURL {
    static func apply(_ text: String, to configuration: inout Configuration) throws(ValueError) {
        let example =
            "right would be redis://127.0.0.1:6379, rediss://user:password@host/0 or unix:///run/redis.sock"
        if text.hasPrefix("unix://") {
            let path = String(text.dropFirst(7))
            guard path.hasPrefix("/"), path.utf8.count <= SocketAddress.maximumPathBytes else {
                throw ValueError(message: "the URL needs an absolute path; \(example)")
            }
            configuration.redis.endpoint = .unix(path: path)
            configuration.redisTLS.isOn = false
            return
        }
        // The URL may hold a password: it is never repeated in an error.
        let isEncrypted = text.hasPrefix("rediss://")
        guard isEncrypted || text.hasPrefix("redis://") else {
            throw ValueError(message: "this is not a Redis URL; \(example)")
        }
        configuration.redisTLS.isOn = isEncrypted
        var rest = text.dropFirst(isEncrypted ? 9 : 8)
        if let at = rest.lastIndex(of: "@") {
            let login = rest[..<at]
            rest = rest[rest.index(after: at)...]
            guard let colon = login.firstIndex(of: ":") else {
                throw ValueError(message: "the URL has a user without a password; \(example)")
            }
            let user = decoded(login[..<colon])
            guard let password = decoded(login[login.index(after: colon)...]) else {
                throw ValueError(message: "the password in the URL is not percent-encoded; \(example)")
            }
            configuration.redis.user = user.flatMap { $0.isEmpty ? nil : $0 }
            configuration.redis.password = password
        }
        if let slash = rest.firstIndex(of: "/") {
            let database = rest[rest.index(after: slash)...]
            rest = rest[..<slash]
            if !database.isEmpty { configuration.redis.database = try Value.number(String(database), 0...65535) }
        }
        do throws(HostAndPort.Objection) {
            let address = try HostAndPort(String(rest), defaultPort: 6379)
            configuration.redis.endpoint = .tcp(host: address.host, port: address.port)
        } catch {
            switch error {
            case .port: throw ValueError(message: "the port in the URL is not 1 to 65535; \(example)")
            case .host: throw ValueError(message: "the URL has no host; \(example)")
            }
        }
    }

    private static func decoded(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var iterator = text.utf8.makeIterator()
        while let byte = iterator.next() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = iterator.next(), let low = iterator.next(),
                let value = UInt8(String(decoding: [high, low], as: UTF8.self), radix: 16)
            else { return nil }
            bytes.append(value)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}
