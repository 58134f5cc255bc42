import Authentication
import Backplane
import Codec
import Reactor
import Yams

/// The keys that hold lists.
extension Configuration {
    /// Takes everything out of a list, so that another one can replace it.
    mutating func clearList(_ path: String) {
        switch path {
        case "channels": channels = []
        case "hubs": hubs = []
        case "webhooks": webhooks = []
        case "client.origins": origins = .sameHost
        case "client.proxy_protocol.trusted": proxy.trusted = []
        case "auth.connect_hook.proxies": connectHookForwarding.proxies = []
        case "auth.connect_hook.forward": connectHookForwarding.names = []
        case "auth.keys": authKeys = []
        case "backplane.redis.sentinels": redisSentinel.addresses = []
        case "backplane.redis.shards": redisShards = []
        case "backplane.redis.leaving": redis.leaving = []
        case "backplane.redis.cluster": redis.cluster = []
        case "auth.audiences": authAudiences = []
        default: authIssuers = []
        }
    }

    /// Takes a list as another configuration has it.
    mutating func takeList(_ path: String, from other: Configuration) {
        switch path {
        case "channels": channels = other.channels
        case "hubs": hubs = other.hubs
        case "webhooks": webhooks = other.webhooks
        case "client.origins": origins = other.origins
        case "client.proxy_protocol.trusted": proxy.trusted = other.proxy.trusted
        case "auth.connect_hook.proxies": connectHookForwarding.proxies = other.connectHookForwarding.proxies
        case "auth.connect_hook.forward": connectHookForwarding.names = other.connectHookForwarding.names
        case "auth.keys": authKeys = other.authKeys
        case "backplane.redis.sentinels": redisSentinel.addresses = other.redisSentinel.addresses
        case "backplane.redis.shards": redisShards = other.redisShards
        case "backplane.redis.leaving": redis.leaving = other.redis.leaving
        case "backplane.redis.cluster": redis.cluster = other.redis.cluster
        case "auth.audiences": authAudiences = other.authAudiences
        default: authIssuers = other.authIssuers
        }
    }
}

extension ConfigurationReader {
    mutating func readList(_ node: Node, _ path: String) {
        switch path {
        case "channels": readRules(node)
        case "hubs": readHubs(node)
        case "webhooks": readWebhooks(node)
        case "client.origins": readOrigins(node)
        case "client.proxy_protocol.trusted": configuration.proxy.trusted += readRanges(node, path)
        case "auth.connect_hook.proxies": configuration.connectHookForwarding.proxies += readRanges(node, path)
        case "auth.connect_hook.forward": readForwarded(node, path)
        case "auth.keys": readKeys(node)
        case "backplane.redis.sentinels": readSentinels(node, path)
        case "backplane.redis.shards": readShards(node, path)
        case "backplane.redis.leaving": configuration.redis.leaving = readTexts(node, path)
        case "backplane.redis.cluster": readCluster(node, path)
        case "auth.audiences": configuration.authAudiences = readTexts(node, path)
        default: configuration.authIssuers = readTexts(node, path)
        }
    }

    /// The entries of a list, none if it is something else.
    ///
    /// - Parameter demand: What to say then: `'hubs' has to be a list of hubs`.
    mutating func entries(of node: Node, _ demand: String) -> [Node] {
        guard case .sequence(let sequence) = node else {
            report("\(demand), not \(Self.kind(of: node))", at: node.mark)
            return []
        }
        return Array(sequence)
    }

    private mutating func readTexts(_ node: Node, _ path: String) -> [String] {
        readEntries(node, path).map(\.text)
    }

    /// Each entry with its place, so that what is wrong with one is said where it is.
    private mutating func readEntries(_ node: Node, _ path: String) -> [(text: String, mark: Mark?)] {
        var found: [(text: String, mark: Mark?)] = []
        for entry in entries(of: node, "'\(path)' has to be a list") {
            guard let text = scalar(entry, "an entry of '\(path)'", "text") else { continue }
            if found.contains(where: { $0.text == text }) {
                report("'\(path)': '\(text)' is listed twice", at: entry.mark)
            }
            found.append((text, entry.mark))
        }
        return found
    }

