import Client

/// How long a small channel waits while another one fans out: two sessions on the last URL, N on the first.
package enum SmallChannelScenario {
    /// Between two publications on the small channel, so that they fall anywhere into the large one's passes.
    private static let pause = Duration.milliseconds(3)

    package static func run(_ options: BenchOptions, progress: @escaping ProgressHandler) async throws(BenchError)
        -> BenchResult
    {
        let targets = try options.targetsWithinFileLimit()
        guard targets.count == 2 else {
            throw BenchError("small-channel needs two URLs: the large channel's and the small channel's")
        }
        let large = try options.swarm([targets[0]], members: options.sessions)
        var small = try options.swarm([targets[1]], members: 2)
        small.channel = options.channel + "-small"
        let largeSession = try SwarmSession("large", large)
        let smallSession = try SwarmSession("small", small)
        smallSession.hurry()
        _ = try await smallSession.connect { _ in }
        _ = try await largeSession.connect(progress: progress)

        var smallSettings = ClosedLoop.Settings(options)
        smallSettings.window = 1
        smallSettings.observer = 1
        smallSettings.pause = pause
        smallSettings.processes = []
        smallSettings.allocationFiles = []
        let alone = await ClosedLoop(smallSession, smallSettings, progress: progress).run()

        var largeSettings = ClosedLoop.Settings(options)
        // The large channel begins before and ends after the small one.
        largeSettings.seconds += 1 + options.warmUpSeconds
        smallSettings.warmUp += 0.5
        let largeLoop = ClosedLoop(largeSession, largeSettings, progress: progress)
        let smallLoop = ClosedLoop(smallSession, smallSettings) { _ in }
        async let largeRun = largeLoop.run()
        let beside = await smallLoop.run()
        largeLoop.finishMeasuring()
        let fanout = await largeRun
        await smallSession.close()
        await largeSession.close()

        var result = BenchResult(scenario: "small-channel")
        result.add("sessions", Double(options.sessions))
        result.add("window", Double(options.window))
        result.add("small_publications", Double(beside.publications))
        result.add("alone", alone.toLast)
        result.add("beside", beside.toLast)
        result.add("large_deliveries_per_second", Double(fanout.deliveries) / fanout.seconds, .perSecond)
        result.add("large_to_last", fanout.toLast)
        result.problems += alone.problems + beside.problems + fanout.problems
        return result
    }
}
