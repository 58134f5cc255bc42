/// Where the figures of `carillon size` come from.
///
/// Measured on an AMD EPYC with 2 cores (Linux 6.18, Debian 12, Swift 6.3.1), one core for the node. `Benchmarks/sizing.py --measure` measures them
/// again and prints them as they stand here, but for those that docs/sizing.md names another command for. Whoever changes what one of them is about
/// replaces it, and its date.
extension Costs {
    package static let measured = Costs(
        // 2026-11-30, Benchmarks/sizing.py --measure. Others: session of 2026-11-28, make bench; connection and sendToMany, make million;
        // batchBytes is what a send had of which message and byte were measured.
        base: 43_610_000,
        baseCharged: 5_063_000,
        session: 334,
        sessionOverTLS: 13_950,
        sessionCompressed: 0,
        connection: 4_894,
        connectionCharged: 1_487,
        subscription: 52.2,
        channel: 648,
        queued: 962,
        connect: 40.4,
        connectOverTLS: 422,
        ping: 10,
        send: 6.36,
        sendToMany: 13,
        sendOverTLS: 2.89,
        message: 0.007,
        byte: 0.00012,
        byteOverTLS: 0.0011,
        publish: 1.65,
        publishWithHistory: 8.84,
        receive: 1.29,
        compressedByte: 0.023,
        redisPublish: 0.88,
        redisPublishWithHistory: 15.9,
        redisHandOver: 0.36,
        redisKept: 201,
        batchBytes: 32_768,
        compressionRatio: 0.48
    )
}
