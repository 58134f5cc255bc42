import Logging
import Testing

@testable import Node

@Suite(.serialized) struct LogSettingsTests {
    @Test func everyLoggerWithoutALevelOfItsOwnFollows() {
        defer { LogSettings.use(Configuration()) }
        var own = LineLogHandler()
        let follower = LineLogHandler()
        own.logLevel = .critical
        for (level, expected) in [
            (Configuration.LogLevel.debug, Logger.Level.debug), (.error, .error), (.warning, .warning), (.info, .info),
        ] {
            var configuration = Configuration()
            configuration.logLevel = level
            configuration.logFormat = level == .error ? .json : .text
            LogSettings.use(configuration)
            #expect(follower.logLevel == expected && own.logLevel == .critical)
            #expect(follower.line(.info, "m", [:], time: "T").hasPrefix("{") == (level == .error))
        }
    }
}
