/// What a scenario measured: named numbers in the order they are shown.
package struct BenchResult: Sendable, Encodable {
    package struct Metric: Sendable, Equatable {
        package let name: String
        package let value: Double
        package let unit: Unit
    }

    package enum Unit: String, Sendable {
        case count = ""
        case perSecond = "/s"
        case microseconds = "µs"
        case milliseconds = "ms"
        case seconds = "s"
        case bytes = "B"
    }

    package let scenario: String
    package private(set) var metrics: [Metric] = []
    /// What went wrong without making the rest worthless, in sentences. Empty is the only good result.
    package var problems: [String] = []

    package init(scenario: String) { self.scenario = scenario }

    package mutating func add(_ name: String, _ value: Double, _ unit: Unit = .count) {
        metrics.append(Metric(name: name, value: value.isFinite ? value : 0, unit: unit))
    }

    package mutating func add(_ name: String, _ distribution: Distribution) {
        guard distribution.count > 0 else { return }
        for (label, percent) in [("p50", 50.0), ("p90", 90), ("p99", 99), ("p999", 99.9)] {
            add("\(name)_\(label)", Double(distribution.percentile(percent)) / 1000, .microseconds)
        }
        add("\(name)_max", Double(distribution.maximum) / 1000, .microseconds)
    }

    package subscript(name: String) -> Double? { metrics.first { $0.name == name }?.value }

    // MARK: JSON: {"scenario":…,"problems":[…],"metrics":{name: value}}

    private enum Key: String, CodingKey { case scenario, problems, metrics }

    private struct Name: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    package func encode(to encoder: any Encoder) throws {
        var whole = encoder.container(keyedBy: Key.self)
        try whole.encode(scenario, forKey: .scenario)
        try whole.encode(problems, forKey: .problems)
        var numbers = whole.nestedContainer(keyedBy: Name.self, forKey: .metrics)
        for metric in metrics { try numbers.encode(metric.value, forKey: Name(stringValue: metric.name)) }
    }

    /// Lines for people.
    package var text: String {
        let width = metrics.map(\.name.count).max() ?? 0
        var lines = [scenario]
        for metric in metrics {
            let name = metric.name.replacing("_", with: " ")
            lines.append("  \(name)\(String(repeating: " ", count: width - name.count))  \(Self.text(metric))")
        }
        for problem in problems { lines.append("  ! \(problem)") }
        return lines.joined(separator: "\n")
    }

    private static func text(_ metric: Metric) -> String {
        let value = metric.value
        let digits = abs(value) >= 1000 || value == value.rounded() ? 0 : abs(value) >= 10 ? 1 : 3
        var scale = 1.0
        for _ in 0..<digits { scale *= 10 }
        let rounded = (value * scale).rounded() / scale
        let number = digits == 0 ? grouped(rounded) : "\(rounded)"
        return metric.unit == .perSecond ? number + metric.unit.rawValue : "\(number) \(metric.unit.rawValue)"
    }

    /// 1234567 as 1,234,567.
    private static func grouped(_ value: Double) -> String {
        let digits = String(Int64(abs(value)))
        var text = ""
        for (index, digit) in digits.enumerated() {
            if index > 0, (digits.count - index) % 3 == 0 { text += "," }
            text.append(digit)
        }
        return value < 0 ? "-" + text : text
    }
}

/// How far a scenario is, for whoever watches.
package struct BenchProgress: Sendable {
    package let phase: String
    /// 0 to 1.
    package let fraction: Double
    package let detail: String
}

package typealias ProgressHandler = @Sendable (BenchProgress) -> Void
