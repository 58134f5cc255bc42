/// Presence as the centrifuge dialect tells it (Centrifuge client protocol v2: ClientInfo, PresenceResult,
/// PresenceStatsResult, Join, Leave).
extension CentrifugeEncoder {
    static func write(
        _ change: PresenceChange, _ member: PresenceMember, in channel: ChannelName, to writer: ByteWriter
    ) {
        frame(writer) {
            writer.append(#"{"push":{"channel":"#)
            JSONWriter.writeString(channel.bytes, to: writer)
            switch change {
            case .join: writer.append(#","join":{"info":"#)
            case .leave: writer.append(#","leave":{"info":"#)
            }
            write(member, to: writer)
            writer.append("}}}")
        }
    }

    /// Who is present, by the ids of their sessions.
    package static func writePresence(_ id: UInt32, _ members: [PresenceMember], to writer: ByteWriter) {
        reply(id, writer) {
            writer.append(#""presence":{"presence":{"#)
            for (index, member) in members.enumerated() {
                if index > 0 { writer.append(",") }
                writer.append("\"")
                writer.append(member.session)
                writer.append("\":")
                write(member, to: writer)
            }
            writer.append("}}")
        }
    }

    package static func writePresenceStats(_ id: UInt32, clients: Int, users: Int, to writer: ByteWriter) {
        reply(id, writer) {
            writer.append(#""presence_stats":{"num_clients":"#)
            writer.append(decimal: UInt64(clients))
            writer.append(#","num_users":"#)
            writer.append(decimal: UInt64(users))
            writer.append("}")
        }
    }

    /// ClientInfo.
    private static func write(_ member: PresenceMember, to writer: ByteWriter) {
        writer.append("{")
        if let user = member.user {
            writer.append(#""user":"#)
            JSONWriter.writeString(user, to: writer)
            writer.append(",")
        }
        writer.append(#""client":""#)
        writer.append(member.session)
        writer.append("\"")
        if let info = member.info {
            writer.append(#","conn_info":"#)
            info.withUnsafeBytes { JSONWriter.writeOnOneLine($0, to: writer) }
        }
        writer.append("}")
    }
}