    private mutating func readForwarded(_ node: Node, _ path: String) {
        configuration.connectHookForwarding.names = []
        for (text, mark) in readEntries(node, path) {
            let name = text.lowercased()
            guard FieldName.isOne(name) else {
                report("'\(path)': '\(text)' cannot be the name of a header", at: mark)
                continue
            }
            guard !HeaderForwarding.hopByHop.contains(name) else {
                report("'\(path)': '\(text)' is a header of the connection and cannot be forwarded", at: mark)
                continue
            }
            configuration.connectHookForwarding.names.insert(name)
        }
    }

    private mutating func readRanges(_ node: Node, _ path: String) -> [AddressRange] {
        var ranges: [AddressRange] = []
        for entry in entries(of: node, "'\(path)' has to be a list") {
            guard let text = scalar(entry, "an entry of '\(path)'", "address or range") else { continue }
            do {
                ranges.append(try AddressRange(parsing: text))
            } catch {
                report("'\(path)': \(error)", at: entry.mark)
            }
        }
        return ranges
    }

    private mutating func readSentinels(_ node: Node, _ path: String) {
        for (text, mark) in readEntries(node, path) {
            do {
                configuration.redisSentinel.addresses.append(try HostAndPort(text, defaultPort: 26379))
            } catch {
                report("'\(path)': '\(text)' is not possible here; right would be sentinel-1:26379", at: mark)
            }
        }
        if configuration.redisSentinel.addresses.count > SentinelConfiguration.maximum {
            report("'\(path)' names more than \(SentinelConfiguration.maximum) sentinels", at: node.mark)
        }
    }

    private mutating func readShards(_ node: Node, _ path: String) {
        // Not read as other lists are: an entry may hold a password, and no error repeats it.
        for entry in entries(of: node, "'\(path)' has to be a list") {
            guard let text = scalar(entry, "an entry of '\(path)'", "URL") else { continue }
            do {
                configuration.redisShards.append(try RedisShardURL(text))
            } catch {
                report("'\(path)': \(error.message)", at: entry.mark)
            }
        }
        if configuration.redisShards.count > RedisConfiguration.maximumShards {
            report("'\(path)' lists more than \(RedisConfiguration.maximumShards) servers", at: node.mark)
        }
    }

    private mutating func readCluster(_ node: Node, _ path: String) {
        for (text, mark) in readEntries(node, path) {
            do {
                configuration.redis.cluster.append(try HostAndPort(text, defaultPort: 6379))
            } catch {
                report("'\(path)': '\(text)' is not possible here; right would be redis-1:6379", at: mark)
            }
        }
        if configuration.redis.cluster.count > RedisConfiguration.maximumShards {
            report("'\(path)' lists more than \(RedisConfiguration.maximumShards) addresses", at: node.mark)
        }
    }

    // MARK: Keys of tokens

    private static let keyKeys = [
        "secret", "secret_file", "file", "jwks_file", "jwks_url", "id", "algorithm", "refresh", "allow_http",
    ]

    private static let keyLocations: Set<String> = ["secret", "secret_file", "file", "jwks_file", "jwks_url"]

    private mutating func readKeys(_ node: Node) {
        for entry in entries(of: node, "'auth.keys' has to be a list of keys") { readKey(entry) }
    }

