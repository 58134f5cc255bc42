import Reactor
package import Logging

import Glibc

/// Logs one line an event to standard error: text for people, JSON for programs. Whatever a message holds, it cannot
/// make a second line or control a terminal.
package struct LineLogHandler: LogHandler {
    package var metadata: Logger.Metadata = [:]
    package var logLevel: Logger.Level
    private let format: Configuration.LogFormat

    /// Longer messages are cut.
    private static let maximumBytes = 2048

    package init(format: Configuration.LogFormat, level: Logger.Level) {
        self.format = format
        logLevel = level
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var text = "\(event.message)"
        let all = metadata.merging(event.metadata ?? [:]) { _, new in new }
        for (key, value) in all.sorted(by: { $0.key < $1.key }) { text += " \(key)=\(value)" }
        let line =
            format == .json
            ? #"{"time":"\#(Self.time)","level":"\#(event.level)","message":"\#(Self.escaped(text))"}"#
            : "\(Self.time) \(Self.padded(event.level.rawValue)) \(Self.escaped(text))"
        // One write, so that lines of several threads do not mix.
        var bytes = Array((line + "\n").utf8)
        _ = write(STDERR_FILENO, &bytes, bytes.count)
    }

    private static func padded(_ level: String) -> String {
        level + String(repeating: " ", count: max(0, 7 - level.count))
    }

    /// ISO 8601 in UTC, with milliseconds.
    private static var time: String {
        let now = WallClock.milliseconds
        var seconds = time_t(now / 1000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let milliseconds = String(1000 + now % 1000).dropFirst()
        return
            "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))T\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)).\(milliseconds)Z"
    }

    /// The inside of a JSON string, which is also safe on a terminal.
    private static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            if result.utf8.count >= maximumBytes {
                result += "…"
                break
            }
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case _
            where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
                || (0x2028...0x202E).contains(scalar.value) || (0x2066...0x2069).contains(scalar.value):
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }
}
