import ArgumentParser
import Codec
import Foundation
import Glibc
import Node

struct TopCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top",
        abstract: "Show the state of the cluster in the terminal, refreshed until Ctrl-C.",
        discussion: """
            The first line says whether everything is all right. Below are the totals with the last minute as a line, the nodes,
            the channels with the most publications, slow connections and recent events.

            EXAMPLES
              carillon top
              carillon top --interval 5 --channels 20
              carillon top --once                       one snapshot, for a script or a log
            """)

    @OptionGroup var options: AdminOptions

    @Flag(help: "Print one snapshot and exit.")
    var once = false

    @Option(help: "Seconds between two refreshes (1 to 60).")
    var interval = 2

    @Option(help: "Number of channels, those with the most publications first (0 to 100).")
    var channels = 5

    func validate() throws {
        if !(1...60).contains(interval) { throw ValidationError("--interval has to be 1 to 60") }
        if !(0...100).contains(channels) { throw ValidationError("--channels has to be 0 to 100") }
        if options.json {
            throw ValidationError("top has no --json: its numbers are in /api/v1/series and /api/v1/problems")
        }
    }

    func run() async throws {
        let screen = Screen()
        while true {
            let lines = try await snapshot().lines(width: screen.width)
            if once || !screen.isTerminal {
                print(lines.joined(separator: "\n"))
            } else {
                print(screen.page(lines), terminator: "")
            }
            try StandardOutput.flush()
            if once { return }
            try await Task.sleep(for: .seconds(interval))
            if !screen.isTerminal { print("") }
        }
    }

    private func snapshot() async throws -> Overview {
        let options = options
        let limit = max(1, channels)
        async let cluster = options.ask("/api/v1/cluster", as: ClusterReport.self)
        async let series = options.ask("/api/v1/series?samples=\(Overview.samples)", as: SeriesReport.self)
        async let problems = options.ask("/api/v1/problems", as: ProblemReport.self)
        async let busiest = options.ask("/api/v1/channels?sort=rate&limit=\(limit)", as: ChannelPage.self)
        async let recent = options.ask("/api/v1/recent?limit=\(Overview.events)", as: RecentReport.self)
        return Overview(
            cluster: try await cluster, series: try await series, problems: try await problems,
            channels: Array(try await busiest.channels.prefix(channels)), recent: try await recent)
    }
}

/// Where the overview is shown.
private struct Screen {
    let isTerminal = isatty(STDOUT_FILENO) == 1

    private var size: winsize? {
        var size = winsize()
        guard isTerminal, ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
        return size
    }

    /// Columns: of the terminal, of COLUMNS, or as tables have elsewhere.
    var width: Int {
        if let size { return max(40, Int(size.ws_col)) }
        let named = ProcessInfo.processInfo.environment["COLUMNS"].flatMap { Int($0) }
        return max(40, min(named ?? Table.width, 1000))
    }

    /// From the first line of the screen on; what was there before is overwritten, and nothing has to be put back afterwards.
    func page(_ lines: [String]) -> String {
        let shown = size.map { Array(lines.prefix(max(1, Int($0.ws_row) - 1))) } ?? lines
        return "\u{1B}[H" + shown.map { $0 + "\u{1B}[K\n" }.joined() + "\u{1B}[J"
    }
}

/// What `carillon top` shows.
struct Overview {
    /// Seconds of the lines.
    static let samples = 60
    static let events = 5
    /// Slow connections that are shown.
    private static let slow = 5

    let cluster: ClusterReport
    let series: SeriesReport
    let problems: ProblemReport
    let channels: [ChannelSummary]
    let recent: RecentReport

    func lines(width: Int) -> [String] {
        var lines = [Table.cut(Table.visible(problems.sentence), to: width), ""]
        lines += totals(width) + [""] + nodes(width)
        if !channels.isEmpty { lines += [""] + busiest(width) }
        if !problems.limits.isEmpty { lines += [""] + limits(width) }
        if !problems.slow.isEmpty { lines += [""] + slowest(width) }
        if !recent.events.isEmpty { lines += [""] + events(width) }
        return lines
    }

