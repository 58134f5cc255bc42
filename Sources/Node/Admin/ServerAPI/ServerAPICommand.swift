import Codec

/// What an application asks for, understood and checked as far as that goes without asking anybody.
enum ServerAPICommand {
    struct Publish {
        /// Those of a broadcast may be none that can be: each has its own answer.
        var channels: [Result<ChannelName, ServerAPIError>]
        var kind: PayloadKind
        var payload: [UInt8]
        var idempotencyKey: [UInt8]?
        var tags: PublicationTags?
        var skipsHistory: Bool
        /// Whether it is answered as a broadcast is.
        var isBroadcast: Bool
    }

    struct History {
        var channel: ChannelName
        /// 0 asks for the end alone, less for as many as there are.
        var limit: Int64
        var since: SeenPosition?
        var isReverse: Bool
    }

    case publish(Publish)
    /// On behalf of users: what is done, with whom, and what is demanded of the channel.
    case act(SessionAction, on: SessionSelection, demands: ChannelDemands = .init())
    case presence(ChannelName, isCount: Bool)
    case history(History)
    case historyRemove(ChannelName)
    case channels(GlobPattern?)
    case info
    case rpc(method: String)
}

/// What `override` of a subscription asks a channel for; nil where it leaves it to the channel.
struct ChannelDemands: Equatable {
    var channel: ChannelName?
    var presence: Bool?
    var joinLeave: Bool?
    var recovery: Bool?

    /// Why a rule does not give what is asked for, or nil.
    func objection(to rule: ChannelRule) -> String? {
        if let presence, presence != (rule.presence != nil) { return "override.presence is not what its rule says" }
        if let joinLeave, joinLeave != (rule.presence?.announces ?? false) {
            return "override of join and leave messages is not what its rule says"
        }
        if let recovery, recovery != (rule.history != nil) {
            return "override of recovery or positioning is not what its rule says: it follows from history"
        }
        return nil
    }
}

/// What a node allows, as far as commands have to be checked against it.
struct ServerAPILimits {
    /// Bytes of a message.
    var messageBytes: Int
    /// Seconds since 1970.
    var now: Int64

    /// Channels of a broadcast, and commands of a batch.
    static let maximumChannels = 1000
    static let maximumCommands = 1000
    static let maximumKeyBytes = 255
    /// Bytes of what clients are told with a subscription.
    static let maximumDataBytes = 16 * 1024
    /// Sessions in a whitelist.
    static let maximumWhitelist = 500
}

extension ServerAPICommand {
    /// Reads the parameters of a method.
    init(_ method: ServerAPIMethod, _ body: [UInt8], _ limits: ServerAPILimits) throws(ServerAPIError) {
        let fields = try ServerAPIFields(body, known: Self.known[method] ?? [])
        if let name = (Self.unserved[method] ?? []).first(where: fields.isSet) {
            throw .notAvailable("Carillon does not serve '\(name)' of \(method.rawValue)")
        }
        switch method {
        case .publish: self = .publish(try Self.publish(fields, limits, isBroadcast: false))
        case .broadcast: self = .publish(try Self.publish(fields, limits, isBroadcast: true))
        case .subscribe: self = try Self.subscribe(fields, limits)
        case .unsubscribe:
            let name = try fields.text("channel") ?? []
            let channel = name.isEmpty ? nil : try Self.name(name)
            self = .act(.unsubscribe(channel: channel?.description), on: try Self.selection(fields))
        case .disconnect: self = try Self.disconnect(fields)
        case .refresh: self = try Self.refresh(fields, limits)
        case .presence: self = .presence(try Self.channel(fields), isCount: false)
        case .presenceStats: self = .presence(try Self.channel(fields), isCount: true)
        case .history: self = .history(try Self.history(fields))
        case .historyRemove: self = .historyRemove(try Self.channel(fields))
        case .channels:
            let text = try fields.string("pattern") ?? ""
            let pattern = GlobPattern(text)
            guard pattern != nil else {
                throw .badRequest("'pattern' is no pattern of at most \(GlobPattern.maximumBytes) bytes")
            }
            self = .channels(text.isEmpty ? nil : pattern)
        case .info: self = .info
        case .rpc:
            guard let name = try fields.string("method"), !name.isEmpty else {
                throw .badRequest("'method' is missing")
            }
            self = .rpc(method: name)
        }
    }

