package import Logging
import Synchronization

/// How the process logs: level and format, for every logger that has none of its own. A reload changes them while all threads log.
package enum LogSettings {
    /// The level's place among all, and above it whether the format is JSON.
    private static let packed = Atomic<Int>(index(of: .info))
    private static let json = 1 << 8

    package static var level: Logger.Level {
        let place = packed.load(ordering: .relaxed) & (json - 1)
        return place < Logger.Level.allCases.count ? Logger.Level.allCases[place] : .info
    }

    package static var format: Configuration.LogFormat {
        packed.load(ordering: .relaxed) & json == 0 ? .text : .json
    }

    /// From the next line on.
    package static func use(_ configuration: Configuration) {
        let level = Logger.Level(rawValue: configuration.logLevel.rawValue) ?? .info
        packed.store(index(of: level) | (configuration.logFormat == .json ? json : 0), ordering: .relaxed)
    }

    private static func index(of level: Logger.Level) -> Int { Logger.Level.allCases.firstIndex(of: level) ?? 0 }
}
