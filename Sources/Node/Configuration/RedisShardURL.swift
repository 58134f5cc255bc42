package import Backplane

/// An entry of `backplane.redis.shards`: where one of several servers is, and what it is called.
///
///     redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE][#NAME]
///     redis-sentinel://[USER:PASSWORD@]HOST[:PORT],HOST[:PORT]…[/DATABASE]#MASTER
///
/// The second form is the one that Lettuce and others use for sentinels. With `rediss` in place of `redis`, the server is reached by TLS.
package struct RedisShardURL: Equatable, Sendable {
    /// Without sentinels; with them, `endpoint` is that of the first one.
    package let server: RedisURL
    /// Empty when the server is at a fixed address.
    package let sentinels: [HostAndPort]
    /// What is behind `#`: the master's name with sentinels, and otherwise what the server is called.
    package let label: String?

    package static let example =
        "right would be redis://redis-1:6379, redis://redis-1:6379#a or redis-sentinel://sentinel-1:26379,sentinel-2:26379#mymaster"
    /// Bytes of a name.
    private static let longestName = 64

    /// The URL may hold a password: an error never repeats any of it.
    init(_ text: String) throws(ValueError) {
        var rest = Substring(text)
        var label: String?
        if let hash = rest.firstIndex(of: "#") {
            label = String(rest[rest.index(after: hash)...])
            rest = rest[..<hash]
        }
        if let label {
            guard (1...Self.longestName).contains(label.utf8.count),
                label.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: ",") })
            else {
                throw ValueError(
                    message:
                        "the name behind # has to be 1 to \(Self.longestName) printable ASCII characters without spaces and commas; \(Self.example)"
                )
            }
        }
        self.label = label
        guard let scheme = ["redis-sentinel://", "rediss-sentinel://"].first(where: rest.hasPrefix) else {
            server = try RedisURL(String(rest))
            sentinels = []
            return
        }
        guard label != nil else {
            throw ValueError(message: "the URL names sentinels and no master behind #; \(Self.example)")
        }
        rest = rest.dropFirst(scheme.utf8.count)
        var login = Substring()
        if let at = rest.lastIndex(of: "@") {
            login = rest[...at]
            rest = rest[rest.index(after: at)...]
        }
        var path = Substring()
        if let slash = rest.firstIndex(of: "/") {
            path = rest[slash...]
            rest = rest[..<slash]
        }
        var addresses: [HostAndPort] = []
        for part in rest.split(separator: ",", omittingEmptySubsequences: false) {
            do {
                addresses.append(try HostAndPort(String(part), defaultPort: 26379))
            } catch {
                throw ValueError(message: "an address of a sentinel is not HOST:PORT; \(Self.example)")
            }
        }
        guard addresses.count <= SentinelConfiguration.maximum else {
            throw ValueError(message: "the URL names more than \(SentinelConfiguration.maximum) sentinels")
        }
        sentinels = addresses
        let host = addresses[0].description
        server = try RedisURL("\(scheme.hasPrefix("rediss") ? "rediss" : "redis")://\(login)\(host)\(path)")
    }

    /// What decides which channels live there.
    package var name: String { label ?? "\(server.endpoint)" }
    /// Without its password.
    package var text: String {
        let place = sentinels.isEmpty ? "\(server.endpoint)" : sentinels.map(\.description).joined(separator: ",")
        return label.map { "\(place)#\($0)" } ?? place
    }
}

extension Configuration {
    /// Redis as an entry of the list says it; what it leaves open is that of `backplane.redis`.
    func redisShard(_ url: RedisShardURL, base: RedisConfiguration) -> RedisConfiguration {
        var shard = base
        shard.shards = []
        shard.endpoint = url.server.endpoint
        shard.label = url.label
        if let password = url.server.password {
            shard.user = url.server.user
            shard.password = password
        }
        if let database = url.server.database { shard.database = database }
        if !url.sentinels.isEmpty {
            var sentinel = redisSentinel
            sentinel.addresses = url.sentinels
            sentinel.master = url.label ?? sentinel.master
            shard.sentinel = sentinel
        }
        if !url.server.isEncrypted { shard.tls = nil }
        return shard
    }

    /// What is wrong with several servers.
    var shardFindings: [ConfigurationFinding] {
        let path = redis.cluster.isEmpty ? "backplane.redis.shards" : "backplane.redis.cluster"
        let isDivided = !redisShards.isEmpty || !redis.cluster.isEmpty
        var found: [ConfigurationFinding] = []
        if !isDivided, isChanged("backplane.redis.ready_when") {
            found.append(
                .warning(
                    ["backplane.redis.ready_when"],
                    "backplane.redis.ready_when has no effect with one server: it is for backplane.redis.shards and backplane.redis.cluster"
                ))
        }
        if redis.cluster.isEmpty, redisTLS.isEnabled != nil, redisTLS.isEnabled != redisTLS.isOn {
            found.append(
                .error(
                    ["backplane.redis.tls.enabled"],
                    "backplane.redis.tls.enabled contradicts the URL: begin the URL with \(redisTLS.isOn ? "redis" : "rediss")://"
                ))
        }
        guard isDivided else { return found + leavingFindings }
        var others = ["backplane.redis.url", "backplane.redis.sentinels", "backplane.redis.master"]
        if !redis.cluster.isEmpty { others += ["backplane.redis.shards"] }
        for key in others where isSet(key) {
            found.append(
                .error(
                    [path, key],
                    "\(path) and \(key) contradict each other: list all servers in \(path), and leave \(key) out"))
        }
        if !redis.cluster.isEmpty, redis.database != 0 {
            found.append(
                .error(
                    ["backplane.redis.database", path],
                    "backplane.redis.database is \(redis.database), and a Redis Cluster has only database 0: leave it out"
                ))
        }
        return found + duplicateShards + leavingFindings
    }

    private var leavingFindings: [ConfigurationFinding] {
        let path = "backplane.redis.leaving"
        let names = redisShards.map { Array($0.name.utf8) }
        let leaving = redis.leaving.map { Array($0.utf8) }
        var found: [ConfigurationFinding] = zip(redis.leaving, leaving).filter { !names.contains($1) }.map { text, _ in
            .error(
                [path],
                names.isEmpty
                    ? "\(path) names '\(text)', and there is no backplane.redis.shards that lists it"
                    : "\(path) names '\(text)', which backplane.redis.shards does not list; its servers are \(redisShards.map(\.name).joined(separator: ", ")). A server stays in the list until no channel lives there any more"
            )
        }
        if !names.isEmpty, names.allSatisfy(leaving.contains) {
            found.append(
                .error([path], "\(path) names all servers of backplane.redis.shards: one at least has to stay"))
        }
        return found
    }

    private var duplicateShards: [ConfigurationFinding] {
        let path = "backplane.redis.shards"
        var found: [ConfigurationFinding] = []
        for (index, shard) in redisShards.enumerated() {
            let others = redisShards[..<index]
            if others.contains(where: { $0.name.utf8.elementsEqual(shard.name.utf8) }) {
                found.append(
                    .error(
                        [path],
                        "\(path) has two servers of the name '\(shard.name)': the names decide which channels live where"
                    ))
            } else if shard.sentinels.isEmpty,
                others.contains(where: { $0.sentinels.isEmpty && $0.server.endpoint == shard.server.endpoint })
            {
                found.append(
                    .error([path], "\(path) lists \(shard.server.endpoint) twice: list each server once"))
            }
        }
        return found
    }
}
