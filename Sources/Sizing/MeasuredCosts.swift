/// Where the figures of `carillon size` come from.
///
/// Measured on an AMD EPYC with 2 cores (Linux 6.18, Debian 12, Swift 6.3.1), one core for the node. `Benchmarks/sizing.py --measure` measures all of
/// them again and prints them as they stand here. Whoever changes what one of them is about replaces it, and its date.
extension Costs {
    package static let measured = Costs(
        // 2026-11-30, Benchmarks/sizing.py --measure
        base: 47_600_000,
        baseCharged: 5_080_000,
        session: 334,
        sessionOverTLS: 13_960,
        sessionCompressed: 0,
        connection: 4_714,
        connectionCharged: 1_489,
        subscription: 52.2,
        channel: 668,
        queued: 962,
        connect: 46.2,
        connectOverTLS: 352,
        ping: 5.5,
        send: 5.67,
        sendToMany: 11.2,
        sendOverTLS: 3.45,
        message: 0.03,
        byte: 0.00005,
        byteOverTLS: 0.0011,
        publish: 1.18,
        publishWithHistory: 8.4,
        receive: 0.86,
        compressedByte: 0.021,
        redisPublish: 0.56,
        redisPublishWithHistory: 18.6,
        redisHandOver: 0.29,
        redisKept: 201,
        batchBytes: 187_000,
        compressionRatio: 0.49
    )
}
