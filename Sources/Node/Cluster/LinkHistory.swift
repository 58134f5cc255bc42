/// What happened to the link, newest last: what an operator wants to read first at 3 a.m.
package struct LinkHistory: Sendable {
    package struct Event: Sendable, Equatable {
        /// Milliseconds since 1970.
        package let time: UInt64
        package let level: Level
        package let message: String

        package init(time: UInt64, level: Level, message: String) {
            self.time = time
            self.level = level
            self.message = message
        }
    }

    package enum Level: String, Sendable {
        case info, warning, error
    }

    /// Older events are forgotten.
    package static let maximumEvents = 100

    package private(set) var events: [Event] = []

    package init() {}

    package mutating func append(_ event: Event) {
        if events.count == Self.maximumEvents { events.removeFirst() }
        events.append(event)
    }
}
