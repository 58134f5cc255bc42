import Codec
import Glibc
package import Logging
import Reactor
import Synchronization

/// Logs one line an event to standard error: text for people, JSON for programs. Whatever an event holds, it cannot make
/// a second line or control a terminal, and whoever causes it cannot flood the log.
package struct LineLogHandler: LogHandler {
    package var metadata: Logger.Metadata = [:]
    /// The node's, unless this logger has a level of its own.
    package var logLevel: Logger.Level {
        get { ownLevel ?? LogSettings.level }
        set { ownLevel = newValue }
    }
    private var ownLevel: Logger.Level?
    private let ownFormat: Configuration.LogFormat?
    private var format: Configuration.LogFormat { ownFormat ?? LogSettings.format }
    /// Whether lines may be left out; those of the audit log may not.
    private let isLimited: Bool

    /// Of a message, in bytes; what is longer is cut.
    private static let messageBytes = 2048
    /// Of the value of a field, which is what clients may choose.
    private static let fieldBytes = 256

    /// The label of loggers whose lines are never left out.
    package static let auditLabel = "carillon.audit"

    private static let gate = Mutex(LogGate())

    /// Lines that were left out since the start, because too many of the same kind came.
    package static var leftOut: UInt64 { gate.withLock { $0.leftOut } }

    /// - Parameters:
    ///   - format: Nil for that of `LogSettings`, which a reload may change.
    ///   - level: The same.
    package init(format: Configuration.LogFormat? = nil, level: Logger.Level? = nil, isLimited: Bool = true) {
        ownFormat = format
        self.isLimited = isLimited
        ownLevel = level
        let plain = self
        LogWriter.standardError.tellLosses { count in
            let text = "\(things(count, "log line was", "log lines were")) lost: the log was not read for a while"
            return Array((plain.line(.warning, text, [:]) + "\n").utf8)
        }
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        var leftOut: UInt64?
        if isLimited {
            switch Self.gate.withLock({ $0.decide("\(event.file):\(event.line)", now: .now()) }) {
            case .leaveOut: return
            case .write: break
            case .writeAfter(let count): leftOut = count
            }
        }
        var fields = metadata.merging(event.metadata ?? [:]) { _, new in new }
        fields["left_out"] = leftOut.map { "\($0)" }
        LogWriter.standardError.write(Array((line(event.level, "\(event.message)", fields) + "\n").utf8))
    }

    /// - Parameter time: ISO 8601.
    func line(_ level: Logger.Level, _ message: String, _ fields: Logger.Metadata, time: String = Self.time) -> String {
        let text = LogText.escaped(message, limit: Self.messageBytes)
        let values = fields.sorted { $0.key < $1.key }.map { key, value in
            (LogText.escaped(key, limit: Self.fieldBytes), LogText.escaped("\(value)", limit: Self.fieldBytes))
        }
        switch format {
        case .json:
            let more = values.map { #","\#($0.0)":"\#($0.1)""# }.joined()
            return #"{"time":"\#(time)","level":"\#(level)","message":"\#(text)"\#(more)}"#
        case .text:
            let more = values.map { $0.1.contains(" ") || $0.1.isEmpty ? " \($0.0)=\"\($0.1)\"" : " \($0.0)=\($0.1)" }
            let name = level.rawValue
            return "\(time) \(name)\(String(repeating: " ", count: max(0, 7 - name.count))) \(text)\(more.joined())"
        }
    }

    /// ISO 8601 in UTC, with milliseconds.
    private static var time: String {
        let now = WallClock.milliseconds
        var seconds = time_t(now / 1000)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
        let milliseconds = String(1000 + now % 1000).dropFirst()
        let date = "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
        return "\(date)T\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)).\(milliseconds)Z"
    }
}
