/// Presence as the centrifuge dialect tells it (Centrifuge client protocol v2: ClientInfo, PresenceResult,
/// PresenceStatsResult, Join, Leave).
extension CentrifugeEncoder {
    static func write(
        _ change: PresenceChange, _ member: PresenceMember, in channel: ChannelName,
        in carrier: CentrifugeCarrier = .webSocket, to writer: ByteWriter
    ) {
        push(channel, carrier, writer) {
            switch change {
            case .join: writer.append(#""join":{"info":"#)
            case .leave: writer.append(#""leave":{"info":"#)
            }
            write(member, to: writer)
            writer.append("}")
        }
    }

    /// Who is present, by the ids of their sessions.
    package static func writePresence(
        _ id: UInt32, _ members: [PresenceMember], in carrier: CentrifugeCarrier = .webSocket, to writer: ByteWriter
    ) {
        reply(id, carrier, writer) {
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

    package static func writePresenceStats(
        _ id: UInt32, _ counts: PresenceCounts, in carrier: CentrifugeCarrier = .webSocket, to writer: ByteWriter
    ) {
        reply(id, carrier, writer) {
            writer.append(#""presence_stats":{"num_clients":"#)
            writer.append(decimal: UInt64(counts.clients))
            writer.append(#","num_users":"#)
            writer.append(decimal: UInt64(counts.users))
            writer.append("}")
        }
    }

    /// ClientInfo.
    static func write(_ member: PresenceMember, to writer: ByteWriter) {
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
