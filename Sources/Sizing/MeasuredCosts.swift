/// Where the figures of `carillon size` come from.
///
/// Measured on an AMD EPYC with 2 cores (Linux 6.18, Debian 12, Swift 6.3.1), one core for the node. `Benchmarks/sizing.py --measure` measures them
/// again and prints them as they stand here, but for those that docs/sizing.md names another command for. Whoever changes what one of them is about
/// replaces it, and its date.
extension Costs {
    package static let measured = Costs(
        // 2026-11-30, Benchmarks/sizing.py --measure and make million (connection, sendToMany).
        // 2026-11-28, make bench: session.
        // message, byte and batchBytes are chosen between runs that differed: docs/sizing.md, "Checked".
        base: 47_600_000,
        baseCharged: 5_080_000,
        session: 334,
        sessionOverTLS: 13_960,
        sessionCompressed: 0,
        connection: 4_894,
        connectionCharged: 1_488,
        subscription: 52.2,
        channel: 668,
        queued: 962,
        connect: 46.2,
        connectOverTLS: 352,
        ping: 5.5,
        send: 5.67,
        sendToMany: 13,
        sendOverTLS: 3.45,
        message: 0.004,
        byte: 0.000065,
        byteOverTLS: 0.0011,
        publish: 1.18,
        publishWithHistory: 5.8,
        receive: 0.86,
        compressedByte: 0.021,
        redisPublish: 0.56,
        redisPublishWithHistory: 12.5,
        redisHandOver: 0.29,
        redisKept: 201,
        batchBytes: 65_536,
        compressionRatio: 0.49
    )
}
