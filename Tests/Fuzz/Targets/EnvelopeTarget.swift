@testable import Codec
@testable import Node

/// Envelopes: what is read and written again is the same envelope, and nothing is believed that is not there.
enum EnvelopeTarget {
    @Sendable static func run(_ input: UnsafeRawBufferPointer) {
        publication(input)
        message(input)
    }

    private static func publication(_ input: UnsafeRawBufferPointer) {
        let hint = ChannelName(trusted: Array("chat:1".utf8))
        let first = try? EnvelopeCodec.decode(input)
        let hinted = try? EnvelopeCodec.decode(input, hint: hint)
        expect((first == nil) == (hinted == nil), "a hint decides whether it is an envelope")
        guard let first, let hinted else { return }
        expect(isSame(first, hinted), "with a hint it is another publication")
        expect(first.payload.count + first.channel.bytes.count < input.count, "more came out than there is")
        expect((1...ChannelName.maximumBytes).contains(first.channel.bytes.count), "a name out of bounds")
        if first.kind != .binary {
            expect(String(validating: first.payload, as: UTF8.self) != nil, "a text that is none")
        }
        let writer = ByteWriter()
        EnvelopeCodec.write(first, to: writer)
        expect(writer.count <= EnvelopeCodec.maximumBytes(first), "it is longer than it can be")
        guard let again = try? EnvelopeCodec.decode(writer.bytes) else { return expect(false, "it does not come back") }
        expect(isSame(first, again), "it comes back as another publication")
        inTwoParts(first)
        for variant in variants {
            let encoded = ByteWriter()
            PublicationEncoder.write(first, as: variant, packing: packing, to: encoded)
            expect(encoded.count > 0, "nothing is written for \(variant)")
            let most = PublicationEncoder.maximumBytes(first, as: variant)
            expect(variant.compression != .none || encoded.count <= most, "more bytes than \(most) for \(variant)")
        }
    }

    private static let variants =
        listed + [.standard, .messagePack].map { Variant(.signalr, in: $0, over: .webSocket) }
    private static let listed = Dialect.allCases.flatMap { dialect in
        dialect.routes.compactMap { $0.variant() }.flatMap { plain in
            Variant.Encoding.allCases.flatMap { encoding in
                Variant.Compression.allCases.map {
                    Variant(
                        dialect, in: encoding, over: plain.transport, $0, isUnidirectional: plain.isUnidirectional)
                }
            }
        }
    }
    nonisolated(unsafe) private static let packing = Packing(Packing.Settings())

    /// As a history has it written: the position is put between both parts.
    private static func inTwoParts(_ publication: Publication) {
        let (head, tail) = (ByteWriter(), ByteWriter())
        EnvelopeCodec.write(publication, before: head, after: tail)
        head.append(bigEndian: UInt64(7))
        head.append(bigEndian: UInt64(8))
        head.append(tail.bytes)
        guard let again = try? EnvelopeCodec.decode(head.bytes) else {
            return expect(false, "both parts are no envelope")
        }
        var expected = publication
        expected.position = Position(epoch: 7, offset: 8)
        expect(isSame(again, expected), "both parts are another publication")
    }

    private static func message(_ input: UnsafeRawBufferPointer) {
        guard let message = try? NodeMessage(decoding: input) else { return }
        expect((try? EnvelopeCodec.decode(input)) == nil, "it is a publication as well")
        let writer = ByteWriter()
        message.write(to: writer)
        expect((try? NodeMessage(decoding: writer.bytes)) == message, "\(message) does not come back")
        switch message {
        case .beat(let beat):
            expect(beat.summary.count + beat.name.utf8.count <= input.count, "more came out than there is")
            expect(beat.summary.count <= Beat.maximumSummaryBytes, "a summary of \(beat.summary.count) bytes")
            if let summary = JSON.decode(NodeSummary.self, from: beat.summary) {
                isCount(summary.sessions + summary.channels + summary.memoryBytes)
                expect(summary.rates.deliveries.value.isFinite, "a rate that is none")
            }
        case .question(_, _, let body):
            _ = ClusterQuestion.cost(of: body)
            _ = JSON.decode(ClusterQuestion.self, from: body)
        case .answer(_, _, let body): answer(body)
        case .farewell: break
        }
    }

    /// As pages of the cluster are made, from two nodes that say the same.
    private static func answer(_ body: [UInt8]) {
        switch JSON.decode(ClusterAnswer.self, from: body) {
        case .channel(let subscribers, let dropped, let more):
            isCount([subscribers, dropped ?? 0, subscribers].sum)
            isCount(DialectShare.sum(more?.dialects ?? []).map(\.subscribers).sum)
        case .channels(let channels):
            let merged = Merging.channels([channels, channels], limit: 3).channels
            expect(merged.count <= 3, "more channels than asked for")
            isCount(merged.map(\.subscribers).sum)
            for sort in ChannelSort.allCases {
                let page = Merging.page(of: Merging.sum(channels + channels), by: sort, after: nil, limit: 3)
                expect(page.channels.count <= 3, "more channels than asked for")
            }
        case .connections(let connections):
            for sort in ConnectionSort.allCases {
                let merged = Merging.connections([connections, connections], sort: sort, limit: 3)
                expect(merged.connections.count <= 3, "more connections than asked for")
            }
        case .closedUser(let sessions), .revoked(let sessions): isCount(sessions + sessions)
        case .sessions(let ids):
            for id in ids.compactMap({ SessionID($0) }) { expect(SessionID(id.description) == id, "another session") }
        case .configuration(let values):
            let same = ConfigurationComparison.differences([("a", values), ("b", values)])
            expect(same.isEmpty, "a configuration differs from itself")
            _ = ConfigurationComparison.differences([("a", values), ("b", [])])
        case .acted(let acted):
            let refused = [acted.limit, acted.notPermitted, acted.unrecoverable, acted.wordless, acted.temporary]
            isCount(acted.done + refused.sum)
        case .population(let users, let subscriptions): isCount(users + subscriptions)
        case .series(let series):
            let bounded = series.bounded(to: 3)
            expect(bounded.sessions.count <= 3, "more samples than asked for")
            expect(bounded.sessions.count == bounded.roundTripUs.count, "lists of several lengths")
        case .recent(let events):
            expect(
                RecentMerging.merge([("a", events), ("b", events)], limit: 3).count <= 3, "more events than asked for")
        case .connection(let detail): isCount(detail?.summary.backlogBytes ?? 0)
        case .limits(let limits):
            isCount(limits.map(\.hitsLastMinute).sum)
            let problems = Diagnosis.problems(
                [], answered: NodeCount(asked: 2, answered: 1), limits: limits, slow: limits.count)
            expect(!Diagnosis.sentence(problems, nodes: 2).isEmpty, "no sentence")
        case .traceItems(let items): for item in items { TraceStream.write(item, to: ByteWriter()) }
        case .closed, .draining, .undrained, .historyForgotten, .traceBegun, .traceRefused, .traceEnded, nil: break
        }
    }

    private static func isCount(_ count: Count) {
        expect(count.value <= Count.maximum && count.int >= 0, "a count of \(count.value)")
    }

    private static func isSame(_ left: Publication, _ right: Publication) -> Bool {
        left.channel == right.channel && left.kind == right.kind && left.payload == right.payload
            && left.origin == right.origin && left.position == right.position && left.time == right.time
            && left.extras?.idempotencyKey == right.extras?.idempotencyKey && left.extras?.event == right.extras?.event
            && left.extras?.except ?? [] == right.extras?.except ?? []
            && left.extras?.publisher == right.extras?.publisher && left.extras?.tags == right.extras?.tags
    }
}
