/// What things cost: memory in bytes, time on a core in microseconds. `Costs.measured` has the figures and where they come from.
package struct Costs: Sendable, Equatable {
    // MARK: Memory of a node

    /// A node without sessions.
    package var base: Double
    /// What a container is charged of it: not the program's file, which gives way.
    package var baseCharged: Double
    /// A session with one subscription, in the process.
    package var session: Double
    /// What it takes more over TLS.
    package var sessionOverTLS: Double
    /// What it takes more if it is compressed.
    package var sessionCompressed: Double
    /// A session's connection, in the kernel.
    package var connection: Double
    /// What a container is charged of it.
    package var connectionCharged: Double
    /// Each further subscription of a session.
    package var subscription: Double
    /// A channel with subscribers on the node.
    package var channel: Double
    /// In the kernel, what a publication takes beyond its bytes, for each session that it is under way to.
    package var queued: Double

    // MARK: CPU of a node

    /// From the accepted connection to the subscribed session, plain and over TLS.
    package var connect: Double
    package var connectOverTLS: Double
    /// A ping and its answer.
    package var ping: Double
    /// One send to one session, whatever is in it.
    package var send: Double
    /// The same where a machine has so many connections that none is in its caches any more.
    package var sendToMany: Double
    /// What a send takes more over TLS.
    package var sendOverTLS: Double
    /// One publication in a send, beyond the send.
    package var message: Double
    /// One byte of it, plain and over TLS.
    package var byte: Double
    package var byteOverTLS: Double
    /// A publication that a client or the API publishes, without and with history.
    package var publish: Double
    package var publishWithHistory: Double
    /// A publication that comes from Redis.
    package var receive: Double
    /// Compressing one byte, once for each publication and node.
    package var compressedByte: Double

    // MARK: Redis, on its one core

    package var redisPublish: Double
    package var redisPublishWithHistory: Double
    /// Handing a publication to one node.
    package var redisHandOver: Double
    /// A publication kept in a history, beyond its bytes.
    package var redisKept: Double

    // MARK: Bounds of ours

    /// What one send to one session carries at most of what has gathered.
    package var batchBytes: Double
    /// What compression leaves of a byte of JSON.
    package var compressionRatio: Double
}
