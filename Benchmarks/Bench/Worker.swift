import Client
import Foundation
import Reactor
import Synchronization

/// What a client process is told, as one line of JSON on its standard input.
package struct WorkerTask: Codable, Sendable {
    var urls: [String]
    var sessions: Int
    var bytes: Int
    var run: UInt32
    var dialect = SwarmDialect.raw.rawValue
    var channel = "bench"
    var payload = SequencedPayload.Kind.text.rawValue
    var offersCompression = false
    var ownsTarget = false
    /// Whether sessions that a server sends away connect again elsewhere.
    var returns = false
    /// Whether it is to know when deliveries came.
    var samples = false

    init(urls: [String], sessions: Int, bytes: Int, run: UInt32) {
        self.urls = urls
        self.sessions = sessions
        self.bytes = bytes
        self.run = run
    }
}

/// A client process, as its parent sees it. It writes a line for every change: words and numbers apart by spaces.
final class Worker: Sendable {
    struct Snapshot: Sendable {
        var open = 0
        var failed = 0
        var lost = 0
        var isSettled = false
        /// Publications that arrived at every session.
        var completed: UInt32 = 0
        /// When the latest of them did, on the clock all processes share.
        var lastNanoseconds: UInt64 = 0
        var counts = DeliveryLedger.Counts()
        /// Sessions that were told to come back: on their way, and there again.
        var away = 0
        var returned = 0
        /// Answers to `report`, to `begin` and to `curve`.
        var reports = 0
        var runs = 0
        var curves = 0
        var curve: [DeliveryCurve.Sample] = []
        var hasEnded = false
        var error = ""
    }

    let sessions: Int
    private let state = Mutex(Snapshot())
    private let process: Mutex<Process>
    private let input: FileHandle

    var snapshot: Snapshot { state.withLock { $0 } }

    init(arguments: [String], _ task: WorkerTask) throws(BenchError) {
        sessions = task.sessions
        let process = Process()
        let toWorker = Pipe()
        let fromWorker = Pipe()
        process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
        process.arguments = arguments
        process.standardInput = toWorker
        process.standardOutput = fromWorker
        input = toWorker.fileHandleForWriting
        do {
            try process.run()
            let line = try JSONEncoder().encode(task) + Data([0x0A])
            try input.write(contentsOf: line)
        } catch {
            throw BenchError("starting a client process: \(error)")
        }
        self.process = Mutex(process)
        let output = fromWorker.fileHandleForReading
        let reader = Thread { [self] in read(output) }
        reader.start()
    }

    /// Sends a command; what it answers is in the snapshot when it has come.
    func tell(_ command: String) {
        // A worker that has ended cannot be told; its snapshot says that it has.
        try? input.write(contentsOf: Data((command + "\n").utf8))
    }

    /// The end of its input is its end, which takes a moment.
    func end() { try? input.close() }

    func waitForEnd() { process.withLock { $0.waitUntilExit() } }

    private func read(_ output: FileHandle) {
        var pending = Data()
        while true {
            let piece = output.availableData
            if piece.isEmpty { break }
            pending.append(piece)
            while let end = pending.firstIndex(of: 0x0A) {
                take(String(decoding: pending[pending.startIndex..<end], as: UTF8.self))
                pending.removeSubrange(pending.startIndex...end)
            }
        }
        state.withLock { $0.hasEnded = true }
    }

    private func take(_ line: String) {
        let words = line.split(separator: " ", maxSplits: 1)
        let numbers = words.last?.split(separator: " ").compactMap { UInt64($0) } ?? []
        state.withLock { state in
            switch (words.first ?? "", numbers.count) {
            case ("open", 3):
                state.open = Int(numbers[0])
                state.failed = Int(numbers[1])
                state.isSettled = numbers[2] == 1
            case ("done", 2):
                state.completed = max(state.completed, UInt32(truncatingIfNeeded: numbers[0]) + 1)
                state.lastNanoseconds = max(state.lastNanoseconds, numbers[1])
            case ("counts", 8):
                state.counts.deliveries = numbers[0]
                state.counts.duplicates = numbers[1]
                state.counts.reordered = numbers[2]
                state.counts.missing = numbers[3]
                state.counts.foreign = numbers[4]
                state.lost = Int(numbers[5])
                state.away = Int(numbers[6])
                state.returned = Int(numbers[7])
                state.reports += 1
            case ("begun", 0):
                state.completed = 0
                state.lastNanoseconds = 0
                state.runs += 1
            case ("curve", _):
                state.curve = stride(from: 0, to: numbers.count - 1, by: 2).map {
                    DeliveryCurve.Sample(time: numbers[$0], deliveries: numbers[$0 + 1])
                }
                state.curves += 1
            case ("error", _): state.error = String(words.last ?? "")
            default: break
            }
        }
    }
}
