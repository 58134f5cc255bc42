/// What nodes say to each other besides publications, in the same envelope.
package enum NodeMessage: Equatable, Sendable {
    case beat(Beat)
    /// The node is leaving and will not be back.
    case farewell(NodeID)
    case question(id: UInt64, from: NodeID, body: [UInt8])
    case answer(id: UInt64, from: NodeID, body: [UInt8])
    case standing(NodeID, ShardStanding)

    /// Bytes of a question: the largest request with commands. A query of the API, whose head has at most 16 KiB, has less than
    /// an eighth of it with every byte escaped.
    package static let maximumQuestionBytes = 1024 * 1024 + CommandRequest.headBytes
    /// Bytes of an answer: 1000 connections, each with the longest names that there may be.
    package static let maximumAnswerBytes = 16 * 1024 * 1024

    package func write(to writer: ByteWriter) {
        switch self {
        case .beat(let beat):
            EnvelopeCodec.writeHead(.beat, detail: beat.layout, origin: beat.node, to: writer)
            writer.append(bigEndian: beat.sequence)
            let name = cut(Array(beat.name.utf8))
            writer.append(bigEndian: UInt16(name.count))
            name.withUnsafeBytes { writer.append($0) }
            // Nobody would take more, this node's own beat included, and it would be isolated.
            if beat.summary.count <= Beat.maximumSummaryBytes { writer.append(beat.summary) }
        case .farewell(let node):
            EnvelopeCodec.writeHead(.farewell, detail: 0, origin: node, to: writer)
        case .question(let id, let from, let body):
            EnvelopeCodec.writeHead(.question, detail: 0, origin: from, to: writer)
            writer.append(bigEndian: id)
            writer.append(body)
        case .answer(let id, let from, let body):
            EnvelopeCodec.writeHead(.answer, detail: 0, origin: from, to: writer)
            writer.append(bigEndian: id)
            writer.append(body)
        case .standing(let node, let standing):
            EnvelopeCodec.writeHead(.standing, detail: standing.flags, origin: node, to: writer)
            for word in [standing.generation, standing.digest, standing.target] { writer.append(bigEndian: word) }
        }
    }

    /// What of a name fits, cut between two characters.
    private func cut(_ name: [UInt8]) -> ArraySlice<UInt8> {
        var end = min(name.count, Beat.maximumNameBytes)
        while end > 0, end < name.count, name[end] & 0xC0 == 0x80 { end -= 1 }
        return name[..<end]
    }

    package init(decoding bytes: UnsafeRawBufferPointer) throws(EnvelopeError) {
        let head = try EnvelopeCodec.readHead(bytes)
        let rest = UnsafeRawBufferPointer(rebasing: bytes[EnvelopeCodec.headBytes...])
        switch head.kind {
        case .farewell:
            self = .farewell(head.origin)
        case .question, .answer:
            guard rest.count >= 8 else { throw .truncated }
            let id = UInt64(bigEndian: rest.loadUnaligned(as: UInt64.self))
            let isQuestion = head.kind == .question
            guard rest.count - 8 <= (isQuestion ? Self.maximumQuestionBytes : Self.maximumAnswerBytes) else {
                throw .tooLong
            }
            let body = Array(rest[8...])
            self =
                isQuestion
                ? .question(id: id, from: head.origin, body: body) : .answer(id: id, from: head.origin, body: body)
        case .beat:
            guard rest.count >= 10 else { throw .truncated }
            let sequence = UInt64(bigEndian: rest.loadUnaligned(as: UInt64.self))
            let length = Int(UInt16(bigEndian: rest.loadUnaligned(fromByteOffset: 8, as: UInt16.self)))
            guard rest.count >= 10 + length else { throw .truncated }
            guard let name = String(validating: rest[10..<(10 + length)], as: UTF8.self) else { throw .notUTF8 }
            guard length <= Beat.maximumNameBytes, name.unicodeScalars.allSatisfy(Beat.isAllowed) else {
                throw .badName
            }
            let summary = UnsafeRawBufferPointer(rebasing: rest[(10 + length)...])
            guard summary.count <= Beat.maximumSummaryBytes else { throw .tooLong }
            guard summary.isEmpty || (UTF8Validator.isValid(summary) && JSONScanner.isValid(summary)) else {
                throw .badSummary
            }
            self = .beat(
                Beat(
                    node: head.origin, sequence: sequence, name: name, summary: Array(summary),
                    layout: head.detail))
        case .standing:
            guard rest.count >= ShardStanding.bytes else { throw .truncated }
            func word(_ number: Int) -> UInt64 {
                UInt64(bigEndian: rest.loadUnaligned(fromByteOffset: 8 * number, as: UInt64.self))
            }
            self = .standing(
                head.origin,
                ShardStanding(generation: word(0), digest: word(1), target: word(2), flags: head.detail))
        case .publication, .change, .loss, .fence:
            throw .unknownType(bytes[2])
        }
    }
}

/// A sign of life, published by each node once a second and received by all, itself included.
package struct Beat: Equatable, Sendable {
    package let node: NodeID
    /// Grows by one with each beat.
    package let sequence: UInt64
    package let name: String
    /// What the node says of itself: one JSON value, or nothing yet.
    package let summary: [UInt8]
    /// How the node names keys and channels in Redis; 0 from version 0.2 and earlier, which know one way only.
    package let layout: UInt8

    /// Of a node's name.
    package static let maximumNameBytes = 255
    /// Of a summary. A node's own has less than 2 KiB; each node keeps one of every other node.
    package static let maximumSummaryBytes = 8 * 1024

    /// What a name may hold: nothing that controls a terminal, ends a line or turns the direction of writing.
    package static func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
        !(scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) || (0x2028...0x202E).contains(scalar.value)
            || (0x2066...0x2069).contains(scalar.value))
    }

    package init(node: NodeID, sequence: UInt64, name: String, summary: [UInt8], layout: UInt8 = 0) {
        self.node = node
        self.sequence = sequence
        self.name = name
        self.summary = summary
        self.layout = layout
    }
}
