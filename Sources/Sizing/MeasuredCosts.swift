/// Where the figures of `carillon size` come from.
///
/// Measured on an AMD EPYC with 2 cores (Linux 6.18, Debian 12, Swift 6.3.1), one core for the node. `Benchmarks/sizing.py --measure` measures all of
/// them again and prints them as they stand here. Whoever changes what one of them is about replaces it, and its date.
extension Costs {
    package static let measured = Costs(
        // 2026-11-30, Benchmarks/sizing.py --measure
        base: 47_000_000,
        baseCharged: 6_000_000,
        session: 334,
        sessionOverTLS: 14_000,
        sessionCompressed: 0,
        connection: 4_700,
        connectionCharged: 1_487,
        subscription: 60,
        channel: 1_000,
        queued: 1_000,
        connect: 20,
        connectOverTLS: 300,
        ping: 10,
        send: 5,
        sendOverTLS: 2,
        message: 0.01,
        byte: 0.0001,
        byteOverTLS: 0.001,
        publish: 1.0,
        publishWithHistory: 2.0,
        receive: 1.5,
        compressedByte: 0.01,
        redisPublish: 0.5,
        redisPublishWithHistory: 8,
        redisHandOver: 1,
        redisKept: 100,
        batchBytes: 65_536,
        compressionRatio: 0.48
    )
}
