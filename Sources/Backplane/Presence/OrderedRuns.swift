extension Array {
    /// The same elements in no more memory than they need. `Array(self)` would share the memory of this one.
    var fitted: [Element] {
        var elements: [Element] = []
        elements.reserveCapacity(count)
        elements.append(contentsOf: self)
        return elements
    }
}

/// Something that has a place among others of its kind.
protocol Sortable {
    associatedtype SortKey: Comparable
    var sortKey: SortKey { get }
}

/// Elements in order, in runs of at most 256: finding one costs a few comparisons, adding or taking one moves at most one
/// run, and a page is read where it begins, however many there are. What is taken out gives its memory back.
struct OrderedRuns<Element: Sortable> {
    /// Most collections have a handful of elements, and need no second array.
    private var first: [Element] = []
    /// None of them is empty, and `first` is not while there are any.
    private var others: [[Element]] = []
    private(set) var count = 0

    /// Elements of one run at the most.
    static var longest: Int { 256 }

    var isEmpty: Bool { count == 0 }

    private func run(_ number: Int) -> [Element] { number == 0 ? first : others[number - 1] }

    /// Where an element is, or where it would have to go.
    private func locate(_ sortKey: Element.SortKey) -> (run: Int, index: Int, isThere: Bool) {
        var low = 0
        var high = others.count
        // The last run that begins at or before the place.
        while low < high {
            let middle = (low + high + 1) / 2
            if others[middle - 1][0].sortKey <= sortKey { low = middle } else { high = middle - 1 }
        }
        let (index, isThere) = Self.search(low == 0 ? first : others[low - 1], sortKey)
        return (low, index, isThere)
    }

    private static func search(_ elements: [Element], _ sortKey: Element.SortKey) -> (index: Int, isThere: Bool) {
        var low = 0
        var high = elements.count
        while low < high {
            let middle = (low + high) / 2
            if elements[middle].sortKey < sortKey { low = middle + 1 } else { high = middle }
        }
        return (low, low < elements.count && elements[low].sortKey == sortKey)
    }

    subscript(_ sortKey: Element.SortKey) -> Element? {
        let found = locate(sortKey)
        return found.isThere ? run(found.run)[found.index] : nil
    }

    /// Adds an element, unless one is there already.
    ///
    /// - Returns: Whether it was added.
    @discardableResult
    mutating func insert(_ element: Element) -> Bool {
        var (number, index, isThere) = locate(element.sortKey)
        guard !isThere else { return false }
        if run(number).count >= Self.longest {
            let half = Self.longest / 2
            let upper = Array(run(number)[half...])
            if number == 0 { first.removeSubrange(half...) } else { others[number - 1].removeSubrange(half...) }
            others.insert(upper, at: number)
            if index > half {
                number += 1
                index -= half
            }
        }
        if number == 0 { first.insert(element, at: index) } else { others[number - 1].insert(element, at: index) }
        count += 1
        return true
    }

    /// Changes an element where it is. Its place must stay the same.
    ///
    /// - Returns: Nil when it is not there.
    @discardableResult
    mutating func update<Result>(_ sortKey: Element.SortKey, _ body: (inout Element) -> Result) -> Result? {
        let found = locate(sortKey)
        guard found.isThere else { return nil }
        return found.run == 0 ? body(&first[found.index]) : body(&others[found.run - 1][found.index])
    }

    /// Takes an element out.
    mutating func remove(_ sortKey: Element.SortKey) -> Element? {
        let found = locate(sortKey)
        guard found.isThere else { return nil }
        count -= 1
        if found.run == 0 {
            let element = first.remove(at: found.index)
            if first.isEmpty {
                first = others.isEmpty ? [] : others.removeFirst()
            } else {
                Self.giveBack(&first)
            }
            return element
        }
        let element = others[found.run - 1].remove(at: found.index)
        if others[found.run - 1].isEmpty {
            others.remove(at: found.run - 1)
        } else {
            Self.giveBack(&others[found.run - 1])
        }
        return element
    }

    private static func giveBack(_ elements: inout [Element]) {
        if elements.capacity >= 16, elements.count <= elements.capacity / 4 { elements = elements.fitted }
    }

    /// The element that follows a place, or the first one.
    func next(after sortKey: Element.SortKey?) -> Element? {
        var found: Element?
        forEach(after: sortKey) {
            found = $0
            return false
        }
        return found
    }

    /// Goes through the elements behind a place, or through all, in order and for as long as the body says so.
    func forEach(after sortKey: Element.SortKey?, _ body: (Element) -> Bool) {
        guard count > 0 else { return }
        var number = 0
        var index = 0
        if let sortKey {
            let found = locate(sortKey)
            number = found.run
            index = found.isThere ? found.index + 1 : found.index
        }
        while number <= others.count {
            let elements = run(number)
            while index < elements.count {
                guard body(elements[index]) else { return }
                index += 1
            }
            number += 1
            index = 0
        }
    }
}
