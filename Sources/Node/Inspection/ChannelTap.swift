import Backplane
package import Codec
package import Reactor

/// Somebody in the control plane who reads along in a channel. It is no subscriber: nobody is told of it, and it counts nowhere.
///
/// On the home reactor, where each publication of a channel comes by once, whatever the number of subscribers.
package final class ChannelTap: @unchecked Sendable {
    /// What is read.
    package enum Item: Sendable {
        /// From here on everything that is published comes.
        case confirmed
        case publication(Publication)
        /// More was published than is shown.
        case leftOut(LeftOut)
        /// Publications of a channel with history are gone for good.
        case lost(Position?)

        package var weight: Int {
            switch self {
            case .publication(let publication): Self.overhead + publication.weight
            case .confirmed, .leftOut, .lost: Self.overhead
            }
        }

        private static let overhead = 128
    }

    package let channel: ChannelName
    private let shown: ShownQueue<Item>

    /// - Parameters:
    ///   - perSecond: So many publications are shown in a second.
    ///   - leftOut: Called for those that are not.
    package init(
        _ channel: ChannelName, home: Reactor, queue: BoundedQueue<Item>, perSecond: Int,
        leftOut: @escaping @Sendable (Int) -> Void
    ) {
        self.channel = channel
        shown = ShownQueue(queue, on: home, perSecond: perSecond, leftOut: leftOut) { .leftOut($0) }
    }

    func confirmed() { shown.append(.confirmed) }

    func lost(_ top: Position?) { shown.append(.lost(top)) }

    func delivered(_ publication: Publication) {
        // A change of presence is no publication.
        guard publication.extras?.change == nil else { return }
        shown.show(publication.payload.count) { .publication(publication) }
    }
}

extension Exchange {
    /// Somebody reads along in a channel, until `removeTap`.
    func addTap(_ tap: ChannelTap) {
        let interest = interest(for: tap.channel)
        let isHeld = interest.isHeld
        interest.taps.append(tap)
        tapped.insert(tap.channel)
        if interest.isConfirmed { tap.confirmed() } else if !isHeld { backplane.addInterest(tap.channel) }
    }

    func removeTap(_ tap: ChannelTap) {
        guard let interest = interests[tap.channel] else { return }
        interest.taps.removeAll { $0 === tap }
        if interest.taps.isEmpty { tapped.remove(tap.channel) }
        if !interest.isHeld { giveUp(interest) }
    }
}
