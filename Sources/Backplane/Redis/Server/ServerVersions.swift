import Codec

/// Several servers are to be of one version: channels move from one to another, and not every version reads what a later one wrote.
extension RedisBackplane {
    func compareVersions() {
        guard topology.isDivided else { return }
        let known = topology.servers.compactMap { server in
            server.scripts.version.map { (server: server.configuration.label ?? server.addressText, version: $0) }
        }
        guard Set(known.map { Array($0.version.utf8) }).count > 1 else { return }
        let text = known.map { "\($0.server) \($0.version)" }.sorted().joined(separator: ", ")
        guard text != versionsSaid else { return }
        versionsSaid = text
        receiver?.happened(
            .warning,
            "the Redis servers have different versions (\(text)): give all of them the same one. Channels cannot move to a server whose version is older"
        )
    }
}
