import Backplane
import Codec
import Reactor

/// What is valid value by value and wrong together.
extension Configuration {
    /// Everything, errors and warnings.
    package var findings: [ConfigurationFinding] {
        listenerFindings + proxyFindings + limitFindings + redisFindings + authFindings + ruleFindings + hubFindings
            + webhookFindings
    }

    /// The errors alone.
    package var contradictions: [String] { findings.filter { $0.severity == .error }.map(\.message) }

    func isSet(_ path: String) -> Bool { given[path] != nil }

    /// Whether a key has another value than its default.
    func isChanged(_ path: String) -> Bool {
        given[path].map { $0 != ConfigurationKey.byPath[path]?.defaultText } ?? false
    }

    private func changed(_ paths: [String]) -> [String] { paths.filter { isChanged($0) } }

    // MARK: Listeners

    private var listenerFindings: [ConfigurationFinding] {
        var found: [ConfigurationFinding] = []
        if !adminListen.isLoopback, adminToken == nil {
            found.append(
                .error(
                    ["admin.listen", "admin.token"],
                    "admin.listen is \(adminListen), which others can reach, and admin.token is not set: set a token, or listen on 127.0.0.1"
                ))
        }
        if let adminToken, let adminAPIKey, adminToken.utf8.elementsEqual(adminAPIKey.utf8) {
            found.append(
                .warning(
                    ["admin.api_key", "admin.token"],
                    "admin.api_key is the same as admin.token: whoever has it may drain nodes too. Use another key for applications"
                ))
        }
        found += clientTLS.findings(in: "client.tls") + adminTLS.findings(in: "admin.tls")
        if !clientTLSListen.isEmpty, !clientTLS.isOn {
            found.append(
                .error(
                    ["client.tls.listen", "client.tls.certificate"],
                    "client.tls.listen needs client.tls.certificate and client.tls.key"))
        }
        let addresses =
            clientListen.map { ("client.listen", $0) } + clientTLSListen.map { ("client.tls.listen", $0) }
            + [("admin.listen", adminListen)]
        for (index, (path, address)) in addresses.enumerated() {
            for (other, taken) in addresses[..<index] where address.collides(with: taken) {
                var message = "\(other) and \(path) are the same address, \(address)"
                if address != taken { message = "\(other) \(taken) and \(path) \(address) are the same port" }
                if path == "client.tls.listen", other == "client.listen" {
                    message += ": without client.tls.listen, client.listen speaks TLS"
                }
                found.append(.error([path, other], message))
            }
        }
        if !compression.isOn {
            for path in changed(["client.compression.min_bytes", "client.compression.level"]) {
                found.append(
                    .warning(
                        [path, "client.compression.enabled"],
                        "\(path) has no effect while client.compression.enabled is false"))
            }
        }
        if drain.wait + drain.window > drain.timeout {
            found.append(
                .error(
                    ["drain.timeout", "drain.window", "drain.wait"],
                    "drain.timeout has to be at least drain.wait and drain.window together"))
        }
        if pongTimeout >= pingInterval {
            found.append(
                .error(
                    ["liveness.pong_timeout", "liveness.ping_interval"],
                    "liveness.pong_timeout has to be shorter than liveness.ping_interval"))
        }
        return found
    }

    private var proxyFindings: [ConfigurationFinding] {
        var found: [ConfigurationFinding] = []
        let trusted = "client.proxy_protocol.trusted"
        let mode = "client.proxy_protocol.mode"
        if proxy.isRequired, proxy.trusted.isEmpty {
            found.append(
                .error([mode, trusted], "\(mode) is required and \(trusted) is empty: name the balancers' addresses"))
        }
        if !proxy.isRequired, !proxy.trusted.isEmpty {
            found.append(
                .error([trusted, mode], "\(trusted) has no effect while \(mode) is off: set it to required"))
        }
        if !proxy.isRequired, isChanged("client.proxy_protocol.timeout") {
            found.append(
                .warning(
                    ["client.proxy_protocol.timeout", mode],
                    "client.proxy_protocol.timeout has no effect while \(mode) is off"))
        }
        for (path, ranges) in [
            (trusted, proxy.trusted), ("auth.connect_hook.proxies", connectHookForwarding.proxies),
        ] {
            for range in ranges where range.prefixBits == 0 {
                found.append(
                    .warning(
                        [path],
                        "\(path) has \(range), so any client can claim any address; name the balancers' addresses"
                    ))
            }
        }
        return found
    }

    // MARK: Limits

