package import Reactor

/// Where Redis is and how to talk to it.
package struct RedisConfiguration: Equatable, Sendable {
    package enum Endpoint: Equatable, Sendable, CustomStringConvertible {
        /// Looked up anew for every connection.
        case tcp(host: String, port: UInt16)
        case unix(path: String)

        package var description: String {
            switch self {
            case .tcp(let host, let port): HostAndPort(host: host, port: port).description
            case .unix(let path): "unix:\(path)"
            }
        }
    }

    /// When clients are welcome, where several servers join the nodes.
    package enum Readiness: String, Equatable, Sendable, CaseIterable {
        /// When all of them work.
        case all
        /// As long as one works.
        case any
    }

    package var endpoint: Endpoint
    /// What an operator calls it; the same on all nodes, for it decides which channels live there.
    package var label: String?
    /// Several servers that know nothing of each other, of which each has its share of the channels; then nothing else here counts
    /// but what is the same for all. Empty where there is one.
    package var shards: [RedisConfiguration] = []
    /// What those of them are called that are to have no channels any more.
    package var leaving: [String] = []
    /// Servers of a Redis Cluster, of which any is enough to find the others; then `endpoint` does not count. Empty without one.
    package var cluster: [HostAndPort] = []
    package var readyWhen = Readiness.all
    /// Who knows where it is; then `endpoint` does not count.
    package var sentinel: SentinelConfiguration?
    /// Nil without TLS.
    package var tls: TLSClientConfiguration?
    /// Servers in `shards`, and addresses in `cluster`, at the most.
    package static let maximumShards = 64

    /// What tells it from others of the same list.
    package var name: String { label ?? sentinel?.master ?? "\(endpoint)" }

    /// Whom the server's certificate has to be for, if not for the host of the endpoint.
    package var serverName: String?
    package var user: String?
    package var password: String?
    package var database: Int
    /// In front of every key and channel, so that two clusters on one Redis do not hear each other.
    package var prefix: String
    /// For the connection and everything that is said before it is ready.
    package var connectTimeout: Duration
    /// How long a publication waits for the link.
    package var publishWait: Duration
    /// Payload bytes that wait for the link at the most.
    package var publishBufferBytes: Int
    /// Bytes of the largest payload: by it Redis knows how many entries of a history fit in a page whatever they are.
    package var largestMessage = 64 * 1024

    package init(
        endpoint: Endpoint, tls: TLSClientConfiguration? = nil, serverName: String? = nil, user: String? = nil,
        password: String? = nil, database: Int = 0,
        prefix: String = "carillon", connectTimeout: Duration = .seconds(2), publishWait: Duration = .seconds(4),
        publishBufferBytes: Int = 4 * 1024 * 1024
    ) {
        self.endpoint = endpoint
        self.tls = tls
        self.serverName = serverName
        self.user = user
        self.password = password
        self.database = database
        self.prefix = prefix
        self.connectTimeout = connectTimeout
        self.publishWait = publishWait
        self.publishBufferBytes = publishBufferBytes
    }
}
