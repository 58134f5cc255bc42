package import Reactor

/// Whether Redis has our scripts, and when it is asked to take them again. Pure.
///
/// Scripts are loaded with every connection. `NOSCRIPT` means that Redis forgot them since (`SCRIPT FLUSH`), so they are
/// loaded again and the command is repeated, once. When a script is missing right after it was loaded, loading does not
/// help: what needs the script is refused, and loading is tried again after a pause that doubles each time.
package struct ScriptLoading {
    package enum Decision: Equatable, Sendable {
        /// The scripts have to be loaded; then the command can be sent again.
        case load
        /// They were loaded after the command was sent: it can be sent again.
        case again
        case refuse
    }

    /// Scripts that were missing although they had been loaded.
    private var missing: Set<RedisScript> = []
    private var loadedAt: MonotonicTime?
    /// The number of the last command before the scripts were loaded.
    private var loadedBehind: UInt64 = 0
    private var pause = shortest
    /// Whether an operator knows that loading does not help.
    private var isReported = false

    /// Scripts are loaded at most once in this time, and after failures less often, up to the longest.
    package static let shortest: Duration = .seconds(1)
    package static let longest: Duration = .seconds(60)

    package init() {}

    /// Loading begins.
    ///
    /// - Parameter last: The number of the command before it.
    package mutating func began(after last: UInt64, now: MonotonicTime) {
        if !missing.isEmpty { pause = min(pause * 2, Self.longest) }
        loadedAt = now
        loadedBehind = last
    }

    /// A new connection: scripts were loaded with it, and what was known of another server says nothing about this one.
    package mutating func connected(after last: UInt64, now: MonotonicTime) {
        missing = []
        isReported = false
        pause = Self.shortest
        loadedAt = now
        loadedBehind = last
    }

    /// Redis says that it does not have a script.
    ///
    /// - Parameters:
    ///   - number: Of the command.
    ///   - isRepeat: Whether the command had been sent before.
    package mutating func missed(
        _ script: RedisScript, number: UInt64, isRepeat: Bool, now: MonotonicTime
    ) -> Decision {
        if !isRepeat {
            if number <= loadedBehind { return .again }
            if isPauseOver(now), missing.isEmpty { return .load }
        }
        missing.insert(script)
        return .refuse
    }

    /// A script was carried out.
    ///
    /// - Returns: Whether an operator has to hear that all is well again.
    package mutating func worked(_ script: RedisScript) -> Bool {
        guard !missing.isEmpty, missing.remove(script) != nil, missing.isEmpty else { return false }
        pause = Self.shortest
        defer { isReported = false }
        return isReported
    }

    /// Whether an operator has to hear that a script is missing. True once, until it works again.
    package mutating func isNews() -> Bool {
        defer { isReported = true }
        return !isReported
    }

    /// Whether it is time to try again. Asked once a second.
    package func isDue(now: MonotonicTime) -> Bool { !missing.isEmpty && isPauseOver(now) }

    private func isPauseOver(_ now: MonotonicTime) -> Bool { loadedAt.map { now - $0 >= pause } ?? true }
}
