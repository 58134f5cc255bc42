/// The first elements in an order, of any number that are offered one after another. At most `limit` of them are held at a time,
/// and one that comes behind those costs one comparison. Pure.
package struct Foremost<Element> {
    /// A heap: the last one of those that are held is at its root.
    private var heap: [Element] = []
    private let limit: Int
    private let precedes: (Element, Element) -> Bool

    package init(_ limit: Int, by precedes: @escaping (Element, Element) -> Bool) {
        self.limit = limit
        self.precedes = precedes
    }

    /// Those that are held, in no order.
    package var elements: [Element] { heap }

    /// Those that are held, in order.
    package var sorted: [Element] { heap.sorted(by: precedes) }

    package mutating func offer(_ element: Element) {
        if heap.count < limit {
            heap.append(element)
            rise(heap.count - 1)
        } else if let last = heap.first, precedes(element, last) {
            heap[0] = element
            sink()
        }
    }

    private mutating func rise(_ start: Int) {
        var index = start
        while index > 0 {
            let parent = (index - 1) / 2
            guard precedes(heap[parent], heap[index]) else { return }
            heap.swapAt(parent, index)
            index = parent
        }
    }

    private mutating func sink() {
        var index = 0
        while true {
            var last = index
            for child in 2 * index + 1...2 * index + 2 where child < heap.count && precedes(heap[last], heap[child]) {
                last = child
            }
            guard last != index else { return }
            heap.swapAt(last, index)
            index = last
        }
    }
}
