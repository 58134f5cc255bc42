package import Backplane
package import Codec
import Reactor

/// One payload for one or more channels, as the control plane wants it published.
package struct PublishOrder: Sendable {
    package var channels: [ChannelName]
    package var kind: PayloadKind
    package var payload: [UInt8]
    package var extras: Publication.Extras?
    /// Whether channels that keep history keep this.
    package var isKept: Bool

    package init(
        channels: [ChannelName], kind: PayloadKind, payload: [UInt8], extras: Publication.Extras? = nil,
        isKept: Bool = true
    ) {
        self.channels = channels
        self.kind = kind
        self.payload = payload
        self.extras = extras
        self.isKept = isKept
    }
}

/// The one door for everything that publishes and is no client: the API, the server API, and whatever else takes
/// publications from applications.
package protocol Publisher: Sendable {
    /// Publishes to each channel, whatever becomes of the others.
    ///
    /// - Returns: The outcome in each channel, in the order of the channels.
    func publish(_ order: PublishOrder) async -> [PublishOutcome]
    /// Publishes several at once; those to one channel keep their order.
    ///
    /// - Returns: The outcomes of each, in the order of its channels.
    func publish(_ orders: [PublishOrder]) async -> [[PublishOutcome]]
}

/// Publishes by way of this node's exchange.
package struct NodePublisher: Publisher {
    private let exchange: Exchange
    private let origin: NodeID

    /// Publications of one order that wait for their outcome at a time: each is a copy of the payload on the link.
    static let window = 64

    package init(exchange: Exchange, origin: NodeID) {
        self.exchange = exchange
        self.origin = origin
    }

    package func publish(_ order: PublishOrder) async -> [PublishOutcome] {
        var outcomes: [PublishOutcome] = []
        outcomes.reserveCapacity(order.channels.count)
        var rest = order.channels[...]
        while !rest.isEmpty {
            let part = Array(rest.prefix(Self.window))
            rest = rest.dropFirst(part.count)
            outcomes += await publish(order, to: part)
        }
        return outcomes
    }

    package func publish(_ orders: [PublishOrder]) async -> [[PublishOutcome]] {
        // As one list, of which a window is under way at a time.
        let all = orders.flatMap { order in order.channels.map { (order, $0) } }
        var outcomes: [PublishOutcome] = []
        outcomes.reserveCapacity(all.count)
        var rest = all[...]
        while !rest.isEmpty {
            let part = Array(rest.prefix(Self.window))
            rest = rest.dropFirst(part.count)
            outcomes += await publish(part)
        }
        var left = outcomes[...]
        return orders.map { order in
            let own = Array(left.prefix(order.channels.count))
            left = left.dropFirst(own.count)
            return own
        }
    }

    private func publish(_ order: PublishOrder, to channels: [ChannelName]) async -> [PublishOutcome] {
        await publish(channels.map { (order, $0) })
    }

    private func publish(_ publications: [(order: PublishOrder, channel: ChannelName)]) async -> [PublishOutcome] {
        let exchange = exchange
        let origin = origin
        return await withCheckedContinuation { continuation in
            exchange.home.post {
                let outcomes = Outcomes(publications.count) { continuation.resume(returning: $0) }
                let time = WallClock.milliseconds
                for (index, (order, channel)) in publications.enumerated() {
                    let publication = Publication(
                        channel: channel, kind: order.kind, payload: order.payload, origin: origin, time: time,
                        extras: order.extras)
                    exchange.publish(publication, isKept: order.isKept) { outcomes.set($0, at: index) }
                }
            }
        }
    }
}

/// The outcomes of publications that were sent on their way together. On the home reactor, where they come in.
private final class Outcomes: @unchecked Sendable {
    private var known: [PublishOutcome?]
    private var missing: Int
    private let completion: @Sendable ([PublishOutcome]) -> Void

    init(_ count: Int, completion: @escaping @Sendable ([PublishOutcome]) -> Void) {
        known = Array(repeating: nil, count: count)
        missing = count
        self.completion = completion
    }

    func set(_ outcome: PublishOutcome, at index: Int) {
        guard known[index] == nil else { return }
        known[index] = outcome
        missing -= 1
        if missing == 0 { completion(known.compactMap { $0 }) }
    }
}
