import Codec

/// Results and replies of Centrifugo's server API as JSON. Empty fields and zeros are left out, as everywhere in that protocol.
enum ServerAPIReply {
    private static func bytes(_ capacity: Int = 256, _ body: (ByteWriter) -> Void) -> [UInt8] {
        let writer = ByteWriter(capacity: capacity)
        body(writer)
        return Array(writer.bytes)
    }

    // MARK: Around results

    /// `{"result":{…}}` or `{"error":{…}}`
    static func response(_ outcome: ServerAPI.Outcome) -> [UInt8] {
        switch outcome {
        case .success(let result):
            bytes(result.count + 16) { writer in
                writer.append("{\"result\":")
                writer.append(result)
                writer.append("}")
            }
        case .failure(let error):
            bytes { writer in
                writer.append("{\"error\":")
                error.write(to: writer)
                writer.append("}")
            }
        }
    }

    /// An error alone, as the body of a response whose status says that it is one.
    static func bare(_ error: ServerAPIError) -> [UInt8] { bytes { error.write(to: $0) } }

    /// `{"replies":[{"publish":{…}},{"error":{…}}]}`
    static func batch(_ replies: [(method: ServerAPIMethod?, outcome: ServerAPI.Outcome)]) -> [UInt8] {
        bytes(4096) { writer in
            writer.append("{\"replies\":[")
            for (index, reply) in replies.enumerated() {
                if index > 0 { writer.append(",") }
                switch (reply.outcome, reply.method) {
                case (.success(let result), let method?):
                    writer.append("{")
                    JSONWriter.writeString(method.rawValue, to: writer)
                    writer.append(":")
                    writer.append(result)
                    writer.append("}")
                case (.failure(let error), _):
                    writer.append("{\"error\":")
                    error.write(to: writer)
                    writer.append("}")
                case (.success, nil): writer.append("{}")
                }
            }
            writer.append("]}")
        }
    }

    /// One line of the older form: `{"id":1,"result":{…}}`
    static func line(_ id: UInt64, _ outcome: ServerAPI.Outcome) -> [UInt8] {
        let response = response(outcome)
        guard id > 0 else { return response }
        return Array("{\"id\":\(id),".utf8) + response.dropFirst()
    }

    // MARK: Results

    /// - Parameter position: Nil where no history is kept.
    static func published(_ position: Position?) -> [UInt8] {
        bytes { writer in
            writer.append("{")
            if let position { write(position, to: writer) }
            writer.append("}")
        }
    }

    /// As the clients of the centrifuge dialect see it, so that the two can be compared.
    private static func write(_ position: Position, to writer: ByteWriter) {
        if position.offset > .zero {
            writer.append("\"offset\":")
            writer.append(text: ClientOffset(position).description)
            writer.append(",")
        }
        writer.append("\"epoch\":\"")
        writer.append(text: position.epochText)
        writer.append("\"")
    }

    static func broadcast(_ responses: [ServerAPI.Outcome]) -> [UInt8] {
        bytes(responses.count * 64) { writer in
            writer.append("{\"responses\":[")
            for (index, outcome) in responses.enumerated() {
                if index > 0 { writer.append(",") }
                writer.append(response(outcome))
            }
            writer.append("]}")
        }
    }

    static func presenceStats(_ counts: PresenceCounts) -> [UInt8] {
        Array("{\"num_clients\":\(counts.clients),\"num_users\":\(counts.users)}".utf8)
    }

    static func presence(_ members: [PresenceMember]) -> [UInt8] {
        bytes(members.count * 256) { writer in
            writer.append("{\"presence\":{")
            for (index, member) in members.enumerated() {
                if index > 0 { writer.append(",") }
                writer.append("\"")
                writer.append(text: member.session.description)
                writer.append("\":")
                write(member, to: writer)
            }
            writer.append("}}")
        }
    }

    /// ClientInfo. What a token says of its user is JSON: a member whose info is not is none (`PresenceMember`).
    private static func write(_ member: PresenceMember, to writer: ByteWriter) {
        writer.append("{")
        if let user = member.user {
            writer.append("\"user\":")
            JSONWriter.writeString(user, to: writer)
            writer.append(",")
        }
        writer.append("\"client\":\"")
        writer.append(text: member.session.description)
        writer.append("\"")
        if let info = member.info {
            writer.append(",\"conn_info\":")
            writer.append(info)
        }
        writer.append("}")
    }

