/// Makes a `TagFilter` of nodes as they come, and checks them: known operations, what each needs and nothing else, and the limits.
///
/// Nodes are begun and ended like brackets, and their fields may come in any order between, but values before nodes below. After
/// the first thing that is not right everything else is ignored.
struct TagFilterBuilder {
    /// What is not known of a node before its end.
    struct Open {
        fileprivate let index: Int
        fileprivate var operation = [UInt8]()
        fileprivate var comparison = [UInt8]()
        fileprivate var values = 0
        fileprivate var children = 0
        fileprivate var hasValue = false
    }

    private var nodes: [TagFilter.Node] = []
    private var values: [TagFilter.Text] = []
    private var bytes: [UInt8] = []
    private var open: [Open] = []
    private var isRight = true

    /// The filter, after its last node has ended; nil when something was not right.
    var filter: TagFilter? {
        isRight && open.isEmpty && !nodes.isEmpty ? TagFilter(nodes: nodes, values: values, bytes: bytes) : nil
    }

    /// - Returns: Whether a node is wanted here; then its fields and `end` have to follow.
    mutating func begin() -> Bool {
        guard isRight, nodes.count < TagFilter.maximumNodes, open.count < TagFilter.maximumDepth else { return fail() }
        if !open.isEmpty { open[open.count - 1].children += 1 }
        open.append(Open(index: nodes.count))
        var node = TagFilter.Node()
        node.firstValue = UInt16(clamping: values.count)
        nodes.append(node)
        return true
    }

    mutating func setOperation(_ word: [UInt8]) { change { $0.operation = word } }

    mutating func setComparison(_ word: [UInt8]) { change { $0.comparison = word } }

    mutating func setKey(_ key: [UInt8]) {
        guard let text = keep(key), let index = open.last?.index else { return }
        nodes[index].key = text
    }

    /// The one value of most comparisons. An empty one is not set.
    mutating func setValue(_ value: [UInt8]) {
        guard !value.isEmpty else { return }
        add(value)
        change { $0.hasValue = true }
    }

    /// One of a set.
    mutating func add(_ value: [UInt8]) {
        guard let text = keep(value) else { return }
        guard values.count < TagFilter.maximumValues, let last = open.last, last.children == 0, !last.hasValue else {
            return _ = fail()
        }
        values.append(text)
        change { $0.values += 1 }
    }

    mutating func end() {
        guard let last = open.popLast(), isRight else { return }
        guard let operation = TagFilter.Operation(last.operation, last.comparison) else { return _ = fail() }
        nodes[last.index].operation = operation
        nodes[last.index].valueCount = UInt16(clamping: last.values)
        nodes[last.index].end = UInt16(clamping: nodes.count)
        let hasKey = nodes[last.index].key.count > 0
        let isComplete: Bool
        switch operation {
        case .and, .or: isComplete = !hasKey && last.children > 0 && last.values == 0
        case .not: isComplete = !hasKey && last.children == 1 && last.values == 0
        case .exists, .doesNotExist: isComplete = hasKey && last.children == 0 && last.values == 0
        case .isIn, .isNotIn: isComplete = hasKey && last.children == 0 && last.values > 0 && !last.hasValue
        case .isEqual, .isNotEqual, .startsWith, .endsWith, .contains:
            isComplete = hasKey && last.children == 0 && last.values == 1 && last.hasValue
        case .isLess, .isAtMost, .isGreater, .isAtLeast:
            isComplete = hasKey && last.children == 0 && last.values == 1 && last.hasValue && isNumber(values.last)
        }
        if !isComplete { _ = fail() }
    }

    /// What nothing could be compared with is a mistake.
    private func isNumber(_ text: TagFilter.Text?) -> Bool {
        guard let text else { return false }
        return bytes.withUnsafeBytes { bytes in
            let start = Int(text.start)
            return DecimalText(UnsafeRawBufferPointer(rebasing: bytes[start..<(start + Int(text.count))])) != nil
        }
    }

    private mutating func change(_ body: (inout Open) -> Void) {
        if isRight, !open.isEmpty { body(&open[open.count - 1]) }
    }

    private mutating func keep(_ text: [UInt8]) -> TagFilter.Text? {
        guard isRight else { return nil }
        guard text.count <= TagFilter.maximumBytes - bytes.count else {
            _ = fail()
            return nil
        }
        defer { bytes += text }
        return TagFilter.Text(start: UInt16(clamping: bytes.count), count: UInt16(clamping: text.count))
    }

    mutating func fail() -> Bool {
        isRight = false
        return false
    }
}

extension TagFilter.Operation {
    /// The words of the protocol: `op` of a node, and `cmp` where that is empty.
    init?(_ operation: [UInt8], _ comparison: [UInt8]) {
        func found(_ text: [UInt8], _ words: KeyValuePairs<StaticString, Self>) -> Self? {
            text.withUnsafeBytes { bytes in words.first { bytes.isEqual(to: $0.key) }?.value }
        }
        let word: Self? =
            operation.isEmpty
            ? found(
                comparison,
                [
                    "eq": .isEqual, "neq": .isNotEqual, "in": .isIn, "nin": .isNotIn, "ex": .exists,
                    "nex": .doesNotExist, "sw": .startsWith, "ew": .endsWith, "ct": .contains, "lt": .isLess,
                    "lte": .isAtMost, "gt": .isGreater, "gte": .isAtLeast,
                ])
            : comparison.isEmpty ? found(operation, ["and": .and, "or": .or, "not": .not]) : nil
        guard let word else { return nil }
        self = word
    }
}
