package import Codec
package import Reactor

/// Who a server is and which of our scripts it has: what history and presence need. Pure.
package struct ServerScripts {
    /// Which server this is: another one, or the same started anew, begins new epochs.
    package private(set) var identity: [UInt8]?
    /// The process that it is, whatever became of it: its `run_id`.
    package private(set) var run: [UInt8]?
    /// What it says it is: `7.0.15`, or `Valkey 8.0.1`.
    package private(set) var version: String?
    /// Why there is no history, if there is none.
    package private(set) var objection: String?
    package var loading = ScriptLoading()
    /// It is part of a Redis Cluster, even if the only one.
    package private(set) var isCluster = false
    private var hashes: [RedisScript: [UInt8]] = [:]

    /// Bytes of a `run_id`; Redis has 40.
    private static let longestIdentity = 128
    private static let longestVersion = 32

    package init() {}

    /// A new connection: the server is asked who it is, and scripts are loaded.
    package mutating func connected(after last: UInt64, now: MonotonicTime) {
        identity = nil
        run = nil
        objection = nil
        hashes = [:]
        isCluster = false
        loading.connected(after: last, now: now)
    }

    /// The name by which the server knows a script; nil when it does not have it.
    @inline(__always)
    package func hash(of script: RedisScript) -> [UInt8]? { hashes[script] }

    /// What the server said to `INFO server`.
    ///
    /// - Parameter failover: The failover that made it the master, with Sentinel: a server that was replaced and came back is
    ///   not what it was, though it is the same process.
    /// - Returns: What an operator has to hear.
    package mutating func identified(_ value: RESPValue, failover: UInt64?) -> String? {
        let lines = value.text?.split(whereSeparator: \.isNewline) ?? []
        isCluster = lines.contains("redis_mode:cluster")
        version = Self.version(lines)
        guard let line = lines.first(where: { $0.hasPrefix("run_id:") }) else {
            return object("it does not report its run_id", value)
        }
        var name = String(line.dropFirst(7))
        // It goes to Redis with every publication that is kept.
        guard (1...Self.longestIdentity).contains(name.utf8.count), name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F })
        else { return object("its run_id is not valid", .bulk(nil)) }
        run = Array(name.utf8)
        if let failover { name += "@\(failover)" }
        identity = Array(name.utf8)
        return nil
    }

    /// Valkey says which version of Redis it is like, too.
    private static func version(_ lines: [Substring]) -> String? {
        for (key, name) in [("valkey_version:", "Valkey "), ("redis_version:", "")] {
            guard let line = lines.first(where: { $0.hasPrefix(key) }) else { continue }
            let text = line.dropFirst(key.utf8.count).prefix(longestVersion)
            guard text.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else { return nil }
            return "\(name)\(text)"
        }
        return nil
    }

    /// What the server said to `SCRIPT LOAD`.
    ///
    /// - Returns: What an operator has to hear.
    package mutating func loaded(_ script: RedisScript, _ value: RESPValue) -> String? {
        if case .bulk(let hash?) = value, hash.count == 40 {
            hashes[script] = hash
            return nil
        }
        hashes[script] = nil
        return object("it does not accept scripts", value)
    }

    /// It answered `NOSCRIPT` right after the script was loaded: until it was loaded again, nobody uses it.
    package mutating func forgot(_ script: RedisScript) {
        hashes[script] = nil
        objection = "it forgets scripts at once (NOSCRIPT right after SCRIPT LOAD)"
    }

    private mutating func object(_ what: String, _ value: RESPValue) -> String? {
        var why = what
        if case .error(let text) = value { why += ": \(text)" }
        defer { objection = why }
        return objection == nil ? why : nil
    }
}