    private static let target = ["user", "client", "session", "label_filter", "all_users"]
    private static let payload = [
        "data", "b64data", "skip_history", "tags", "idempotency_key", "delta", "version", "version_epoch",
    ]
    private static let known: [ServerAPIMethod: [String]] = [
        .publish: ["channel"] + payload, .broadcast: ["channels"] + payload,
        .subscribe: target + [
            "channel", "expire_at", "info", "b64info", "data", "b64data", "recover_since", "override",
        ],
        .unsubscribe: target + ["channel"], .disconnect: target + ["disconnect", "whitelist"],
        .refresh: target + ["expired", "expire_at", "info"],
        .presence: ["channel"], .presenceStats: ["channel"], .historyRemove: ["channel"],
        .history: ["channel", "limit", "since", "reverse"], .channels: ["pattern"], .rpc: ["method", "params"],
    ]

    /// Fields of the protocol that are refused where they say anything: nothing an application asks for is passed over.
    private static let unserved: [ServerAPIMethod: [String]] = [
        .publish: ["version", "version_epoch"], .broadcast: ["version", "version_epoch"],
        .subscribe: ["info", "b64info", "label_filter", "all_users"], .unsubscribe: ["label_filter", "all_users"],
        .disconnect: ["label_filter", "all_users"], .refresh: ["info", "label_filter", "all_users"],
    ]

    // MARK: Parts

    private static func name(_ text: [UInt8]) throws(ServerAPIError) -> ChannelName {
        do {
            return try ChannelName(validating: text)
        } catch {
            throw .badRequest("\(error)")
        }
    }

    private static func channel(_ fields: ServerAPIFields) throws(ServerAPIError) -> ChannelName {
        guard let text = try fields.text("channel") else { throw .badRequest("'channel' is missing") }
        return try name(text)
    }

    /// Who is meant. Whoever leaves the user out and names no session is not taken to mean everybody without a user.
    private static func selection(_ fields: ServerAPIFields) throws(ServerAPIError) -> SessionSelection {
        let user = try fields.string("user")
        let client = try fields.string("client") ?? ""
        let session = try fields.string("session") ?? ""
        guard user != nil || !client.isEmpty || !session.isEmpty else {
            throw .badRequest(
                "'user' is missing (\"\" means sessions without a user), and so are 'client' and 'session'")
        }
        // A session has one id, by whichever name.
        guard client.isEmpty || session.isEmpty || client.utf8.elementsEqual(session.utf8) else {
            return SessionSelection(user: user.map { ForeignText($0) }, client: "none")
        }
        let id = client.isEmpty ? session : client
        return SessionSelection(user: user.map { ForeignText($0) }, client: id.isEmpty ? nil : id)
    }

    /// Base64 counts where there is some.
    private static func binary(_ fields: ServerAPIFields, _ name: String) throws(ServerAPIError) -> [UInt8]? {
        guard let text = try fields.text(name), !text.isEmpty else { return nil }
        guard let bytes = Base64.decode(text) else { throw .badRequest("'\(name)' has to be base64 with padding") }
        return bytes
    }

    private static func publish(
        _ fields: ServerAPIFields, _ limits: ServerAPILimits, isBroadcast: Bool
    ) throws(ServerAPIError) -> Publish {
        var channels: [Result<ChannelName, ServerAPIError>] = []
        if isBroadcast {
            let texts = try fields.texts("channels") ?? []
            guard (1...ServerAPILimits.maximumChannels).contains(texts.count) else {
                throw .badRequest("'channels' has to be a list of 1 to \(ServerAPILimits.maximumChannels) channels")
            }
            for text in texts {
                do throws(ServerAPIError) {
                    channels.append(.success(try name(text)))
                } catch {
                    channels.append(.failure(error))
                }
            }
        } else {
            channels = [.success(try channel(fields))]
        }
        let key = try fields.text("idempotency_key") ?? []
        guard key.count <= ServerAPILimits.maximumKeyBytes else {
            throw .badRequest("'idempotency_key' has at most \(ServerAPILimits.maximumKeyBytes) bytes")
        }
        // A hint for how to send it, which changes nothing of what arrives.
        _ = try fields.flag("delta")
        let bytes = try binary(fields, "b64data")
        guard let payload = bytes ?? fields.value("data") else { throw .badRequest("'data' is missing") }
        guard payload.count <= limits.messageBytes else {
            throw .badRequest(
                "the message has \(payload.count) bytes, limits.message_bytes is \(limits.messageBytes)")
        }
        return Publish(
            channels: channels, kind: bytes == nil ? .json : .binary, payload: payload,
            idempotencyKey: key.isEmpty ? nil : key, tags: try fields.tags("tags"),
            skipsHistory: try fields.flag("skip_history"), isBroadcast: isBroadcast)
    }