    private mutating func readKey(_ node: Node) {
        guard case .mapping(let mapping) = node else {
            return report(
                "a key has to be a mapping, as in { file: /etc/carillon/issuer.pem }, not \(Self.kind(of: node))",
                at: node.mark)
        }
        var source = KeySource(.secret(""))
        var locations: [String] = []
        var others: [(key: String, mark: Mark?)] = []
        for (keyNode, value) in mapping {
            let key = keyNode.string ?? ""
            guard Self.keyKeys.contains(key) else {
                report(unknown("key", key, nearest: Self.keyKeys), at: keyNode.mark)
                continue
            }
            if Self.keyLocations.contains(key) { locations.append(key) } else { others.append((key, keyNode.mark)) }
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
                default: source.location = Self.location(key, text)
                }
            } catch {
                report("'\(key)': \(error.message)", at: value.mark)
            }
        }
        guard locations.count == 1 else {
            return report(
                "name exactly one source of the key: secret, secret_file, file, jwks_file or jwks_url", at: node.mark)
        }
        for (key, mark) in others {
            if ["refresh", "allow_http"].contains(key), locations != ["jwks_url"] {
                report("'\(key)' has no effect without jwks_url", at: mark)
            }
            if key == "id", locations[0].hasPrefix("jwks") {
                report("'id' has no effect with \(locations[0]): the keys of a JWK set bring their own", at: mark)
            }
        }
        configuration.authKeys.append(source)
    }

    private static func location(_ key: String, _ text: String) -> KeySource.Location {
        switch key {
        case "secret": .secret(text)
        case "secret_file": .secretFile(text)
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
            guard
                let text = scalar(
                    entry, "an entry of 'client.origins'", "scheme://host[:port], https://*.example.com or *")
            else {
                continue
            }
            if text == "*" {
                configuration.origins = .any
                return
            }
            do {
                origins.insert(try OriginPattern(parsing: text).text)
            } catch {
                report("\(error)", at: entry.mark)
            }
        }
        configuration.origins = .listed(origins)
    }

    mutating func readRules(_ node: Node) {
        for entry in entries(of: node, "'channels' has to be a list of rules") { readRule(entry) }
    }

    mutating func readRule(_ node: Node) {
        guard case .mapping(let mapping) = node else {
            return report(
                "a rule has to be a mapping, as in { match: \"chat:*\", publish: client }, not \(Self.kind(of: node))",
                at: node.mark)
        }
        var rule = ChannelRule(match: ChannelPattern(""))
        var hasMatch = false
        let before = problems.count
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
                case "occupancy": rule.isOccupancyKnown = try Value.flag(text)
                case "delta": rule.delta = try Value.choice(text)
                case "filters": rule.allowsFilters = try Value.flag(text)
                case "publish_hook": rule.publishHook = try Value.url(text)
                case "subscribe_hook": rule.subscribeHook = try Value.url(text)
                default: rule.slow = try Value.choice(text)
                }
            } catch {
                report("'\(key)': \(error.message)", at: value.mark)
            }
        }
        if !hasMatch { report("the rule has no match: add match: \"…\"", at: node.mark) }
        if rule.isCache, rule.history == nil {
            report("'cache: true' needs history: add history: { size: 1, ttl: 1h }", at: node.mark)
        }
        if rule.publishHook != nil, rule.publish == .server {
            report("'publish_hook' is never asked, because clients may not publish: add publish: client", at: node.mark)
        }
        if rule.subscribeHook != nil, rule.subscribe == .nobody {
            report(
                "'subscribe_hook' is never asked, because nobody may subscribe: write subscribe: anyone", at: node.mark)
        }
        guard hasMatch else { return }
        if problems.count > before { failedRules.insert(configuration.channels.count) }
        configuration.channels.append(rule)
        rulePlaces.append(node.mark)
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
                    settings.isPerSession = text == "sessions"
                    settings.announces = settings.isPerSession ? true : try Self.announces(text)
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

    /// Whether subscribers are told of users.
    private static func announces(_ text: String) throws(ValueError) -> Bool {
        switch text {
        case "true", "users": true
        case "false": false
        default:
            throw ValueError(message: "'\(text)' is not one of users (or true), sessions, false")
        }
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
