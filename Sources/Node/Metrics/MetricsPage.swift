/// A page in the Prometheus text format, version 0.0.4: metrics with what they count, in the order in which they are written.
///
/// Names are written without `carillon_`, which every metric begins with. Values of labels are texts of ours or hexadecimal
/// numbers: nothing from outside is a label, so nothing is escaped.
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
