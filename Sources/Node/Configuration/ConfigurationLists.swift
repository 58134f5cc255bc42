import Authentication
import Backplane
import Codec
import Reactor
import Yams

/// The keys that hold lists.
extension ConfigurationReader {
    mutating func readList(_ node: Node, _ path: String) {
        switch path {
        case "channels": readRules(node)
        case "client.origins": readOrigins(node)
        case "client.proxy_protocol.trusted": readRanges(node, path)
        case "auth.keys": readKeys(node)
        case "backplane.redis.sentinels": readSentinels(node, path)
        case "auth.audiences": configuration.authAudiences = readTexts(node, path)
        default: configuration.authIssuers = readTexts(node, path)
        }
    }

    private mutating func readTexts(_ node: Node, _ path: String) -> [String] {
        guard case .sequence(let sequence) = node else {
            report("'\(path)' has to be a list, not \(Self.kind(of: node))", at: node.mark)
            return []
        }
        return sequence.compactMap { scalar($0, "an entry of '\(path)'", "text") }
    }

    private mutating func readRanges(_ node: Node, _ path: String) {
        guard case .sequence(let sequence) = node else {
            return report("'\(path)' has to be a list, not \(Self.kind(of: node))", at: node.mark)
        }
        for entry in sequence {
            guard let text = scalar(entry, "an entry of '\(path)'", "address or range") else { continue }
            do {
                configuration.proxy.trusted.append(try AddressRange(parsing: text))
            } catch {
                report("'\(path)': \(error)", at: entry.mark)
            }
        }
    }

    private mutating func readSentinels(_ node: Node, _ path: String) {
        for text in readTexts(node, path) {
            do {
                configuration.redisSentinel.addresses.append(try HostAndPort(text, defaultPort: 26379))
            } catch {
                report("'\(path)': '\(text)' is not possible here; right would be sentinel-1:26379", at: node.mark)
            }
        }
        if configuration.redisSentinel.addresses.count > SentinelConfiguration.maximum {
            report("'\(path)' names more than \(SentinelConfiguration.maximum) sentinels", at: node.mark)
        }
    }

    // MARK: Keys of tokens

    private static let keyKeys = [
        "secret", "file", "jwks_file", "jwks_url", "id", "algorithm", "refresh", "allow_http",
    ]

    private mutating func readKeys(_ node: Node) {
        guard case .sequence(let sequence) = node else {
            return report("'auth.keys' has to be a list of keys, not \(Self.kind(of: node))", at: node.mark)
        }
        for entry in sequence { readKey(entry) }
    }

    private mutating func readKey(_ node: Node) {
        guard case .mapping(let mapping) = node else {
            return report(
                "a key has to be a mapping, as in { file: /etc/carillon/issuer.pem }, not \(Self.kind(of: node))",
                at: node.mark)
        }
        var source = KeySource(.secret(""))
        var locations = 0
        for (keyNode, value) in mapping {
            let key = keyNode.string ?? ""
            guard Self.keyKeys.contains(key) else {
                report(unknown("key", key, nearest: Self.keyKeys), at: keyNode.mark)
                continue
            }
            guard let text = scalar(value, "'\(key)'", "text") else { continue }
            do throws(ValueError) {
                switch key {
                case "id": source.id = text
                case "algorithm":
                    guard let algorithm = SignatureAlgorithm(name: text) else {
                        let names = SignatureAlgorithm.allCases.map(\.rawValue).joined(separator: ", ")
                        throw ValueError(message: "'\(text)' is not possible here; right would be \(names)")
                    }
                    source.algorithm = algorithm
                case "refresh": source.interval = try Value.duration(text, .seconds(10)...(.seconds(86_400)))
                case "allow_http": source.allowsPlainHTTP = try Value.flag(text)
                default:
                    locations += 1
                    source.location = Self.location(key, text)
                }
            } catch {
                report("'\(key)': \(error.message)", at: value.mark)
            }
        }
        guard locations == 1 else {
            return report("say once where the key is: secret, file, jwks_file or jwks_url", at: node.mark)
        }
        configuration.authKeys.append(source)
    }

    private static func location(_ key: String, _ text: String) -> KeySource.Location {
        switch key {
        case "secret": .secret(text)
        case "file": .pem(text)
        case "jwks_file": .jwksFile(text)
        default: .jwksURL(text)
        }
    }

    // MARK: Origins and rules

    mutating func readOrigins(_ node: Node) {
        guard case .sequence(let sequence) = node else {
            return report("'client.origins' has to be a list, not \(Self.kind(of: node))", at: node.mark)
        }
        var origins: Set<String> = []
        for entry in sequence {
            guard let text = scalar(entry, "an entry of 'client.origins'", "scheme://host[:port] or *") else {
                continue
            }
            if text == "*" {
                configuration.origins = .any
                return
            }
            let parts = text.lowercased().split(separator: "/", omittingEmptySubsequences: false)
            guard parts.count == 3, ["http:", "https:"].contains(parts[0]), parts[1].isEmpty, !parts[2].isEmpty else {
                report("'\(text)' is not an origin; right would be https://app.example.com", at: entry.mark)
                continue
            }
            origins.insert(text.lowercased())
        }
        configuration.origins = .listed(origins)
    }

