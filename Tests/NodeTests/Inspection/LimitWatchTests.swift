import Codec
import Testing

@testable import Node

@Suite struct LimitWatchTests {
    @Test func tellsWhichBeginToBite() {
        var watch = LimitWatch()
        #expect(watch.look([0, 100]).isEmpty && watch.hits == [0, 0])
        #expect(watch.look([0, 100]).isEmpty)
        let begun = watch.look([3, 100])
        #expect(begun.map(\.limit) == [0] && begun.map(\.hits) == [3])
        // It goes on, which is no news.
        #expect(watch.look([5, 100]).isEmpty && watch.hits == [5, 0])
        #expect(watch.look([5, 101]).map(\.limit) == [1])
        for _ in 0..<LimitWatch.window { #expect(watch.look([5, 101]).isEmpty) }
        #expect(watch.hits == [0, 0])
        #expect(watch.look([6, 101]).map(\.limit) == [0])
    }

    @Test func everyLimitHasAKeyAndAMetric() {
        let keys = Set(ConfigurationKey.all.map(\.path))
        for limit in CountedLimit.all { #expect(keys.contains(limit.key), "\(limit.key)") }
        #expect(Set(CountedLimit.all.map(\.name)).count == CountedLimit.all.count)
        let described = ShardCounters.described.map(\.name)
        // Counting one of them is seen in that one and in no other.
        for (name, _, path) in ShardCounters.described {
            var counts = LimitCounts()
            counts.shards[keyPath: path] = 7
            let seen = CountedLimit.all.filter { $0.count(counts) == 7 }
            #expect(seen.count <= 1 && seen.allSatisfy { $0.name == name }, "\(name)")
        }
        #expect(CountedLimit.all.count { described.contains($0.name) } > 20)
    }
}
