import Client

/// One publisher and N subscribers on one channel; the publisher is one of them.
package enum FanoutScenario {
    package static func run(_ options: BenchOptions, progress: @escaping ProgressHandler) async throws(BenchError)
        -> BenchResult
    {
        let targets = try options.targetsWithinFileLimit()
        let configuration = try options.swarm(targets, members: options.sessions)
        let session = try SwarmSession("bench", configuration)
        let connecting = try await session.connect(progress: progress)
        let loop = ClosedLoop(session, ClosedLoop.Settings(options), progress: progress)
        let measured = await loop.run()
        await session.close()

        var result = BenchResult(scenario: "fanout")
        result.add("sessions", Double(options.sessions))
        result.add("window", Double(options.window))
        result.add("payload", Double(options.bytes), .bytes)
        result.add("connects_per_second", Double(options.sessions) / connecting.seconds, .perSecond)
        result.add(measured, isFanout: true)
        return result
    }
}

/// A session that publishes and one that listens, on the first and the last URL: on two nodes when two are given.
package enum LatencyScenario {
    package static func run(_ options: BenchOptions, progress: @escaping ProgressHandler) async throws(BenchError)
        -> BenchResult
    {
        let measured = try await pair(options, window: 1, progress)
        var result = BenchResult(scenario: "latency")
        result.add("payload", Double(options.bytes), .bytes)
        result.add(measured, isFanout: false)
        return result
    }

    /// The same with many publications outstanding: how many a second arrive.
    package static func rate(_ options: BenchOptions, progress: @escaping ProgressHandler) async throws(BenchError)
        -> BenchResult
    {
        let measured = try await pair(options, window: options.window, progress)
        var result = BenchResult(scenario: "rate")
        result.add("window", Double(options.window))
        result.add("payload", Double(options.bytes), .bytes)
        result.add(measured, isFanout: false)
        return result
    }

    private static func pair(
        _ options: BenchOptions, window: Int, _ progress: @escaping ProgressHandler
    ) async throws(BenchError) -> ClosedLoop.Result {
        let targets = try options.targets()
        let configuration = try options.swarm([targets[0], targets[targets.count - 1]], members: 2)
        let session = try SwarmSession("bench", configuration)
        _ = try await session.connect(progress: progress)
        var settings = ClosedLoop.Settings(options)
        settings.window = window
        settings.observer = 1
        let measured = await ClosedLoop(session, settings, progress: progress).run()
        await session.close()
        return measured
    }
}

extension ClosedLoop.Settings {
    init(_ options: BenchOptions) {
        window = options.window
        bytes = options.bytes
        payload = options.payload
        warmUp = options.warmUpSeconds
        seconds = options.seconds
        processes = options.processes
        allocationFiles = options.allocationFiles
    }
}

extension BenchResult {
    /// What a closed loop measured.
    mutating func add(_ measured: ClosedLoop.Result, isFanout: Bool) {
        let deliveries = Double(max(1, measured.deliveries))
        add("seconds", measured.seconds, .seconds)
        add("publications", Double(measured.publications))
        add("publications_per_second", Double(measured.publications) / measured.seconds, .perSecond)
        if isFanout {
            add("deliveries", Double(measured.deliveries))
            add("deliveries_per_second", Double(measured.deliveries) / measured.seconds, .perSecond)
            add("bytes_per_delivery", Double(measured.bytesReceived) / deliveries, .bytes)
        }
        if measured.usage.nanoseconds > 0 {
            add("server_cpu_per_delivery", Double(measured.usage.nanoseconds) / 1000 / deliveries, .microseconds)
            add("server_user_per_delivery", Double(measured.usage.userNanoseconds) / 1000 / deliveries, .microseconds)
            add(
                "server_system_per_delivery", Double(measured.usage.systemNanoseconds) / 1000 / deliveries,
                .microseconds)
            add("server_busy", Double(measured.usage.nanoseconds) / 1e9 / measured.seconds)
        }
        if measured.usage.allocations > 0 {
            add("server_allocations_per_delivery", Double(measured.usage.allocations) / deliveries)
        }
        add("bench_busy", Double(measured.ownUsage.nanoseconds) / 1e9 / measured.seconds)
        add(isFanout ? "to_last" : "latency", measured.toLast)
        if measured.compressed > 0 {
            add("compressed", Double(measured.compressed))
            add("inflated", Double(measured.inflated))
        }
        add("missing", Double(measured.counts.missing))
        add("duplicates", Double(measured.counts.duplicates))
        add("reordered", Double(measured.counts.reordered))
        add("sessions_lost", Double(measured.sessionsLost))
        problems += measured.problems
    }
}
