/// One command as it came: its number and the first method it names (Centrifuge client protocol v2, client.proto).
struct CentrifugeCommand {
    enum Method: CaseIterable {
        case connect, subscribe, unsubscribe, publish, presence, presenceStats, history, ping, send, rpc, refresh
        case subRefresh

        var key: StaticString {
            switch self {
            case .connect: "connect"
            case .subscribe: "subscribe"
            case .unsubscribe: "unsubscribe"
            case .publish: "publish"
            case .presence: "presence"
            case .presenceStats: "presence_stats"
            case .history: "history"
            case .ping: "ping"
            case .send: "send"
            case .rpc: "rpc"
            case .refresh: "refresh"
            case .subRefresh: "sub_refresh"
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
            if key.elementsEqual("id".utf8) {
                guard let value = scanner.unsigned(), let number = UInt32(exactly: value) else { return false }
                id = number
                return true
            }
            guard let value = scanner.value() else { return false }
            // A null is a field that is not set. Of several methods the first in the order of the protocol counts.
            if !value.elementsEqual("null".utf8), let method = Self.method(key),
                found == nil || Self.order(method) < Self.order(found!.0)
            {
                found = (method, value)
            }
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

    private static func method(_ key: UnsafeRawBufferPointer) -> Method? {
        Method.allCases.first { method in
            key.elementsEqual(
                UnsafeRawBufferPointer(start: method.key.utf8Start, count: method.key.utf8CodeUnitCount))
        }
    }

    private static func order(_ method: Method) -> Int { Method.allCases.firstIndex(of: method)! }
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
            if key.elementsEqual("channel".utf8) { return Self.set(&request.channel, scanner.text()) }
            if key.elementsEqual("token".utf8) { return Self.set(&request.token, scanner.text()) }
            if key.elementsEqual("name".utf8) { return Self.set(&request.name, scanner.text()) }
            if key.elementsEqual("version".utf8) { return Self.set(&request.version, scanner.text()) }
            if key.elementsEqual("recover".utf8) {
                guard let value = scanner.boolean() else { return false }
                request.isRecovering = value
                return true
            }
            guard let value = scanner.value() else { return false }
            if key.elementsEqual("data".utf8), !value.elementsEqual("null".utf8) { request.data = value }
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
