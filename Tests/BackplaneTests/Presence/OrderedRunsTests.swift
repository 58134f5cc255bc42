import Testing

@testable import Backplane

@Suite struct OrderedRunsTests {
    private struct Number: Sortable, Equatable {
        let sortKey: Int
        var value = 0
    }

    private func all(_ runs: OrderedRuns<Number>, after: Int? = nil, most: Int = .max) -> [Int] {
        var found: [Int] = []
        runs.forEach(after: after) {
            found.append($0.sortKey)
            return found.count < most
        }
        return found
    }

    @Test func isWhatASortedListIs() {
        var generator = SystemRandomNumberGenerator()
        var runs = OrderedRuns<Number>()
        var model: Set<Int> = []
        for step in 0..<20_000 {
            // It grows to thousands, and shrinks to nothing.
            let sortKey = Int.random(in: 0..<4000, using: &generator)
            let isGrowing = step < 12_000
            if Int.random(in: 0..<10, using: &generator) < (isGrowing ? 7 : 2) {
                let added = runs.insert(Number(sortKey: sortKey))
                check(added == model.insert(sortKey).inserted)
            } else {
                let wanted = isGrowing ? sortKey : model.first ?? sortKey
                let removed = runs.remove(wanted)
                check((removed != nil) == (model.remove(wanted) != nil))
            }
            check(runs.count == model.count)
            check((runs[sortKey] != nil) == model.contains(sortKey))
            if step % 500 == 0 {
                let sorted = model.sorted()
                check(all(runs) == sorted)
                check(all(runs, after: sortKey, most: 20) == Array(sorted.filter { $0 > sortKey }.prefix(20)))
                check(runs.next(after: sortKey)?.sortKey == sorted.first { $0 > sortKey })
                check(runs.next(after: nil)?.sortKey == sorted.first)
            }
        }
        for sortKey in model { check(runs.remove(sortKey) != nil) }
        check(runs.isEmpty && all(runs).isEmpty)
    }

    @Test func changesAnElementWhereItIs() {
        var runs = OrderedRuns<Number>()
        for sortKey in 0..<1000 { runs.insert(Number(sortKey: sortKey)) }
        let was = runs.update(700) {
            $0.value += 5
            return $0.value
        }
        check(was == 5 && runs[700] == Number(sortKey: 700, value: 5))
        check(runs.update(1000) { $0.value } == nil)
    }
}
