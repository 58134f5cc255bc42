package import Codec
import Reactor

/// Traces of connections on any node, asked for from any node.
extension ClusterInspector {
    /// A trace that runs on a node.
    package struct RemoteTrace: Sendable {
        package let node: NodeID
        let number: String
    }

    package enum TraceBeginning: Sendable {
        case begun(RemoteTrace)
        case refused(TraceRefusal)
        /// The node is gone, did not answer, or is of a version that has no traces.
        case unreachable
    }

    package func trace(_ id: SessionID, seconds: Int) async -> TraceBeginning {
        let (_, answers) = await ask(.trace(connection: id.description, seconds: seconds), to: id.node)
        for entry in answers {
            switch entry.answer {
            case .traceBegun(let number): return .begun(RemoteTrace(node: entry.node, number: number))
            case .traceRefused(let refusal): return .refused(refusal)
            default: break
            }
        }
        return .unreachable
    }

    /// The next part of a trace.
    ///
    /// - Returns: Nil when its node did not answer.
    package func next(of trace: RemoteTrace) async -> [TraceItem]? {
        let (_, answers) = await ask(.traceNext(id: trace.number), to: trace.node)
        for entry in answers {
            if case .traceItems(let items) = entry.answer { return items }
        }
        return nil
    }

    package func end(_ trace: RemoteTrace) async { _ = await ask(.traceEnd(id: trace.number), to: trace.node) }

    // MARK: This node's answers

    func beginTrace(_ text: String, seconds: Int) async -> ClusterAnswer {
        guard let id = SessionID(text), id.node == node.id else { return .traceRefused(.unknown) }
        let configuration = node.configuration
        let begun = await node.traces.begin(
            id, on: node.shards.first { $0.index == Locator(id.locator).reactor }, seconds: seconds,
            limit: configuration.traces, perSecond: configuration.shownRate, shown: configuration.shownBytes)
        switch begun {
        case .success(let number): return .traceBegun(id: String(number, radix: 16))
        case .failure(let refusal): return .traceRefused(refusal)
        }
    }

    func nextOfTrace(_ text: String) async -> ClusterAnswer? {
        guard let number = UInt64(text, radix: 16) else { return nil }
        let items = await node.traces.next(number, limit: node.configuration.shownBytes)
        return .traceItems(items ?? [.ended("unknown")])
    }

    func endTrace(_ text: String) -> ClusterAnswer {
        if let number = UInt64(text, radix: 16) { node.traces.end(number, on: node.shards) }
        return .traceEnded
    }
}
