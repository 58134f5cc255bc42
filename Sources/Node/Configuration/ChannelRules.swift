import Authentication
package import Codec

/// What may be done with the channels a pattern names.
package struct ChannelRule: Equatable, Sendable {
    package enum Subscribe: String, CaseIterable, Sendable {
        case anyone
        /// Whoever has a user id.
        case user
        /// Whoever's token says so: by a grant, by its list of channels, or by a token for this subscription.
        case granted
        case nobody
    }

    package enum Publish: String, CaseIterable, Sendable {
        /// Any client, and the API.
        case client
        /// Clients that have a user id, and the API.
        case user
        /// Clients whose token grants it, and the API.
        case granted
        /// The API only.
        case server

        /// Whether a client may publish in the channel, by who it is.
        func allows(_ channel: ChannelName, _ credentials: Credentials?) -> Bool {
            switch self {
            case .client: true
            case .user: credentials?.user != nil
            case .granted: credentials?.allows(.publish, in: channel) ?? false
            case .server: false
            }
        }
    }

    /// What happens to a subscriber that does not keep up.
    package enum Slow: String, CaseIterable, Sendable {
        /// It is disconnected, with a reason that says reconnect.
        case disconnect
        /// It loses the oldest of what waits for it.
        case dropOldest = "drop_oldest"
        /// It gets the newest publication only, once it reads again.
        case latest
    }

    /// The format of deltas in which subscribers may take publications.
    package enum Delta: String, CaseIterable, Sendable {
        case none
        case fossil
    }

    package var match: ChannelPattern
    package var subscribe: Subscribe
    package var publish: Publish
    package var slow: Slow
    /// What is kept of these channels; nil for nothing.
    package var history: HistorySettings?
    /// Whether it is known who is subscribed; nil for no.
    package var presence: PresenceSettings?
    /// Whether a new subscriber gets the newest publication at once; needs history.
    package var isCache: Bool
    /// Whether the cluster knows if anybody is subscribed.
    package var isOccupancyKnown: Bool
    package var delta: Delta
    /// Whether subscribers may filter publications by their tags.
    package var allowsFilters: Bool
    /// The application that decides about each publication of a client; nil for none.
    package var publishHook: String?
    /// The application that decides about each subscription that no token decided about; nil for none.
    package var subscribeHook: String?

    package init(
        match: ChannelPattern, subscribe: Subscribe = .anyone, publish: Publish = .server, slow: Slow = .disconnect,
        history: HistorySettings? = nil, presence: PresenceSettings? = nil, isCache: Bool = false,
        isOccupancyKnown: Bool = false, delta: Delta = .none, allowsFilters: Bool = false
    ) {
        self.delta = delta
        self.allowsFilters = allowsFilters
        self.presence = presence
        self.isCache = isCache
        self.isOccupancyKnown = isOccupancyKnown
        self.match = match
        self.subscribe = subscribe
        self.publish = publish
        self.slow = slow
        self.history = history
    }

    /// Whether a client may subscribe by who it is, and nobody else has to be asked. Where a token for the subscription would do, that
    /// is not counted.
    package func allowsSubscribe(to channel: ChannelName, _ credentials: Credentials?) -> Bool {
        subscribeHook == nil && mayAskToSubscribe(to: channel, credentials)
    }

    /// Whether the application is asked about a client that wants to subscribe, by who it is.
    package func mayAskToSubscribe(to channel: ChannelName, _ credentials: Credentials?) -> Bool {
        switch subscribe {
        case .anyone: true
        case .user: credentials?.user != nil
        case .granted: credentials?.allows(.subscribe, in: channel) ?? false
        case .nobody: false
        }
    }

    /// Whether a client may publish, and nobody else has to be asked.
    package func allowsPublish(to channel: ChannelName, _ credentials: Credentials?) -> Bool {
        publishHook == nil && publish.allows(channel, credentials)
    }
}

/// The rules in their order: the first that matches counts.
package struct ChannelRules: Equatable, Sendable {
    package let rules: [ChannelRule]
    /// For channels that no rule matches: everybody may listen, the API may speak.
    package static let otherwise = ChannelRule(match: ChannelPattern("*"))

    package init(_ rules: [ChannelRule]) { self.rules = rules }

    package func rule(for channel: ChannelName) -> ChannelRule {
        rules.first { $0.match.matches(channel.bytes) } ?? Self.otherwise
    }
}

/// A channel name in which `*` stands for any bytes, none included.
package struct ChannelPattern: Equatable, Sendable, CustomStringConvertible {
    private let bytes: [UInt8]

    package init(_ text: String) { bytes = Array(text.utf8) }

    package var description: String { String(decoding: bytes, as: UTF8.self) }

    /// Whether it matches everything that another pattern matches. A `*` of the other can only be taken by a `*` of this
    /// one, because nothing else of a pattern matches it.
    package func covers(_ other: ChannelPattern) -> Bool { matches(other.bytes) }

    /// Why no channel can have a name that matches, or nil. The reserved names of users and of everybody count as names.
    package var objection: ChannelNameError? {
        // Each star may stand for nothing: what is wrong with the shortest name is wrong with all of them, but for being
        // empty.
        let shortest = bytes.filter { $0 != UInt8(ascii: "*") }
        switch ChannelName.objection(to: shortest) {
        case .empty where shortest.count < bytes.count: return nil
        case .reserved: return nil
        case let objection: return objection
        }
    }

    /// In time proportional to the lengths multiplied, whatever the pattern.
    package func matches(_ name: [UInt8]) -> Bool {
        var pattern = 0
        var index = 0
        var star = -1
        var resume = 0
        while index < name.count {
            if pattern < bytes.count, bytes[pattern] == UInt8(ascii: "*") {
                star = pattern
                resume = index
                pattern += 1
            } else if pattern < bytes.count, bytes[pattern] == name[index] {
                pattern += 1
                index += 1
            } else if star >= 0 {
                // The last star takes one byte more.
                pattern = star + 1
                resume += 1
                index = resume
            } else {
                return false
            }
        }
        while pattern < bytes.count, bytes[pattern] == UInt8(ascii: "*") { pattern += 1 }
        return pattern == bytes.count
    }
}
