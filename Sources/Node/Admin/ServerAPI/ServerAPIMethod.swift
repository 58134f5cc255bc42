/// The methods of Centrifugo's server API, by their names there.
enum ServerAPIMethod: String, CaseIterable {
    case publish, broadcast, subscribe, unsubscribe, disconnect, refresh, presence
    case presenceStats = "presence_stats"
    case history
    case historyRemove = "history_remove"
    case channels, info, rpc

    /// Named by the first bytes of a path, or the key of a command.
    init?(_ name: some Collection<UInt8>) {
        guard let known = Self.allCases.first(where: { $0.rawValue.utf8.elementsEqual(name) }) else { return nil }
        self = known
    }

    /// Methods that Centrifugo has and that are not served here: those of its PRO version, and kinds of channels that there are
    /// not.
    static let unserved = [
        "connections", "update_user_status", "get_user_status", "delete_user_status", "block_user", "unblock_user",
        "revoke_token", "invalidate_user_tokens", "device_register", "device_update", "device_remove", "device_list",
        "device_topic_list", "device_topic_update", "user_topic_list", "user_topic_update", "send_push_notification",
        "update_push_status", "cancel_push", "map_publish", "map_remove", "map_read_state", "map_read_stream",
        "map_stats", "map_clear", "shared_poll_publish",
    ]

    /// Why a method that is not served is not.
    static func refusal(of name: some Collection<UInt8>) -> ServerAPIError {
        if let known = unserved.first(where: { $0.utf8.elementsEqual(name) }) {
            return .notAvailable("Carillon does not serve the method \(known)")
        }
        let shown = String(decoding: name.prefix(64), as: UTF8.self)
        return .notFound("there is no method '\(shown)'")
    }

    /// The numbers that the older form of commands has for methods.
    static func name(numbered number: Int64) -> String? {
        let names =
            [
                0: "publish", 1: "broadcast", 2: "unsubscribe", 3: "disconnect", 4: "presence", 5: "presence_stats",
                6: "history", 7: "history_remove", 8: "channels", 9: "info", 10: "rpc", 11: "subscribe", 12: "refresh",
            ] as [Int64: String]
        return names[number]
    }

    /// What a call is to the audit log.
    var audit: AuditNote.Kind {
        switch self {
        case .publish, .broadcast: .publication
        case .subscribe, .unsubscribe, .disconnect, .refresh, .historyRemove: .action
        case .presence, .presenceStats, .history, .channels, .info, .rpc: .question
        }
    }
}
