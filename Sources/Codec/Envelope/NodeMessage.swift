/// What nodes say to each other besides publications, in the same envelope.
package enum NodeMessage: Equatable, Sendable {
    case beat(Beat)
    /// The node is leaving and will not be back.
    case farewell(NodeID)
    case question(id: UInt64, from: NodeID, body: [UInt8])
    case answer(id: UInt64, from: NodeID, body: [UInt8])

    package func write(to writer: ByteWriter) {
        switch self {
        case .beat(let beat):
            EnvelopeCodec.writeHead(.beat, detail: 0, origin: beat.node, to: writer)
            writer.append(bigEndian: beat.sequence)
            let name = cut(Array(beat.name.utf8))
            writer.append(bigEndian: UInt16(name.count))
            name.withUnsafeBytes { writer.append($0) }
            writer.append(beat.summary)
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
            let body = Array(rest[8...])
            self =
                head.kind == .question
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
            self = .beat(
                Beat(node: head.origin, sequence: sequence, name: name, summary: Array(rest[(10 + length)...])))
        case .publication, .change, .loss:
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
    /// What the node says of itself, as JSON.
    package let summary: [UInt8]

    /// Of a node's name.
    package static let maximumNameBytes = 255

    /// What a name may hold: nothing that controls a terminal, ends a line or turns the direction of writing.
    package static func isAllowed(_ scalar: Unicode.Scalar) -> Bool {
        !(scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) || (0x2028...0x202E).contains(scalar.value)
            || (0x2066...0x2069).contains(scalar.value))
    }

    package init(node: NodeID, sequence: UInt64, name: String, summary: [UInt8]) {
        self.node = node
        self.sequence = sequence
        self.name = name
        self.summary = summary
    }
}
