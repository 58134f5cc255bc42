/// One command as it came: its number and the first method it names (Centrifuge client protocol v2, client.proto).
struct CentrifugeCommand {
    /// In the order of the protocol.
    enum Method: UInt8 {
        case connect, subscribe, unsubscribe, publish, presence, presenceStats, history, ping, send, rpc, refresh
        case subRefresh

        init?(_ key: UnsafeRawBufferPointer) {
            if key.isEqual(to: "publish") {
                self = .publish
            } else if key.isEqual(to: "connect") {
                self = .connect
            } else if key.isEqual(to: "subscribe") {
                self = .subscribe
            } else if key.isEqual(to: "unsubscribe") {
                self = .unsubscribe
            } else if key.isEqual(to: "presence") {
                self = .presence
            } else if key.isEqual(to: "presence_stats") {
                self = .presenceStats
            } else if key.isEqual(to: "history") {
                self = .history
            } else if key.isEqual(to: "ping") {
                self = .ping
            } else if key.isEqual(to: "send") {
                self = .send
            } else if key.isEqual(to: "rpc") {
                self = .rpc
            } else if key.isEqual(to: "refresh") {
                self = .refresh
            } else if key.isEqual(to: "sub_refresh") {
                self = .subRefresh
            } else {
                return nil
            }
        }
    }

    let id: UInt32
    let method: Method?
    /// The fields of the method's object.
    let request: CentrifugeRequest

    /// Reads one line, in one go.
    ///
    /// - Returns: Nil when it is not a command.
    init?(_ line: UnsafeRawBufferPointer) {
        var scanner = JSONScanner(line)
        var id: UInt32 = 0
        var method: Method?
        var request = CentrifugeRequest()
        let isWhole = scanner.members { key, scanner in
            if key.isEqual(to: "id") {
                guard let value = scanner.unsigned(), let number = UInt32(exactly: value) else { return false }
                id = number
                return true
            }
            // A null is a field that is not set, and a field nobody knows is stepped over.
            guard let found = Method(key), scanner.next != UInt8(ascii: "n") else { return scanner.skipValue() }
            // Of several methods the first in the order of the protocol counts.
            if let method, method.rawValue < found.rawValue { return scanner.skipValue() }
            method = found
            request = CentrifugeRequest()
            return request.read(&scanner)
        }
        guard isWhole, scanner.isAtEnd else { return nil }
        self.id = id
        self.method = method
        self.request = request
    }
}

/// The fields of a method's object that this dialect knows, where they lie in the message: texts as they are between
/// their quotes, escapes and all.
struct CentrifugeRequest {
    var channel: UnsafeRawBufferPointer?
    var data: UnsafeRawBufferPointer?
    var token: UnsafeRawBufferPointer?
    var name: UnsafeRawBufferPointer?
    var version: UnsafeRawBufferPointer?
    var isRecovering = false
    var epoch: UnsafeRawBufferPointer?
    var offset: UInt64 = 0
    /// Of `history`: how many, from where, and which way.
    var limit: Int64 = 0
    var hasSince = false
    var isReverse = false
    /// Of `connect`: what the client knows of channels the node had subscribed it to.
    var known: [(channel: UnsafeRawBufferPointer, request: CentrifugeRequest)] = []

    /// Channels of a `connect` that are looked at.
    static let maximumKnown = 1024

    /// Takes an object.
    ///
    /// - Returns: Whether it was one, with values of the right types.
    mutating func read(_ scanner: inout JSONScanner) -> Bool {
        var read = self
        let isWhole = scanner.members { key, scanner in
            if key.isEqual(to: "channel") { return Self.set(&read.channel, scanner.string()) }
            if key.isEqual(to: "data") {
                guard let value = scanner.value() else { return false }
                if !value.isEqual(to: "null") { read.data = value }
                return true
            }
            if key.isEqual(to: "token") { return Self.set(&read.token, scanner.string()) }
            if key.isEqual(to: "name") { return Self.set(&read.name, scanner.string()) }
            if key.isEqual(to: "version") { return Self.set(&read.version, scanner.string()) }
            if key.isEqual(to: "recover") { return Self.set(&read.isRecovering, scanner.boolean()) }
            if key.isEqual(to: "reverse") { return Self.set(&read.isReverse, scanner.boolean()) }
            if key.isEqual(to: "epoch") { return Self.set(&read.epoch, scanner.string()) }
            if key.isEqual(to: "offset") { return Self.set(&read.offset, scanner.unsigned()) }
            if key.isEqual(to: "limit") { return Self.set(&read.limit, scanner.integer()) }
            if key.isEqual(to: "subs"), scanner.next == UInt8(ascii: "{") {
                return scanner.members { key, scanner in
                    var known = CentrifugeRequest()
                    guard scanner.next == UInt8(ascii: "{") else { return scanner.skipValue() }
                    guard known.read(&scanner) else { return false }
                    if known.isRecovering, read.known.count < Self.maximumKnown { read.known.append((key, known)) }
                    return true
                }
            }
            guard key.isEqual(to: "since"), scanner.next == UInt8(ascii: "{") else { return scanner.skipValue() }
            read.hasSince = true
            return scanner.members { key, scanner in
                if key.isEqual(to: "epoch") { return Self.set(&read.epoch, scanner.string()) }
                if key.isEqual(to: "offset") { return Self.set(&read.offset, scanner.unsigned()) }
                return scanner.skipValue()
            }
        }
        self = read
        return isWhole
    }

    private static func set<Value>(_ field: inout Value, _ value: Value?) -> Bool {
        guard let value else { return false }
        field = value
        return true
    }

    private static func set(_ field: inout UnsafeRawBufferPointer?, _ value: UnsafeRawBufferPointer?) -> Bool {
        field = value
        return value != nil
    }
}
