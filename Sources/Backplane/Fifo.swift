/// First in, first out. Elements stay in place when one is taken, until there are enough of them to be worth moving the rest; memory is
/// given back as it is emptied.
package struct Fifo<Element> {
    private var elements: [Element] = []
    private var start = 0
    private let kept: Int

    /// So many are taken before the rest is moved, and as many as are left.
    private static var step: Int { 1024 }

    /// - Parameter kept: Room for so many elements is kept when it is empty. Where it is emptied and filled all the time, that costs
    ///   less than to allocate it each time.
    package init(keeping kept: Int = 0) { self.kept = kept }

    package var count: Int { elements.count - start }

    package var first: Element? {
        @inline(__always) get { start < elements.count ? elements[start] : nil }
    }

    /// All of them, oldest first.
    package var all: [Element] { Array(elements[start...]) }

    @inline(__always)
    package mutating func append(_ element: Element) { elements.append(element) }

    @inline(__always)
    package mutating func next() -> Element? {
        guard start < elements.count else { return nil }
        let element = elements[start]
        start += 1
        if start == elements.count {
            elements.removeAll(keepingCapacity: elements.count <= kept)
            start = 0
        } else if start >= max(Self.step, kept), start * 2 >= elements.count {
            elements.removeFirst(start)
            elements = elements.fitted
            start = 0
        }
        return element
    }
}