    static func history(_ publications: [Publication], top: Position) -> [UInt8] {
        bytes(publications.reduce(256) { $0 + $1.payload.count + 128 }) { writer in
            writer.append("{\"publications\":[")
            for (index, publication) in publications.enumerated() {
                if index > 0 { writer.append(",") }
                write(publication, to: writer)
            }
            writer.append("],")
            write(top, to: writer)
            writer.append("}")
        }
    }

    private static func write(_ publication: Publication, to writer: ByteWriter) {
        writer.append("{\"data\":")
        publication.payload.withUnsafeBytes { payload in
            if publication.kind == .binary {
                writer.append("\"")
                Base64.write(payload, to: writer)
                writer.append("\"")
            } else if JSONScanner.isValid(payload) {
                writer.append(payload)
            } else {
                JSONWriter.writeString(payload, to: writer)
            }
        }
        if let publisher = publication.extras?.publisher {
            writer.append(",\"info\":")
            write(publisher, to: writer)
        }
        if let position = publication.position {
            writer.append(",\"offset\":")
            writer.append(text: ClientOffset(position).description)
        }
        if let tags = publication.extras?.tags {
            writer.append(",\"tags\":")
            tags.write(to: writer)
        }
        writer.append("}")
    }

    static func channels(_ channels: [ChannelSummary]) -> [UInt8] {
        bytes(channels.count * 64) { writer in
            writer.append("{\"channels\":{")
            for (index, channel) in channels.enumerated() {
                if index > 0 { writer.append(",") }
                JSONWriter.writeString(channel.name, to: writer)
                writer.append(":{\"num_clients\":")
                writer.append(text: channel.subscribers.description)
                writer.append("}")
            }
            writer.append("}}")
        }
    }

    /// What is known of a node. What is not known is left out.
    struct NodeInfo {
        var entry: NodeEntry
        var population: (users: Count, subscriptions: Count)?
        /// Seconds.
        var uptime: Count?
    }

    static func info(_ nodes: [NodeInfo]) -> [UInt8] {
        bytes(nodes.count * 256) { writer in
            writer.append("{\"nodes\":[")
            for (index, node) in nodes.enumerated() {
                writer.append(index > 0 ? ",{\"uid\":" : "{\"uid\":")
                JSONWriter.writeString(node.entry.id, to: writer)
                writer.append(",\"name\":")
                JSONWriter.writeString(node.entry.name, to: writer)
                if let summary = node.entry.summary {
                    writer.append(",\"version\":")
                    JSONWriter.writeString(summary.version.text, to: writer)
                    write("num_clients", summary.sessions, to: writer)
                    write("num_channels", summary.channels, to: writer)
                }
                if let population = node.population {
                    write("num_users", population.users, to: writer)
                    write("num_subs", population.subscriptions, to: writer)
                }
                if let uptime = node.uptime { write("uptime", uptime, to: writer) }
                if let summary = node.entry.summary { write(summary, to: writer) }
                writer.append("}")
            }
            writer.append("]}")
        }
    }

    private static func write(_ name: String, _ count: Count, to writer: ByteWriter) {
        writer.append(text: ",\"\(name)\":\(count)")
    }

    /// Rates of the last second, and what the process uses.
    private static func write(_ summary: NodeSummary, to writer: ByteWriter) {
        let rates = summary.rates
        writer.append(text: ",\"metrics\":{\"interval\":1,\"items\":{\"messages_in\":\(rates.messagesIn.value)")
        writer.append(text: ",\"publications\":\(rates.publications.value),\"deliveries\":\(rates.deliveries.value)")
        writer.append(text: ",\"bytes_out\":\(rates.bytesOut.value),\"backlog_bytes\":\(summary.backlogBytes)}}")
        writer.append(
            text: ",\"process\":{\"cpu\":\(summary.cpuPercent.value),\"rss\":\(summary.memoryBytes)}")
    }
}
