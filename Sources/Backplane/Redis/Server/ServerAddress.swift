/// Where a server is, and since which failover it is the master there.
package struct ServerAddress: Equatable, Sendable {
    package let endpoint: RedisConfiguration.Endpoint
    /// With Sentinel; nil when nobody counts failovers.
    package let failover: UInt64?

    package init(_ endpoint: RedisConfiguration.Endpoint, failover: UInt64? = nil) {
        self.endpoint = endpoint
        self.failover = failover
    }
}