    private static func subscribe(_ fields: ServerAPIFields, _ limits: ServerAPILimits) throws(ServerAPIError) -> Self {
        let channel = try channel(fields)
        let expiresAt = try expiry(fields)
        if let expiresAt, expiresAt <= limits.now { throw .badRequest("'expire_at' has passed") }
        let decoded = try binary(fields, "b64data")
        if let decoded, !decoded.withUnsafeBytes({ UTF8Validator.isValid($0) && JSONScanner.isValid($0) }) {
            throw .badRequest("'b64data' has to be JSON, because clients are told it in JSON")
        }
        var data = decoded ?? fields.value("data")
        if data?.elementsEqual("null".utf8) == true { data = nil }
        guard (data?.count ?? 0) <= ServerAPILimits.maximumDataBytes else {
            throw .badRequest("'data' has at most \(ServerAPILimits.maximumDataBytes) bytes")
        }
        let since = try fields.object("recover_since", known: ["offset", "epoch"])
        var demands = ChannelDemands(channel: channel)
        let flags = ["presence", "join_leave", "force_recovery", "force_positioning", "force_push_join_leave"]
        if let override = try fields.object("override", known: flags) {
            demands.presence = try demand(override, ["presence"])
            demands.joinLeave = try demand(override, ["join_leave", "force_push_join_leave"])
            demands.recovery = try demand(override, ["force_recovery", "force_positioning"])
        }
        return .act(
            .subscribe(
                channel: channel.description, data: data.map { String(decoding: $0, as: UTF8.self) },
                epoch: try since?.string("epoch"), offset: since == nil ? nil : try since?.unsigned("offset") ?? 0,
                expiresAt: expiresAt),
            on: try selection(fields), demands: demands)
    }

    /// What these members ask for, which is one thing here; nil when none of them is there.
    private static func demand(_ fields: ServerAPIFields, _ names: [String]) throws(ServerAPIError) -> Bool? {
        var found: Bool?
        for name in names {
            guard let value = try fields.object(name, known: ["value"]) else { continue }
            let flag = try value.flag("value")
            guard found ?? flag == flag else {
                throw .notAvailable("Carillon cannot tell \(names.joined(separator: " from ")) apart")
            }
            found = flag
        }
        return found
    }

    /// Nil for never.
    private static func expiry(_ fields: ServerAPIFields) throws(ServerAPIError) -> Int64? {
        guard let number = try fields.number("expire_at"), number != 0 else { return nil }
        guard number > 0 else { throw .badRequest("'expire_at' has to be in seconds since 1970") }
        return number
    }

    private static func disconnect(_ fields: ServerAPIFields) throws(ServerAPIError) -> Self {
        var selection = try selection(fields)
        let whitelist = try fields.texts("whitelist") ?? []
        guard whitelist.count <= ServerAPILimits.maximumWhitelist else {
            throw .badRequest("'whitelist' has at most \(ServerAPILimits.maximumWhitelist) clients")
        }
        if !whitelist.isEmpty { selection.except = whitelist.map { String(decoding: $0, as: UTF8.self) } }
        let custom = try fields.object("disconnect", known: ["code", "reason"])
        let reason = try custom?.string("reason") ?? ""
        let code = try custom?.unsigned("code") ?? 0
        guard reason.utf8.count <= 123 else { throw .badRequest("'reason' has at most 123 bytes") }
        guard code > 0 else {
            // What Centrifugo does without a code of the application's.
            return .act(
                .disconnect(code: 3503, reason: reason.isEmpty ? "force disconnect" : reason), on: selection)
        }
        guard let number = UInt16(exactly: code), (3000...4999).contains(number) else {
            throw .badRequest("'code' has to be 3000 to 4999")
        }
        return .act(.disconnect(code: number, reason: reason), on: selection)
    }

    private static func refresh(_ fields: ServerAPIFields, _ limits: ServerAPILimits) throws(ServerAPIError) -> Self {
        let selection = try selection(fields)
        let expiresAt = try expiry(fields)
        if try fields.flag("expired") { return .act(.expire, on: selection) }
        if let expiresAt, expiresAt <= limits.now { return .act(.expire, on: selection) }
        return .act(.refresh(expiresAt: expiresAt), on: selection)
    }

    private static func history(_ fields: ServerAPIFields) throws(ServerAPIError) -> History {
        let since = try fields.object("since", known: ["offset", "epoch"])
        var seen: SeenPosition?
        if let since {
            let offset = ClientOffset(clamping: try since.unsigned("offset") ?? 0)
            seen = SeenPosition(ClientPosition(epoch: try since.text("epoch") ?? [], offset: offset))
        }
        return History(
            channel: try channel(fields), limit: try fields.number("limit") ?? 0, since: seen,
            isReverse: try fields.flag("reverse"))
    }
}
