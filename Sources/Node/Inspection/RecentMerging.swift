import Codec

/// What several nodes say happened, as one list, newest first. Pure.
///
/// That a node has joined or is gone, every other node says by itself. It is told once, with the first that said it.
package enum RecentMerging {
    /// Within this time two nodes speak of the same, in milliseconds.
    package static let window: UInt64 = 15_000

    /// How texts begin that are about another node than the one that says them.
    private static let aboutNodes = Array("node ".utf8)

    package static func merge(_ answers: [(name: String, events: [LinkEventEntry])], limit: Int) -> [RecentEvent] {
        var all: [RecentEvent] = []
        for answer in answers {
            for event in answer.events.suffix(limit) {
                all.append(
                    RecentEvent(
                        time: event.time, node: PlainText(answer.name), severity: PlainText(event.level),
                        text: PlainText(event.message)))
            }
        }
        all.sort { left, right in
            if left.time != right.time { return left.time < right.time }
            return left.node.text.utf8.lexicographicallyPrecedes(right.node.text.utf8)
        }
        // By bytes: texts have names in them.
        var told: [[UInt8]: (time: Count, node: PlainText)] = [:]
        let kept = all.filter { event in
            let text = Array(event.text.text.utf8)
            guard text.starts(with: aboutNodes) else { return true }
            if let known = told[text], !known.node.text.utf8.elementsEqual(event.node.text.utf8),
                event.time.value - known.time.value <= window
            {
                return false
            }
            told[text] = (event.time, event.node)
            return true
        }
        return Array(kept.suffix(limit).reversed())
    }
}
