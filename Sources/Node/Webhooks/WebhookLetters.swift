package import Backplane

/// Where a dead letter is among those of all parts of a webhook: they are in the order of their ids, and of their parts where ids are
/// the same. A page ends at one, and the next page begins behind it.
package struct WebhookLetterPlace: Codable, Comparable, Sendable {
    private let time: UInt64
    private let number: UInt64
    private let part: Int

    package init(_ id: OutboxID, part: Int) {
        time = id.time
        number = id.number
        self.part = part
    }

    package static func < (left: Self, right: Self) -> Bool {
        (left.time, left.number, left.part) < (right.time, right.number, right.part)
    }

    /// The id behind which what follows in a part begins: in the parts behind this one, the same id follows.
    package func before(part other: Int) -> OutboxID {
        guard other > part else { return OutboxID(time: time, number: number) }
        guard number == 0 else { return OutboxID(time: time, number: number - 1) }
        return time == 0 ? OutboxID(time: 0, number: 0) : OutboxID(time: time - 1, number: .max)
    }
}

/// A page of the dead letters of all parts of a webhook, oldest first. Pure.
package struct WebhookLetters: Sendable {
    /// What was read of one part.
    package struct Part: Sendable {
        package let letters: [OutboxLetter]
        /// Whether it has no others behind these.
        package let isLast: Bool

        package init(letters: [OutboxLetter], isLast: Bool) {
            self.letters = letters
            self.isLast = isLast
        }
    }

    package let letters: [OutboxLetter]
    /// Where the page ends; nil where nothing follows.
    package let next: WebhookLetterPlace?

    /// - Parameters:
    ///   - parts: Of each the first ones behind the same place, in the order of their numbers.
    ///   - limit: The most letters of the page.
    package init(merging parts: [Part], limit: Int) {
        var all: [(place: WebhookLetterPlace, letter: OutboxLetter)] = []
        // Behind the end of what was read of a part, another part's letters may not be next.
        var horizon: WebhookLetterPlace?
        for (number, part) in parts.enumerated() {
            all += part.letters.map { (WebhookLetterPlace($0.id, part: number), $0) }
            guard !part.isLast, let last = part.letters.last else { continue }
            let place = WebhookLetterPlace(last.id, part: number)
            horizon = horizon.map { min($0, place) } ?? place
        }
        all.sort { $0.place < $1.place }
        let page = all.prefix(limit).prefix { one in horizon.map { one.place <= $0 } ?? true }
        letters = page.map(\.letter)
        next = page.count < all.count || horizon != nil ? page.last?.place : nil
    }
}
