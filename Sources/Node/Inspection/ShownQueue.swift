import Reactor

/// What an operator looks at: so much of it is shown in a second, and what is left out is counted and told in its place, at the latest
/// after a second. On one reactor.
final class ShownQueue<Item: Sendable>: @unchecked Sendable {
    private let queue: BoundedQueue<Item>
    private let reactor: Reactor
    private let leftOut: @Sendable (Int) -> Void
    private let telling: @Sendable (LeftOut) -> Item
    private var rate: ShowingRate
    private var isTelling = false

    /// After this it is said what was left out, if nothing is shown before.
    private static var pause: Duration { .seconds(1) }

    /// - Parameters:
    ///   - perSecond: So many are shown in a second.
    ///   - leftOut: Called for those that are not.
    ///   - telling: What says so.
    init(
        _ queue: BoundedQueue<Item>, on reactor: Reactor, perSecond: Int, leftOut: @escaping @Sendable (Int) -> Void,
        telling: @escaping @Sendable (LeftOut) -> Item
    ) {
        self.queue = queue
        self.reactor = reactor
        self.leftOut = leftOut
        self.telling = telling
        rate = ShowingRate(perSecond: perSecond)
    }

    /// Something that is shown in any case.
    func append(_ item: Item) { queue.append(item) }

    /// Something that is shown if there is not too much of it.
    ///
    /// - Parameter bytes: What it would show.
    func show(_ bytes: Int, _ item: () -> Item) {
        guard rate.shows(bytes, now: reactor.now) else {
            leftOut(1)
            return tellLater()
        }
        tell()
        queue.append(item())
    }

    /// Counts something that cannot be shown.
    func leaveOut(_ bytes: Int) {
        rate.leaveOut(bytes)
        leftOut(1)
        tellLater()
    }

    /// Nothing comes after this.
    func end(with item: Item) {
        tell()
        queue.append(item)
        queue.end()
    }

    private func tell() {
        if let left = rate.takeLeftOut() { queue.append(telling(left)) }
    }

    private func tellLater() {
        guard !isTelling else { return }
        isTelling = true
        reactor.schedule(after: Self.pause) { [weak self] in
            self?.isTelling = false
            self?.tell()
        }
    }
}
