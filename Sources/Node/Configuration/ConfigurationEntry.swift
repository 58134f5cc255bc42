import Authentication
import Codec
import Reactor

/// The value of one key, so that it can be shown and compared, by whoever may not see secrets too.
package struct ConfigurationEntry: Codable, Equatable, Sendable {
    package let key: String
    /// What may be shown of it.
    package let shown: String
    /// Equal where the values are: the value in one way of writing, or a digest of a secret (`TextDigest.keyed`).
    package let match: String
}

extension Configuration {
    /// All keys, in the order of the documentation.
    ///
    /// - Parameter nonce: The key of the digests of secrets. Entries made with different ones cannot be compared.
    package func entries(nonce: [UInt8]) -> [ConfigurationEntry] {
        effective.map { path, shown in
            guard let key = ConfigurationKey.byPath[path] else {
                let secret: String? =
                    switch path {
                    case "auth.keys": authKeysText
                    case "hubs": hubsText
                    case "channels": hooksText
                    case "webhooks": webhooksText
                    default: nil
                    }
                let match = secret.map { TextDigest.keyed(by: nonce, $0) } ?? shown
                return ConfigurationEntry(key: path, shown: shown, match: match)
            }
            let text = given[path] ?? key.defaultText
            guard key.isSecret else {
                return ConfigurationEntry(key: path, shown: shown, match: key.canonical(text))
            }
            return ConfigurationEntry(key: path, shown: shown, match: TextDigest.keyed(by: nonce, text))
        }
    }

    /// Everything that is configured of the keys of tokens, secrets too. Each part begins with its length, so that no two lists have
    /// the same text.
    private var authKeysText: String {
        authKeys.flatMap { source -> [String] in
            let (kind, value) =
                switch source.location {
                case .secret(let text): ("secret", text)
                case .secretFile(let path): ("secret_file", path)
                case .pem(let path): ("file", path)
                case .jwksFile(let path): ("jwks_file", path)
                case .jwksURL(let url): ("jwks_url", url)
                }
            return [
                kind, value, source.id.map { "id \($0)" } ?? "", source.algorithm?.rawValue ?? "", "\(source.interval)",
                "\(source.allowsPlainHTTP)",
            ]
        }.map { "\($0.utf8.count):\($0)" }.joined()
    }

    /// Everything that is configured of channels, with the URLs of hooks; nil where there are none, and nothing is secret.
    private var hooksText: String? {
        guard channels.contains(where: { $0.publishHook != nil || $0.subscribeHook != nil }) else { return nil }
        return channels.flatMap { [$0.text, $0.publishHook ?? "", $0.subscribeHook ?? ""] }
            .map { "\($0.utf8.count):\($0)" }.joined()
    }

    /// Everything that is configured of webhooks, their secrets too.
    private var webhooksText: String {
        webhooks.flatMap { [$0.text, $0.url.text] + $0.secrets }.map { "\($0.utf8.count):\($0)" }.joined()
    }

    /// Everything that is configured of hubs, their keys too.
    private var hubsText: String {
        hubs.flatMap { hub in [hub.text, hub.upstream ?? ""] + hub.keys.map { String(decoding: $0, as: UTF8.self) } }
            .map { "\($0.utf8.count):\($0)" }.joined()
    }
}

extension ConfigurationKey {
    /// A value in one way of writing: `64KiB` and `65536` are the same.
    fileprivate func canonical(_ text: String) -> String {
        switch type {
        case "size": (try? Value.size(text, 0...Int.max)).map { "\($0)" } ?? text
        case "number": Int(text).map { "\($0)" } ?? text
        case "duration":
            (try? Value.duration(text, .zero...(.seconds(Int64.max / 4)))).map { "\($0.wholeNanoseconds) ns" } ?? text
        case "true | false": (try? Value.flag(text)).map { "\($0)" } ?? text
        default: takesSeveral ? Value.commaSeparated(text).joined(separator: ", ") : text
        }
    }
}