    mutating func readRules(_ node: Node) {
        guard case .sequence(let sequence) = node else {
            return report("'channels' has to be a list of rules, not \(Self.kind(of: node))", at: node.mark)
        }
        for entry in sequence { readRule(entry) }
    }

    mutating func readRule(_ node: Node) {
        guard case .mapping(let mapping) = node else {
            return report(
                "a rule has to be a mapping, as in { match: \"chat:*\", publish: client }, not \(Self.kind(of: node))",
                at: node.mark)
        }
        var rule = ChannelRule(match: ChannelPattern(""))
        var hasMatch = false
        for (keyNode, value) in mapping {
            let key = keyNode.string ?? ""
            guard ConfigurationKey.ruleKeys.contains(key) else {
                reportUnknownRuleKey(key, at: keyNode.mark)
                continue
            }
            if key == "history" {
                rule.history = readHistory(value)
                continue
            }
            if key == "presence" {
                rule.presence = readPresence(value)
                continue
            }
            guard let text = scalar(value, "'\(key)'", "text") else { continue }
            do throws(ValueError) {
                switch key {
                case "match":
                    rule.match = ChannelPattern(text)
                    hasMatch = true
                case "subscribe": rule.subscribe = try Value.choice(text)
                case "publish": rule.publish = try Value.choice(text)
                case "cache": rule.isCache = try Value.flag(text)
                default: rule.slow = try Value.choice(text)
                }
            } catch {
                report("'\(key)': \(error.message)", at: value.mark)
            }
        }
        if !hasMatch { report("the rule does not say which channels it is for: add match: \"…\"", at: node.mark) }
        if rule.isCache, rule.history == nil {
            report("'cache: true' needs something to remember: add history: { size: 1, ttl: 1h }", at: node.mark)
        }
        configuration.channels.append(rule)
    }

    private mutating func readHistory(_ node: Node) -> HistorySettings? {
        guard case .mapping(let mapping) = node else {
            report(
                "'history' has to be a mapping, as in { size: 100, ttl: 10m }, not \(Self.kind(of: node))",
                at: node.mark)
            return nil
        }
        var size: Int?
        var timeToLive: Duration?
        for (keyNode, value) in mapping {
            let key = keyNode.string ?? ""
            guard ConfigurationKey.historyKeys.contains(key) else {
                report(unknown("key", key, nearest: ConfigurationKey.historyKeys), at: keyNode.mark)
                continue
            }
            guard let text = scalar(value, "'\(key)'", "text") else { continue }
            do throws(ValueError) {
                if key == "size" {
                    size = try Value.number(text, 1...100_000)
                } else {
                    timeToLive = try Value.duration(text, .seconds(1)...(.seconds(30 * 86_400)))
                }
            } catch {
                report("'\(key)': \(error.message)", at: value.mark)
            }
        }
        guard let size, let timeToLive else {
            report("'history' needs size and ttl, as in { size: 100, ttl: 10m }", at: node.mark)
            return nil
        }
        return HistorySettings(size: size, timeToLive: Int64(timeToLive.wholeNanoseconds / 1_000_000))
    }

    /// `true`, `false`, or a mapping, which says how.
    private mutating func readPresence(_ node: Node) -> PresenceSettings? {
        var settings = PresenceSettings(announces: false, grace: Self.presenceGrace)
        guard case .mapping(let mapping) = node else {
            guard let text = scalar(node, "'presence'", "true, false, or { join_leave: true, grace: 5s }") else {
                return nil
            }
            do throws(ValueError) {
                return try Value.flag(text) ? settings : nil
            } catch {
                report("'presence': \(error.message)", at: node.mark)
                return nil
            }
        }
        for (keyNode, value) in mapping {
            let key = keyNode.string ?? ""
            guard ConfigurationKey.presenceKeys.contains(key) else {
                report(unknown("key", key, nearest: ConfigurationKey.presenceKeys), at: keyNode.mark)
                continue
            }
            guard let text = scalar(value, "'\(key)'", "text") else { continue }
            do throws(ValueError) {
                if key == "join_leave" {
                    settings.announces = try Value.flag(text)
                } else {
                    let grace = try Value.duration(text, .zero...(.seconds(60)))
                    settings.grace = Int64(grace.wholeNanoseconds / 1_000_000)
                }
            } catch {
                report("'\(key)': \(error.message)", at: value.mark)
            }
        }
        return settings
    }

    /// How long a member may take to come back, in milliseconds, unless the rule says otherwise.
    private static var presenceGrace: Int64 { 5000 }

    mutating func reportUnknownRuleKey(_ key: String, at mark: Mark?) {
        report(unknown("key", key, nearest: ConfigurationKey.ruleKeys), at: mark)
    }

    static func kind(of node: Node) -> String {
        switch node {
        case .scalar: "one value"
        case .mapping: "a mapping"
        case .sequence: "a list"
        case .alias: "an alias"
        }
    }
}
