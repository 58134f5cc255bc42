import Backplane
import Testing

@testable import Node

/// Pages of dead letters, of several queues.
@Suite struct WebhookLettersTests {
    private static func letter(_ time: UInt64, _ number: UInt64 = 0) -> OutboxLetter {
        OutboxLetter(id: OutboxID(time: time, number: number), body: [], reason: "")
    }

    /// What a queue says of its letters behind an id.
    private static func part(_ all: [OutboxLetter], after id: OutboxID, limit: Int, most: Int) -> WebhookLetters.Part {
        let rest = all.filter { $0.id > id }
        return .init(letters: Array(rest.prefix(min(limit, most))), isLast: rest.count <= min(limit, most))
    }

    /// All pages, one after the other.
    private static func pages(_ parts: [[OutboxLetter]], limit: Int, most: Int = 1000) -> [[OutboxLetter]] {
        var pages: [[OutboxLetter]] = []
        var place: WebhookLetterPlace?
        repeat {
            let read = parts.enumerated().map { number, all in
                part(all, after: place?.before(part: number) ?? .init(time: 0, number: 0), limit: limit, most: most)
            }
            let page = WebhookLetters(merging: read, limit: limit)
            pages.append(page.letters)
            place = page.next
        } while place != nil && pages.count < 1000
        return pages
    }

    @Test func nothing() {
        let page = WebhookLetters(
            merging: [.init(letters: [], isLast: true), .init(letters: [], isLast: true)], limit: 9)
        #expect(page.letters.isEmpty && page.next == nil)
    }

    @Test(arguments: [1, 2, 3, 5, 7, 100], [1, 2, 1000])
    func everyLetterComesOnceAndInOrder(limit: Int, most: Int) {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<50 {
            let parts = (0..<4).map { _ in
                let ids = Set(
                    (0..<Int.random(in: 0...12, using: &random)).map { _ in
                        OutboxID(time: .random(in: 1...4, using: &random), number: .random(in: 0...3, using: &random))
                    })
                return ids.sorted().map { Self.letter($0.time, $0.number) }
            }
            let pages = Self.pages(parts, limit: limit, most: most)
            let all = pages.flatMap { $0 }
            #expect(all.map(\.id) == parts.flatMap { $0 }.map(\.id).sorted())
            #expect(pages.allSatisfy { $0.count <= limit })
            #expect(pages.dropLast().allSatisfy { !$0.isEmpty })
        }
    }

    @Test func thePlaceBeforeAnID() {
        let place = WebhookLetterPlace(OutboxID(time: 5, number: 0), part: 3)
        #expect(place.before(part: 3) == OutboxID(time: 5, number: 0))
        #expect(place.before(part: 2) == OutboxID(time: 5, number: 0))
        #expect(place.before(part: 4) == OutboxID(time: 4, number: .max))
        #expect(
            WebhookLetterPlace(OutboxID(time: 5, number: 2), part: 3).before(part: 4) == OutboxID(time: 5, number: 1))
        // What a stranger may say.
        #expect(
            WebhookLetterPlace(OutboxID(time: 0, number: 0), part: .min).before(part: 7) == OutboxID(time: 0, number: 0)
        )
    }
}
