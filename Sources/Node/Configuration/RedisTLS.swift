package import Backplane
package import Reactor

/// TLS to Redis, as it is configured: a `rediss://` URL turns it on.
package struct RedisTLS: Equatable, Sendable {
    package var isOn = false
    /// `backplane.redis.tls.enabled`, where no URL says it.
    package var isEnabled: Bool?
    package var verification = TLSClientConfiguration.Verification.full
    package var authorities: String?
    package var serverName: String?
    package var certificate: String?
    package var key: String?

    package init() {}

    var findings: [ConfigurationFinding] {
        var found: [ConfigurationFinding] = []
        let section = "backplane.redis.tls"
        if (certificate == nil) != (key == nil) {
            found.append(
                .error(
                    ["\(section).certificate", "\(section).key"],
                    "\(section).certificate and \(section).key belong together: set both or none"))
        }
        if !isOn, isEnabled == nil, self != RedisTLS() {
            found.append(
                .error(
                    [section, "backplane.redis.url"],
                    "\(section) has no effect: backplane.redis.url would have to begin with rediss://, or an entry of backplane.redis.shards"
                ))
        }
        if verification == .none, authorities != nil || serverName != nil {
            found.append(
                .error(
                    ["\(section).verify"],
                    "\(section).verify is none, so authorities and server_name have no effect: set it to full or ca"))
        }
        return found
    }
}

extension Configuration {
    /// Redis with its TLS and its sentinels, if it has any.
    package var encryptedRedis: RedisConfiguration {
        var encrypted = redis
        encrypted.largestMessage = messageBytes
        if !redisSentinel.addresses.isEmpty { encrypted.sentinel = redisSentinel }
        if redisTLS.isOn { encrypt(&encrypted) }
        let base = encrypted
        encrypted.shards = redisShards.map { redisShard($0, base: base) }
        return encrypted
    }

    private func encrypt(_ encrypted: inout RedisConfiguration) {
        encrypted.serverName = redisTLS.serverName
        var identity: TLSClientConfiguration.Identity?
        if let certificate = redisTLS.certificate, let key = redisTLS.key {
            identity = .init(certificates: certificate, key: key)
        }
        encrypted.tls = TLSClientConfiguration(
            verification: redisTLS.verification, authorities: redisTLS.authorities, identity: identity)
    }
}
