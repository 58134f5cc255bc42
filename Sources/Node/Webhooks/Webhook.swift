import Authentication
import Codec
import Reactor

/// An application that is told of events, as it is configured.
package struct Webhook: Equatable, Sendable {
    package var url: WebhookURL
    /// What requests are signed with, each by itself: one, or two while the receiver goes from one to the other.
    package var secrets: [String]
    package var kinds = EventKinds.all
    /// What is told of channels is told of those that match one of these; of all where there are none. What is about no channel is told
    /// only where there are none.
    package var channels: [ChannelPattern] = []
    /// How long an event is tried to be delivered.
    package var retryFor: Duration = .seconds(86_400)
    /// For one request, from the connection to the head of the answer.
    package var timeout: Duration = .seconds(10)
    /// How long a channel may be vacated and occupied again without anybody being told.
    package var vacatedGrace: Duration = .seconds(5)
    package var allowsPrivate = false

    package init(url: WebhookURL, secrets: [String]) {
        self.url = url
        self.secrets = secrets
    }

    /// The kinds that concern the occupancy of channels. Whoever wants one of them has both looked at, so that they alternate.
    static let occupancy: EventKinds = [.channelOccupied, .channelVacated]

    /// Webhooks that a node may have.
    package static let maximum = 16
    /// The shortest secret, in bytes: what HMAC-SHA-256 is worth (RFC 7518 3.2).
    package static let secretBytes = 32
    /// A new one, and the one before it.
    package static let maximumSecrets = 2
    /// By what all nodes know it: the same URL is the same webhook, whatever else is changed.
    package var id: String { url.id }

    /// What has to be listened to.
    var listened: EventKinds { kinds.isDisjoint(with: Self.occupancy) ? kinds : kinds.union(Self.occupancy) }

    /// Whether an event concerns it.
    func concerns(_ kind: EventKinds, _ channel: ChannelName?) -> Bool {
        guard listened.contains(kind) else { return false }
        guard !channels.isEmpty else { return true }
        guard let channel else { return false }
        return channels.contains { $0.matches(channel.bytes) }
    }

    /// `24h` is `86400s`.
    static func text(_ time: Duration) -> String {
        let milliseconds = time.wholeNanoseconds / 1_000_000
        return milliseconds % 1000 == 0 ? "\(milliseconds / 1000)s" : "\(milliseconds)ms"
    }

    /// What may be shown of it.
    package var text: String {
        "{url: \(url.shown), events: [\(kinds.names.joined(separator: ", "))]"
            + ", channels: [\(channels.map(\.description).joined(separator: ", "))]"
            + ", retry_for: \(Self.text(retryFor)), timeout: \(Self.text(timeout)), vacated_grace: \(Self.text(vacatedGrace))"
            + (allowsPrivate ? ", allow_private: true" : "") + "}"
    }
}

/// Where a webhook is: `http` or `https`, a host in lower case, and what follows. Parsed here, because the address that the name of the
/// host has is looked at, and has to be that of the host that is connected to.
package struct WebhookURL: Equatable, Sendable {
    /// As it was written.
    package let text: String
    /// Without brackets.
    package let host: String
    package let port: UInt16
    /// Without the query, which may hold a secret.
    package let shown: String
    /// Twelve hexadecimal digits that are the same for the same text.
    package let id: String

    private static let idDigits = 12

    /// - Returns: Nil for what is no such URL.
    package init?(_ text: String) {
        guard text.utf8.count <= 2048, text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") }),
            let scheme = ["http://", "https://"].first(where: { text.hasPrefix($0) })
        else { return nil }
        let rest = text.utf8.dropFirst(scheme.utf8.count)
        let authority = rest.prefix { $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?") }
        var host = Array(authority)
        var port: UInt16 = scheme == "https://" ? 443 : 80
        if let colon = host.lastIndex(of: UInt8(ascii: ":")), !host[colon...].contains(UInt8(ascii: "]")) {
            guard let number = UInt16(String(decoding: host[(colon + 1)...], as: UTF8.self)), number > 0 else {
                return nil
            }
            port = number
            host.removeSubrange(colon...)
        }
        if host.first == UInt8(ascii: "["), host.last == UInt8(ascii: "]") {
            host = Array(host.dropFirst().dropLast())
            guard case .v6? = IPAddress(parsing: host) else { return nil }
        } else {
            guard !host.isEmpty, host.count <= 253, host.allSatisfy(Self.isOfName) else { return nil }
        }
        self.text = text
        id = String(TextDigest.of(text).prefix(Self.idDigits))
        self.host = String(decoding: host, as: UTF8.self)
        self.port = port
        shown = String(decoding: text.utf8.prefix { $0 != UInt8(ascii: "?") }, as: UTF8.self)
    }

    private static func isOfName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
            UInt8(ascii: "."), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}
