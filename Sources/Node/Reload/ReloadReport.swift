package import Codec

/// What a reload did, or would do.
package struct ReloadReport: Codable, Equatable, Sendable {
    /// Keys with another value than before. Those with the effect `restart` keep the value in force.
    package var changed: [ConfigurationChange]
    package var warnings: [String] = []
    /// Subscriptions that the new rules do not permit any more, and that were ended without their session.
    package var subscriptionsEnded: Count = 0
    /// Sessions closed because their dialect has no other way to end a subscription.
    package var sessionsClosed: Count = 0

    init(changed: [ConfigurationChange]) { self.changed = changed }

    /// Keys that need a restart.
    package var waiting: [String] { changed.filter { $0.effect == .restart }.map(\.key) }
    package var applied: [String] { changed.filter { $0.effect != .restart }.map(\.key) }
}

/// Why a reload changed nothing.
package struct ReloadRefusal: Error, Equatable, Sendable, CustomStringConvertible {
    package let problems: [ConfigurationError.Problem]

    init(_ problems: [ConfigurationError.Problem]) { self.problems = problems }

    /// About a file as a whole.
    init(_ source: String, _ messages: [String]) {
        problems = messages.map { .init(source: source, line: nil, column: nil, message: $0) }
    }

    package var description: String { problems.map(\.description).joined(separator: "\n") }
}
