import Glibc

/// What the measured processes have used, read from /proc (proc(5)).
package struct ServerUsage: Sendable, Equatable {
    /// Time on a CPU in nanoseconds, in user mode and in the kernel; the kernel counts in ticks of 10 ms.
    package var userNanoseconds: UInt64 = 0
    package var systemNanoseconds: UInt64 = 0
    /// Counted by Benchmarks/floor/allocations.c in the measured process; 0 when it is not loaded there.
    package var allocations: UInt64 = 0

    package var nanoseconds: UInt64 { userNanoseconds + systemNanoseconds }

    package static func - (left: ServerUsage, right: ServerUsage) -> ServerUsage {
        ServerUsage(
            userNanoseconds: left.userNanoseconds &- right.userNanoseconds,
            systemNanoseconds: left.systemNanoseconds &- right.systemNanoseconds,
            allocations: left.allocations &- right.allocations)
    }

    /// The sum over the processes that still exist.
    package static func read(_ processes: [Int32], allocations files: [String] = []) -> ServerUsage {
        var sum = ServerUsage()
        let tick = UInt64(1_000_000_000 / max(1, sysconf(Int32(_SC_CLK_TCK))))
        for process in processes {
            // The name, in parentheses, may contain anything: what counts begins behind the last one.
            let text = File.text("/proc/\(process)/stat")
            guard let end = text.lastIndex(of: ")") else { continue }
            let fields = text[text.index(after: end)...].split(separator: " ")
            guard fields.count > 12, let user = UInt64(fields[11]), let system = UInt64(fields[12]) else { continue }
            sum.userNanoseconds += user * tick
            sum.systemNanoseconds += system * tick
        }
        for file in files {
            let bytes = File.bytes(file)
            guard bytes.count >= 8 else { continue }
            sum.allocations &+= bytes.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
        }
        return sum
    }

    /// Memory that only these processes hold, and all that they have in memory, in bytes (`smaps_rollup`).
    package static func memory(of processes: [Int32]) -> (privateBytes: UInt64, residentBytes: UInt64) {
        var privateBytes: UInt64 = 0
        var resident: UInt64 = 0
        for process in processes {
            for line in File.text("/proc/\(process)/smaps_rollup").split(separator: "\n") {
                let fields = line.split(separator: " ", omittingEmptySubsequences: true)
                guard fields.count >= 2, let kilobytes = UInt64(fields[1]) else { continue }
                switch fields[0] {
                case "Private_Clean:", "Private_Dirty:": privateBytes += kilobytes * 1024
                case "Rss:": resident += kilobytes * 1024
                default: break
                }
            }
        }
        return (privateBytes, resident)
    }

    /// What this process itself has used.
    package static func ofThisProcess() -> ServerUsage { read([getpid()]) }
}

/// Small files, read whole.
enum File {
    static func text(_ path: String) -> String { String(decoding: bytes(path), as: UTF8.self) }

    static func bytes(_ path: String) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return [] }
        defer { _ = close(descriptor) }
        var content: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(descriptor, &piece, piece.count)
            if count <= 0 { return content }
            content.append(contentsOf: piece[..<count])
        }
    }
}
