import Codec
import Foundation
import Sizing

/// A `ClusterSize` for people: a table, then what comes first.
struct SizeReport {
    let size: ClusterSize

    init(_ size: ClusterSize) { self.size = size }

    var text: String {
        var table = Table([("limit", .left), ("used", .right), ("may be used", .right), ("", .right)])
        for use in size.uses {
            table.add(
                use.limit.name, amount(use.used, use.limit), amount(use.available, use.limit),
                "\(Int((use.share * 100).rounded())) %")
        }
        return [head, "", table.text, "", redis, deliveries, first].compactMap { $0 }.joined(separator: "\n")
    }

    private var head: String {
        let each = size.nodes > 1 ? ", \(Self.grouped(size.sessionsPerNode)) each" : ""
        return "\(Self.grouped(size.workload.sessions)) \(size.workload.sessions == 1 ? "session" : "sessions") on "
            + "\(things(size.nodes, "node"))\(each); \(things(size.redisServers, "Redis server"))"
    }

    private var redis: String? {
        size.redisMemory > 0 ? "histories take \(Display.bytes(Int(size.redisMemory))) of Redis' memory" : nil
    }

    private var deliveries: String? {
        guard size.workload.rate > 0 else { return nil }
        let gathered = size.deliveriesPerSecond / max(size.sendsPerSecond, 1e-9)
        let together =
            gathered > 1.05 ? String(format: ", %.1f in one send on average when nodes are busy", gathered) : ""
        return "\(Self.grouped(Int(size.deliveriesPerSecond.rounded()))) deliveries per second\(together)"
    }

    private var first: String {
        let next = size.second.map { "; then \($0.limit.name), \(Int(($0.share * 100).rounded())) %" } ?? ""
        return
            "first limit: \(size.first.limit.name), \(Int((size.first.share * 100).rounded())) % of what may be used\(next)"
    }

    private func amount(_ value: Double, _ limit: Limit) -> String {
        switch limit {
        case .memory: Display.bytes(Int(value))
        case .cpu, .redisCPU: String(format: "%.2f cores", value)
        case .files: Self.grouped(Int(value.rounded()))
        case .network: String(format: value < 1e7 ? "%.2f Mbit/s" : "%.0f Mbit/s", value / 1e6)
        }
    }

    /// 1234567 as 1,234,567.
    static func grouped(_ value: Int) -> String {
        var text = ""
        for (index, digit) in String(value).reversed().enumerated() {
            if index > 0, index % 3 == 0 { text.append(",") }
            text.append(digit)
        }
        return String(text.reversed())
    }
}
