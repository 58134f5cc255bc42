/// One server, at the address that the configuration says.
final class FixedTopology {
    let server: RedisServer
    /// The same, for whoever goes through all of them.
    let servers: [RedisServer]

    init(_ configuration: RedisConfiguration, owner: RedisBackplane) {
        server = RedisServer(owner: owner, configuration: configuration, address: .init(configuration.endpoint))
        server.partitions = .all
        servers = [server]
    }
}