    private var limitFindings: [ConfigurationFinding] {
        var found: [ConfigurationFinding] = []
        for (path, bytes) in [
            ("limits.outbound_bytes_node", outboundBytesNode), ("limits.incomplete_bytes_node", incompleteBytesNode),
        ] where messageBytes > bytes {
            found.append(
                .error([path, "limits.message_bytes"], "limits.message_bytes has to be at most \(path)"))
        }
        if outboundBytes > outboundBytesNode {
            found.append(
                .warning(
                    ["limits.outbound_bytes", "limits.outbound_bytes_node"],
                    "limits.outbound_bytes is more than limits.outbound_bytes_node, so it is never reached"))
        }
        for (burst, rate, value) in [
            ("limits.connects_burst", "limits.connects_per_second", connectRate),
            ("limits.connects_per_address_burst", "limits.connects_per_address_per_second", connectRatePerAddress),
            ("limits.requests_burst", "limits.requests_per_second", requestRate),
            (
                "limits.requests_per_address_burst", "limits.requests_per_address_per_second", requestRatePerAddress
            ),
            ("limits.publish_burst", "limits.publish_rate", publishRate),
            ("limits.subscribe_burst", "limits.subscribe_rate", subscribeRate),
            ("limits.login_burst", "limits.login_rate", loginRate),
            ("limits.command_burst", "limits.command_rate", commandRate),
            ("limits.control_burst", "limits.control_rate", controlRate),
        ] where value == 0 && isChanged(burst) {
            found.append(
                .warning([burst, rate], "\(burst) has no effect while \(rate) is 0, which means no limit"))
        }
        if sessionsPerUser > 0, !knowsUsers {
            found.append(
                .warning(
                    ["limits.sessions_per_user"],
                    "limits.sessions_per_user has no effect: without auth.keys and auth.connect_hook.url no session has a user"
                ))
        }
        return found
    }

    // MARK: Redis

    private var redisFindings: [ConfigurationFinding] {
        let prefix = "backplane.redis."
        var found = redisTLS.findings + shardFindings
        if backplane == .memory {
            let set = given.keys.filter { $0.hasPrefix(prefix) }.sorted()
            if !isSet("backplane.kind"), let first = set.first {
                found.append(
                    .error(
                        [first, "backplane.kind"],
                        "backplane.redis has settings and backplane.kind is not set, so the node would run alone: add kind: redis, or kind: memory to run it alone"
                    ))
            } else if let first = set.first(where: { isChanged($0) }) {
                found.append(
                    .warning(
                        ["backplane.kind", first],
                        "backplane.kind is memory, so backplane.redis has no effect and the node runs alone"))
            }
        }
        if redis.user != nil, redis.password == nil {
            found.append(
                .error(
                    [prefix + "user", prefix + "password"],
                    "backplane.redis.user has no password, so the node would log in as the user default: set backplane.redis.password"
                ))
        }
        if let url = redisURL {
            for (key, differs) in [
                ("user", url.user.map { $0 != redis.user }), ("password", url.password.map { $0 != redis.password }),
                ("database", url.database.map { $0 != redis.database }),
            ] where differs == true {
                found.append(
                    .error(
                        [prefix + key, prefix + "url"],
                        "backplane.redis.url and backplane.redis.\(key) differ: set the value in one place"))
            }
        }
        if redisSentinel.addresses.isEmpty {
            for key in ["master", "sentinel_user", "sentinel_password"] where isChanged(prefix + key) {
                found.append(
                    .error([prefix + key], "backplane.redis.\(key) has no effect without backplane.redis.sentinels"))
            }
        } else {
            if case .unix = redis.endpoint {
                found.append(
                    .error(
                        [prefix + "sentinels", prefix + "url"],
                        "backplane.redis.sentinels and a unix:// URL contradict each other: sentinels name TCP addresses"
                    ))
            }
            if redisSentinel.user != nil, redisSentinel.password == nil {
                found.append(
                    .error(
                        [prefix + "sentinel_user", prefix + "sentinel_password"],
                        "backplane.redis.sentinel_user has no password, so the node would log in as the user default: set backplane.redis.sentinel_password"
                    ))
            }
        }
        return found
    }

    // MARK: Who a client is

    /// Whether anything could say who a client is.
    var knowsUsers: Bool { !authKeys.isEmpty || connectHookURL != nil }

