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

    var id: UInt32 = 0
    var method: Method?
    /// The method's object, as it is written.
    var body = UnsafeRawBufferPointer(start: nil, count: 0)

    /// Reads one line.
    ///
    /// - Returns: Nil when it is not a command.
    init?(_ line: UnsafeRawBufferPointer) {
        var scanner = JSONScanner(line)
        var id: UInt32 = 0
        var found: (Method, UnsafeRawBufferPointer)?
        let isWhole = scanner.members { key, scanner in
            if key.isEqual(to: "id") {
                guard let value = scanner.unsigned(), let number = UInt32(exactly: value) else { return false }
                id = number
                return true
            }
            guard let value = scanner.value() else { return false }
            // A null is a field that is not set. Of several methods the first in the order of the protocol counts.
            guard !value.isEqual(to: "null"), let method = Method(key) else { return true }
            if let found, found.0.rawValue < method.rawValue { return true }
            found = (method, value)
            return true
        }
        guard isWhole, scanner.isAtEnd else { return nil }
        self.id = id
        if let found {
            method = found.0
            body = found.1
            guard body.first == UInt8(ascii: "{") else { return nil }
        }
    }
}

/// The fields of a method's object that this dialect knows.
struct CentrifugeRequest {
    var channel: [UInt8]?
    var data: UnsafeRawBufferPointer?
    var token: [UInt8]?
    var name: [UInt8]?
    var version: [UInt8]?
    var isRecovering = false

    init?(_ body: UnsafeRawBufferPointer) {
        var scanner = JSONScanner(body)
        var request = Self(empty: ())
        let isWhole = scanner.members { key, scanner in
            if key.isEqual(to: "channel") { return Self.set(&request.channel, scanner.text()) }
            if key.isEqual(to: "token") { return Self.set(&request.token, scanner.text()) }
            if key.isEqual(to: "name") { return Self.set(&request.name, scanner.text()) }
            if key.isEqual(to: "version") { return Self.set(&request.version, scanner.text()) }
            if key.isEqual(to: "recover") {
                guard let value = scanner.boolean() else { return false }
                request.isRecovering = value
                return true
            }
            guard let value = scanner.value() else { return false }
            if key.isEqual(to: "data"), !value.isEqual(to: "null") { request.data = value }
            return true
        }
        guard isWhole else { return nil }
        self = request
    }

    private init(empty: ()) {}

    private static func set(_ field: inout [UInt8]?, _ value: [UInt8]?) -> Bool {
        field = value
        return value != nil
    }
}
