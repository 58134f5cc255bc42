/// A pattern for names as file names have it, without separators: `*` stands for any characters, none included, `?` for one,
/// `[abc]`, `[a-z]` and `[!a]` for one of a set, `{a,b}` for one of several patterns; a backslash takes the next character
/// for itself.
///
/// Matching walks over the name once with all places in the pattern at which it can be (Thompson's construction), so it takes time
/// in proportion to the two lengths multiplied, whatever the pattern.
package struct GlobPattern: Sendable {
    private enum Step: Sendable {
        case one(Unicode.Scalar)
        case any
        case set([ClosedRange<Unicode.Scalar>], isNegated: Bool)
        /// Goes on at both places without taking anything.
        case fork(Int, Int)
        case end
    }

    /// The longest pattern, in bytes.
    package static let maximumBytes = 255
    /// How deep alternatives may lie within each other.
    private static let maximumDepth = 8

    package let text: String
    private var steps: [Step] = []
    /// Where each step that takes something leads: all places that can be reached from there without taking anything.
    private var reached: [StateSet] = []
    private var start = StateSet()

    /// - Returns: Nil for what is no pattern: too long, with a bracket that is not closed, or an empty set.
    package init?(_ text: String) {
        guard text.utf8.count <= Self.maximumBytes else { return nil }
        self.text = text
        var parser = Parser(scalars: Array(text.unicodeScalars))
        guard let node = parser.sequence(depth: 0), parser.isAtEnd else { return nil }
        // From the end, so that each step knows where the next one is.
        var program = Program()
        let first = program.compile(node, next: 0)
        guard program.steps.count <= StateSet.capacity else { return nil }
        steps = program.steps
        start = program.states(from: first)
        reached = program.targets.map { $0.map { program.states(from: $0) } ?? StateSet() }
    }

    // MARK: Matching

    package func matches(_ name: [UInt8]) -> Bool {
        var states = start
        var bytes = name.makeIterator()
        var decoder = UTF8()
        while case .scalarValue(let scalar) = decoder.decode(&bytes) {
            var next = StateSet()
            states.forEach { state in
                if takes(steps[state], scalar) { next.formUnion(reached[state]) }
            }
            if next.isEmpty { return false }
            states = next
        }
        return states.contains(0)
    }

    private func takes(_ step: Step, _ scalar: Unicode.Scalar) -> Bool {
        switch step {
        case .one(let own): own == scalar
        case .any: true
        case .set(let ranges, let isNegated): ranges.contains { $0.contains(scalar) } != isNegated
        case .fork, .end: false
        }
    }

    /// Some of the steps, by their numbers.
    private struct StateSet {
        /// A pattern has two steps for each of its bytes at the most, and the end.
        static let capacity = 512
        /// No SIMD vector: a pattern lives in frames of asynchronous functions, whose memory is aligned for 16 bytes only.
        private var words = InlineArray<8, UInt64>(repeating: 0)

        var isEmpty: Bool { words.indices.allSatisfy { words[$0] == 0 } }

        func contains(_ state: Int) -> Bool { words[state / 64] & 1 << UInt64(state % 64) != 0 }

        mutating func insert(_ state: Int) { words[state / 64] |= 1 << UInt64(state % 64) }

        mutating func formUnion(_ other: StateSet) {
            for index in words.indices { words[index] |= other.words[index] }
        }

        func forEach(_ body: (Int) -> Void) {
            for index in 0..<8 {
                var word = words[index]
                while word != 0 {
                    body(index * 64 + word.trailingZeroBitCount)
                    word &= word - 1
                }
            }
        }
    }

    // MARK: Reading

    private indirect enum Node {
        case one(Unicode.Scalar)
        case any
        case many
        case set([ClosedRange<Unicode.Scalar>], isNegated: Bool)
        case sequence([Node])
        case choice([Node])
    }

    private struct Program {
        var steps: [Step] = [.end]
        var targets: [Int?] = [nil]

        mutating func append(_ step: Step, next: Int?) -> Int {
            steps.append(step)
            targets.append(next)
            return steps.count - 1
        }

        mutating func compile(_ node: Node, next: Int) -> Int {
            switch node {
            case .one(let scalar): return append(.one(scalar), next: next)
            case .any: return append(.any, next: next)
            case .set(let ranges, let isNegated): return append(.set(ranges, isNegated: isNegated), next: next)
            case .many:
                let fork = append(.fork(next, next), next: nil)
                let loop = append(.any, next: fork)
                steps[fork] = .fork(next, loop)
                return fork
            case .sequence(let nodes):
                var next = next
                for node in nodes.reversed() { next = compile(node, next: next) }
                return next
            case .choice(let nodes):
                var start: Int?
                for node in nodes {
                    let other = compile(node, next: next)
                    start = start.map { append(.fork($0, other), next: nil) } ?? other
                }
                return start ?? next
            }
        }

        /// A place and all that can be reached from it without taking anything.
        func states(from state: Int) -> StateSet {
            var states = StateSet()
            var pending = [state]
            while let state = pending.popLast() {
                guard !states.contains(state) else { continue }
                states.insert(state)
                guard case .fork(let left, let right) = steps[state] else { continue }
                pending.append(left)
                pending.append(right)
            }
            return states
        }
    }

    private struct Parser {
        let scalars: [Unicode.Scalar]
        var index = 0

        init(scalars: [Unicode.Scalar]) { self.scalars = scalars }

        var isAtEnd: Bool { index == scalars.count }
        private var next: Unicode.Scalar? { index < scalars.count ? scalars[index] : nil }

        private mutating func take() -> Unicode.Scalar? {
            guard let scalar = next else { return nil }
            index += 1
            return scalar
        }

        /// Up to the end, or within alternatives to the next of them.
        mutating func sequence(depth: Int) -> Node? {
            var nodes: [Node] = []
            while let scalar = next {
                if depth > 0, scalar == "," || scalar == "}" { break }
                index += 1
                switch scalar {
                case "*": nodes.append(.many)
                case "?": nodes.append(.any)
                case "[":
                    guard let set = set() else { return nil }
                    nodes.append(set)
                case "{":
                    guard depth < GlobPattern.maximumDepth, let choice = choice(depth: depth + 1) else { return nil }
                    nodes.append(choice)
                case "\\":
                    guard let escaped = take() else { return nil }
                    nodes.append(.one(escaped))
                default: nodes.append(.one(scalar))
                }
            }
            return .sequence(nodes)
        }

        private mutating func choice(depth: Int) -> Node? {
            var nodes: [Node] = []
            repeat {
                guard let node = sequence(depth: depth) else { return nil }
                nodes.append(node)
                guard let end = take() else { return nil }
                if end == "}" { return .choice(nodes) }
            } while true
        }

        private mutating func set() -> Node? {
            var isNegated = false
            if next == "!" {
                isNegated = true
                index += 1
            }
            var ranges: [ClosedRange<Unicode.Scalar>] = []
            while let scalar = take() {
                if scalar == "]" { return ranges.isEmpty ? nil : .set(ranges, isNegated: isNegated) }
                guard let low = scalar == "\\" ? take() : scalar else { return nil }
                guard next == "-", index + 1 < scalars.count, scalars[index + 1] != "]" else {
                    ranges.append(low...low)
                    continue
                }
                index += 1
                guard let mark = take(), let high = mark == "\\" ? take() : mark, low <= high else { return nil }
                ranges.append(low...high)
            }
            return nil
        }
    }
}
