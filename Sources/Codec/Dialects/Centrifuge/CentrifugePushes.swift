/// Pushes of the centrifuge dialect in JSON that are not about a publication or a member (Centrifuge client protocol v2: Push).
extension CentrifugeEncoder {
    /// The node ended a subscription.
    package static func writeUnsubscribePush(
        _ channel: ChannelName, code: UInt32, reason: String, in carrier: CentrifugeCarrier = .webSocket,
        to writer: ByteWriter
    ) {
        push(channel, carrier, writer) {
            writer.append(#""unsubscribe":{"code":"#)
            writer.append(decimal: UInt64(code))
            writer.append(#","reason":"#)
            JSONWriter.writeString(reason, to: writer)
            writer.append("}")
        }
    }

    /// The node began a subscription.
    ///
    /// - Parameters:
    ///   - position: Where it begins; nil for a channel without history.
    ///   - data: One JSON value of the application's.
    package static func writeSubscribePush(
        _ channel: ChannelName, position: Position?, data: [UInt8]? = nil, in carrier: CentrifugeCarrier = .webSocket,
        to writer: ByteWriter
    ) {
        push(channel, carrier, writer) {
            writer.append(#""subscribe":{"#)
            if let position { writeBeginning(position, to: writer) }
            if let data {
                if position != nil { writer.append(",") }
                writer.append(#""data":"#)
                data.withUnsafeBytes { JSONWriter.writeOnOneLine($0, to: writer) }
            }
            writer.append("}")
        }
    }

    /// A client that sends no commands is connected.
    package static func writeConnectPush(
        client: SessionID, version: String, ping: UInt32, ttl: UInt32? = nil,
        channels: [(name: ChannelName, beginning: Outcome.Beginning?)] = [], in carrier: CentrifugeCarrier,
        to writer: ByteWriter
    ) {
        push(nil, carrier, writer) { writeConnection(client, version, ping, false, ttl, channels, [], to: writer) }
    }

    /// The connection ends, where no close frame can say why.
    package static func writeDisconnectPush(
        code: UInt16, reason: String, isReconnectWelcome: Bool, in carrier: CentrifugeCarrier, to writer: ByteWriter
    ) {
        push(nil, carrier, writer) {
            writer.append(#""disconnect":{"code":"#)
            writer.append(decimal: UInt64(code))
            writer.append(#","reason":"#)
            JSONWriter.writeString(reason, to: writer)
            if isReconnectWelcome { writer.append(#","reconnect":true"#) }
            writer.append("}")
        }
    }

    /// The node extended the connection, or limited it.
    package static func writeRefreshPush(
        ttl: UInt32?, in carrier: CentrifugeCarrier = .webSocket, to writer: ByteWriter
    ) {
        push(nil, carrier, writer) {
            writer.append(#""refresh":{"#)
            writeExpiry(ttl, isFirst: true, to: writer)
            writer.append("}")
        }
    }
}
