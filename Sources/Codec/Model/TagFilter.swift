/// Which publications a subscriber wants, by their tags (Centrifuge client protocol v2: FilterNode).
///
/// A tree in one list, each node before those below it, so that judging a publication allocates nothing. It was checked
/// when it was made (`TagFilterBuilder`).
package struct TagFilter: Hashable, Sendable {
    /// Nodes below nodes; the recursion that judges goes no deeper.
    package static let maximumDepth = 16
    package static let maximumNodes = 64
    /// Values of all nodes.
    package static let maximumValues = 256
    /// Keys and values of all nodes, in bytes.
    package static let maximumBytes = 4096

    /// What a node says.
    enum Operation: UInt8, CaseIterable {
        case and, or, not
        case isEqual, isNotEqual, isIn, isNotIn, exists, doesNotExist, startsWith, endsWith, contains
        case isLess, isAtMost, isGreater, isAtLeast
    }

    /// Bytes of `bytes`.
    struct Text: Hashable {
        var start: UInt16 = 0
        var count: UInt16 = 0
    }

    struct Node: Hashable {
        var operation = Operation.and
        var key = Text()
        /// Which of `values`.
        var firstValue: UInt16 = 0
        var valueCount: UInt16 = 0
        /// The node after the last one below it.
        var end: UInt16 = 0
    }

    let nodes: [Node]
    let values: [Text]
    let bytes: [UInt8]

    init(nodes: [Node], values: [Text], bytes: [UInt8]) {
        self.nodes = nodes
        self.values = values
        self.bytes = bytes
    }

    /// What it takes in memory, in bytes.
    package var memoryBytes: Int {
        nodes.count * MemoryLayout<Node>.stride + values.count * MemoryLayout<Text>.stride + bytes.count
            + MemoryLayout<Self>.stride
    }

    /// Whether a publication with these tags is wanted.
    package func matches(_ tags: PublicationTags?) -> Bool {
        (tags?.packed ?? []).withUnsafeBytes { tags in
            bytes.withUnsafeBytes { matches(0, tags, $0) }
        }
    }

    private func matches(_ index: Int, _ tags: UnsafeRawBufferPointer, _ bytes: UnsafeRawBufferPointer) -> Bool {
        let node = nodes[index]
        let end = Int(node.end)
        var child = index + 1
        switch node.operation {
        case .and:
            while child < end {
                guard matches(child, tags, bytes) else { return false }
                child = Int(nodes[child].end)
            }
            return true
        case .or:
            while child < end {
                if matches(child, tags, bytes) { return true }
                child = Int(nodes[child].end)
            }
            return false
        case .not: return !matches(child, tags, bytes)
        default: return judges(node, Self.value(of: Self.text(node.key, bytes), in: tags), bytes)
        }
    }

    private func judges(_ node: Node, _ value: UnsafeRawBufferPointer?, _ bytes: UnsafeRawBufferPointer) -> Bool {
        switch node.operation {
        case .exists: return value != nil
        case .doesNotExist: return value == nil
        // A tag that is not there counts as an empty one in sets.
        case .isIn: return isAmong(node, value, bytes)
        case .isNotIn: return !isAmong(node, value, bytes)
        default: break
        }
        guard let value else { return node.operation == .isNotEqual }
        let other = Self.text(values[Int(node.firstValue)], bytes)
        switch node.operation {
        case .isEqual: return value.isEqual(to: other)
        case .isNotEqual: return !value.isEqual(to: other)
        case .startsWith: return value.starts(with: other)
        case .endsWith:
            return value.count >= other.count
                && UnsafeRawBufferPointer(rebasing: value[(value.count - other.count)...]).isEqual(to: other)
        case .contains: return Self.contains(value, other)
        case .isLess: return Self.compare(value, other) { $0.isLess(than: $1) }
        case .isAtMost: return Self.compare(value, other) { !$1.isLess(than: $0) }
        case .isGreater: return Self.compare(value, other) { $1.isLess(than: $0) }
        case .isAtLeast: return Self.compare(value, other) { !$0.isLess(than: $1) }
        case .and, .or, .not, .isIn, .isNotIn, .exists, .doesNotExist: return false
        }
    }

    private func isAmong(_ node: Node, _ value: UnsafeRawBufferPointer?, _ bytes: UnsafeRawBufferPointer) -> Bool {
        let value = value ?? UnsafeRawBufferPointer(start: nil, count: 0)
        let first = Int(node.firstValue)
        for index in first..<(first + Int(node.valueCount)) where Self.text(values[index], bytes).isEqual(to: value) {
            return true
        }
        return false
    }

    /// A value that is no number is neither less nor more.
    private static func compare(
        _ value: UnsafeRawBufferPointer, _ other: UnsafeRawBufferPointer, by holds: (DecimalText, DecimalText) -> Bool
    ) -> Bool {
        guard let value = DecimalText(value), let other = DecimalText(other) else { return false }
        return holds(value, other)
    }

    private static func contains(_ value: UnsafeRawBufferPointer, _ part: UnsafeRawBufferPointer) -> Bool {
        guard value.count >= part.count else { return false }
        for start in 0...(value.count - part.count)
        where UnsafeRawBufferPointer(rebasing: value[start..<(start + part.count)]).isEqual(to: part) {
            return true
        }
        return false
    }

    private static func text(_ text: Text, _ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: bytes[Int(text.start)..<(Int(text.start) + Int(text.count))])
    }

    private static func value(
        of key: UnsafeRawBufferPointer, in tags: UnsafeRawBufferPointer
    ) -> UnsafeRawBufferPointer? {
        var reader = PublicationTags.Reader(tags)
        while let tag = reader.next() {
            if tag.key.isEqual(to: key) { return tag.value }
        }
        return nil
    }
}