    private var authFindings: [ConfigurationFinding] {
        var found: [ConfigurationFinding] = []
        if authRequired, !knowsUsers {
            found.append(
                .error(
                    ["auth.required", "auth.keys", "auth.connect_hook.url"],
                    "auth.required is set, but no client can be authenticated: add auth.keys or auth.connect_hook.url")
            )
        }
        if authPersonalPrefix != nil, !knowsUsers {
            found.append(
                .error(
                    ["auth.personal_channel", "auth.keys", "auth.connect_hook.url"],
                    "auth.personal_channel has no effect: no client has a user id without auth.keys or auth.connect_hook.url"
                ))
        }
        if authCookie != nil {
            if case .listed = origins {
            } else {
                found.append(
                    .error(
                        ["auth.cookie", "client.origins"],
                        "auth.cookie needs client.origins as a list: browsers send cookies from any page, so the pages have to be named"
                    ))
            }
            if !knowsUsers {
                found.append(
                    .error(
                        ["auth.cookie", "auth.keys", "auth.connect_hook.url"],
                        "auth.cookie has no effect: add auth.keys to check its token, or auth.connect_hook.url"))
            }
        }
        if authKeys.isEmpty {
            for path in ["auth.audiences", "auth.issuers"] where isSet(path) {
                found.append(
                    .error([path, "auth.keys"], "\(path) has no effect without auth.keys: no token is checked"))
            }
            for path in changed(["auth.leeway", "auth.require_expiry"]) {
                found.append(
                    .warning([path, "auth.keys"], "\(path) has no effect without auth.keys: no token is checked"))
            }
        }
        let section = "auth.connect_hook."
        if connectHookURL == nil {
            for path in given.keys.filter({ $0.hasPrefix(section) && isChanged($0) }).sorted() {
                found.append(
                    .error(
                        [path, section + "url"],
                        "\(path) has no effect without auth.connect_hook.url: there is no connect hook"))
            }
        }
        let ambient = HeaderForwarding.ambient.filter { connectHookForwarding.names.contains($0) }
        if connectHookURL != nil, origins == .any, !ambient.isEmpty {
            let sent = ambient.joined(separator: " and ")
            found.append(
                .error(
                    ["client.origins", section + "forward"],
                    "client.origins has * and the connect hook is sent \(sent), which browsers send with requests of any page, so any page could connect as its visitor: name the pages in client.origins, or set auth.connect_hook.forward to a list without \(sent), such as [origin, user-agent]"
                ))
        }
        return found
    }

    // MARK: Rules

    private var ruleFindings: [ConfigurationFinding] {
        var found: [ConfigurationFinding] = []
        for (index, rule) in channels.enumerated() {
            if let earlier = channels[..<index].firstIndex(where: { $0.match.covers(rule.match) }) {
                found.append(
                    .error(
                        ["channels"], rule: index,
                        "the rule for '\(rule.match)' is never used: every channel it matches is matched by the rule for '\(channels[earlier].match)' before it; the first rule that matches counts"
                    ))
            }
            if let objection = rule.match.objection {
                found.append(
                    .error(
                        ["channels"], rule: index,
                        "the rule for '\(rule.match)' is never used: no channel can have such a name (\(objection))"))
            }
            guard !knowsUsers else { continue }
            let needs: [(key: String, value: String, instead: String)] = [
                ("subscribe", rule.subscribe.rawValue, "nobody"), ("publish", rule.publish.rawValue, "server"),
            ]
            for (key, value, instead) in needs where ["user", "granted"].contains(value) {
                found.append(
                    .error(
                        ["channels", "auth.keys", "auth.connect_hook.url"], rule: index,
                        "the rule for '\(rule.match)' has \(key): \(value), and nothing could \(value == "user" ? "say who a client is" : "grant it"): add auth.keys or auth.connect_hook.url, or write \(key): \(instead)"
                    ))
            }
        }
        return found
    }
}

extension SocketAddress {
    /// Whether both cannot be listened on at the same time. IPv6 listeners take no IPv4 connections.
    func collides(with other: SocketAddress) -> Bool {
        switch (self, other) {
        case (.unix(let mine), .unix(let theirs)): mine == theirs
        case (.ipv4(let mine, let port), .ipv4(let theirs, let otherPort)):
            port != 0 && port == otherPort && (mine == theirs || mine == 0 || theirs == 0)
        case (.ipv6(let high, let low, let port, _), .ipv6(let otherHigh, let otherLow, let otherPort, _)):
            port != 0 && port == otherPort
                && ((high, low) == (otherHigh, otherLow) || (high, low) == (0, 0) || (otherHigh, otherLow) == (0, 0))
        default: false
        }
    }
}
