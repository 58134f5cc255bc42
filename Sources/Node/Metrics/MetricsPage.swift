/// A page in the Prometheus text format, version 0.0.4: metrics with what they count, in the order in which they are written.
///
/// Names are written without `carillon_`, which every metric begins with. Values of labels are texts of ours, hexadecimal numbers, or
/// the operator's names for Redis servers, and only those have to be escaped: nothing from clients is a label.
struct MetricsPage {
    private var lines: [String] = []

    /// The page, which ends with a line end as the format demands.
    var text: String { lines.joined(separator: "\n") + "\n" }

    mutating func gauge(_ name: String, _ help: String, _ value: Double) {
        head(name, help, "gauge")
        sample(name, value)
    }

    /// A gauge that is always 1 and says something in its labels.
    mutating func information(_ name: String, _ help: String, _ labels: [(name: String, value: String)]) {
        head(name, help, "gauge")
        let text = labels.map { "\($0.name)=\"\($0.value)\"" }.joined(separator: ",")
        lines.append("carillon_\(name){\(text)} 1")
    }

    /// A gauge of which there is one for each value of a label. A value may be a name that an operator chose.
    mutating func gauge(_ name: String, _ help: String, by label: String, _ values: [(name: String, value: Double)]) {
        guard !values.isEmpty else { return }
        head(name, help, "gauge")
        for (value, number) in values {
            let escaped = value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
            lines.append("carillon_\(name){\(label)=\"\(escaped)\"} \(Self.number(number))")
        }
    }

    mutating func counter(_ name: String, _ help: String, _ value: Double) {
        head(name, help, "counter")
        sample(name, value)
    }

    mutating func counter(_ name: String, _ help: String, by label: String, _ values: [String: UInt64]) {
        head(name, help, "counter")
        for (value, count) in values.sorted(by: { $0.key < $1.key }) {
            lines.append("carillon_\(name){\(label)=\"\(value)\"} \(count)")
        }
    }

    mutating func gauge(_ name: String, _ help: String, byReactor values: [Double]) {
        head(name, help, "gauge")
        series(name, values)
    }

    mutating func counter(_ name: String, _ help: String, byReactor values: [Double]) {
        head(name, help, "counter")
        series(name, values)
    }

    private mutating func head(_ name: String, _ help: String, _ type: String) {
        lines.append("# HELP carillon_\(name) \(help)")
        lines.append("# TYPE carillon_\(name) \(type)")
    }

    private mutating func sample(_ name: String, _ value: Double) {
        lines.append("carillon_\(name) \(Self.number(value))")
    }

    private mutating func series(_ name: String, _ values: [Double]) {
        for (reactor, value) in values.enumerated() {
            lines.append("carillon_\(name){reactor=\"\(reactor)\"} \(Self.number(value))")
        }
    }

    /// Whole numbers are written as such, so that counters beyond a million are not rounded.
    private static func number(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : String(value)
    }
}
