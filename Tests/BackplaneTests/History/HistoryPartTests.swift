import Codec
import Testing

@testable import Backplane

/// A part of another's page has to be what a read of its own brings.
@Suite struct HistoryPartTests {
    typealias Memory = MemoryHistoryTests

    @Test func aPartIsWhatAReadOfItsOwnBrings() {
        var random = SystemRandomNumberGenerator()
        var parts = 0
        for _ in 0..<200 {
            var history = MemoryHistory(random: 14)
            let settings = HistorySettings(size: 20, timeToLive: 60_000)
            for number in 1...Int.random(in: 1...30, using: &random) {
                let text = String(repeating: "x", count: Int.random(in: 0...600, using: &random)) + "\(number)"
                _ = history.append(Memory.publication(text), settings, now: Memory.at(0))
            }
            for _ in 0..<50 {
                let asked = query(settings, &random)
                let other = query(settings, &random)
                let page = history.page(asked, now: Memory.at(1))
                guard let part = page.part(for: other, readFor: asked) else { continue }
                parts += 1
                let own = history.page(other, now: Memory.at(1))
                #expect(part.publications.map(\.position) == own.publications.map(\.position), "\(asked) \(other)")
                #expect(part.isCut == own.isCut && part.isContinuous == own.isContinuous && part.top == own.top)
            }
        }
        #expect(parts > 100)
    }

    private func query(_ settings: HistorySettings, _ random: inout SystemRandomNumberGenerator) -> HistoryQuery {
        let since = Bool.random(using: &random) ? Int.random(in: 0...32, using: &random) : nil
        return HistoryQuery(
            channel: Memory.channel, settings: settings,
            since: since.map { Position(epoch: 7, offset: Offset(clamping: $0)) },
            limit: Int.random(in: 0...25, using: &random),
            bytes: [1, 2000, 1 << 20].randomElement(using: &random) ?? 1,
            isReverse: Bool.random(using: &random))
    }
}