    private func totals(_ width: Int) -> [String] {
        let known = series.nodes.filter(\.answered)
        func sum(_ lists: [[Double]]) -> [Double] { Self.sum(lists) }
        let rows: [(String, [Double], (Double) -> String)] = [
            ("sessions", sum(known.map { $0.sessions.map { Double($0.value) } }), { String(format: "%.0f", $0) }),
            ("publications/s", sum(known.map { $0.publicationsPerS.map(\.value) }), Display.rate),
            ("deliveries/s", sum(known.map { $0.deliveriesPerS.map(\.value) }), Display.rate),
            (
                "backlog", sum(known.map { $0.backlogBytes.map { Double($0.value) } }),
                { Display.bytes(Int(exactly: $0.rounded()) ?? 0) }
            ),
            (
                "round trip", Self.worst(known.map { $0.roundTripUs.map { Double($0?.value ?? 0) } }),
                { String(format: "%.0f us", $0) }
            ),
        ]
        let values = rows.map { row in row.1.last.map(row.2) ?? "–" }
        let column = values.map(\.count).max() ?? 0
        return zip(rows, values).map { row, value in
            let head = Display.padded(row.0, 16) + String(repeating: " ", count: column - value.count) + value + "  "
            return head + Sparkline.text(row.1, width: max(0, min(Self.samples, width - head.count)))
        }
    }

    private func nodes(_ width: Int) -> [String] {
        var table = Table([
            ("NODE", .flexible), ("LINK", .flexible), ("SESSIONS", .right), ("CHANNELS", .right), ("IN/S", .right),
            ("OUT/S", .right), ("CPU", .right), ("MEMORY", .right), ("BACKLOG", .right), ("VERSION", .left),
        ])
        for node in cluster.cluster {
            guard let summary = node.summary else {
                table.add(node.name, "starting", "", "", "", "", "", "", "", "")
                continue
            }
            table.add(
                node.name + (node.isSelf ? " *" : ""),
                node.isFresh
                    ? (summary.draining ?? summary.link.phase).text : "not heard for \(node.lastSeenMs.int / 1000) s",
                "\(summary.sessions)", "\(summary.channels)", Display.rate(summary.rates.publications.value),
                Display.rate(summary.rates.deliveries.value), String(format: "%.0f%%", summary.cpuPercent.value),
                Display.bytes(summary.memoryBytes.int), Display.bytes(summary.backlogBytes.int), summary.version.text)
        }
        return table.lines(width: width)
    }

    private func busiest(_ width: Int) -> [String] {
        var table = Table([("CHANNEL", .flexible), ("SUBSCRIBERS", .right), ("NODES", .right), ("IN/S", .right)])
        for channel in channels {
            table.add(
                channel.name, "\(channel.subscribers)", "\(channel.onNodes)",
                channel.publicationsPerS.map { Display.rate($0.value) } ?? "–")
        }
        return table.lines(width: width)
    }

    private func limits(_ width: Int) -> [String] {
        var table = Table([("LIMIT", .flexible), ("NODE", .flexible), ("HITS/MIN", .right)])
        for limit in problems.limits { table.add(limit.key.text, limit.node?.text ?? "", "\(limit.hitsLastMinute)") }
        return table.lines(width: width)
    }

    private func slowest(_ width: Int) -> [String] {
        var table = Table([
            ("SLOW CONNECTION", .flexible), ("USER", .flexible), ("BACKLOG", .right), ("DROPPED", .right),
            ("AGE", .right),
        ])
        for connection in problems.slow.prefix(Self.slow) {
            table.add(
                connection.id, connection.user ?? "", Display.bytes(connection.backlogBytes.int),
                connection.droppedPublications.map { "\($0)" } ?? "–", Display.age(connection.ageSeconds.int))
        }
        return table.lines(width: width)
    }

    private func events(_ width: Int) -> [String] {
        recent.events.map { event in
            let time = Display.time(Double(event.time.value)).prefix(8)
            return Table.cut(Table.visible("\(time)  \(event.node)  \(event.severity)  \(event.text)"), to: width)
        }
    }

    /// By their ends, which are now: a node that has just started has fewer.
    static func sum(_ lists: [[Double]]) -> [Double] { combine(lists, +) }

    private static func worst(_ lists: [[Double]]) -> [Double] { combine(lists, max) }

    private static func combine(_ lists: [[Double]], _ combine: (Double, Double) -> Double) -> [Double] {
        let count = lists.map(\.count).max() ?? 0
        var result = Array(repeating: 0.0, count: count)
        for list in lists {
            for (index, value) in list.enumerated() {
                let place = count - list.count + index
                result[place] = combine(result[place], value)
            }
        }
        return result
    }
}

/// Numbers as a line of blocks, the highest one full.
enum Sparkline {
    private static let blocks: [Character] = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"]

    static func text(_ values: [Double], width: Int) -> String {
        let shown = values.suffix(width)
        let most = shown.max() ?? 0
        return String(
            shown.map { value in
                guard most > 0, value > 0 else { return blocks[0] }
                return blocks[max(0, min(blocks.count - 1, Int(value / most * Double(blocks.count - 1))))]
            })
    }
}
