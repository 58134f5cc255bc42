@testable import Backplane
@testable import Codec
@testable import Node

/// What scripts and sentinels reply, and what Redis keeps: events for webhooks, history, revocations. Others may write there.
enum RepliesTarget {
    @Sendable static func run(_ input: UnsafeRawBufferPointer) {
        var values: [RESPValue] = []
        let reader = RESPReader(limits: RESPReader.Limits()) { reply in
            if case .value(let value) = reply { values.append(value) }
        }
        _ = try? reader.feed(input)
        for value in values.prefix(8) {
            outbox(value)
            history(value)
            sentinels(value)
        }
        if let id = OutboxID(String(decoding: input, as: UTF8.self)) {
            expect(OutboxID("\(id)") == id, "an id comes back as another one")
        }
        entry(Array(input))
    }

    private static let lease = OutboxLease(token: "1", duration: 1)
    private static let requests: [OutboxRequest] = [
        .append([]), .take(lease), .acknowledge([], lease), .failed(reason: "", lease), .bury([], reason: "", lease),
        .release(lease), .state, .letters(after: OutboxID(time: 0, number: 0), limit: 10), .resend(limit: 10), .purge,
    ]

    private static func outbox(_ value: RESPValue) {
        for request in requests {
            switch OutboxReply.answer(value, to: request) {
            case .failure(let refusal): expect(!"\(refusal)".isEmpty, "an error without words")
            case .success(.taken(.events(let entries, _))):
                expect(!entries.isEmpty, "events that are none")
                for event in entries { entry(event.body) }
            case .success(.settled(_, let lost)): expect(lost >= 0, "\(lost) are lost")
            case .success: break
            }
        }
    }

    /// What is sent to a receiver is JSON, whatever lies in the stream.
    private static func entry(_ body: [UInt8]) {
        let good = Array(#"{"id":"1"}"#.utf8)
        let batch = CloudEvents.batch([good, body, good].filter(CloudEvents.isEvent))
        expect(batch.withUnsafeBytes { JSONScanner.isValid($0) && UTF8Validator.isValid($0) }, "no JSON for a receiver")
        if let revocation = Revocation(packed: body) { expect(revocation.packed == body, "two entries of one") }
    }

    private static func history(_ value: RESPValue) {
        let channel = ChannelName(trusted: Array("chat:1".utf8))
        let settings = HistorySettings(size: 10, timeToLive: 60_000)
        for since in [nil, Position(epoch: 7, offset: 1)] {
            for isReverse in [false, true] {
                let query = HistoryQuery(
                    channel: channel, settings: settings, since: since, limit: 4, isReverse: isReverse)
                guard let reply = try? HistoryReply(value, to: query, today: 20_000) else { continue }
                let offsets = reply.page.publications.compactMap { $0.position?.offset }
                expect(offsets.count == reply.page.publications.count && offsets.count <= 4, "a page of others")
                expect(offsets == offsets.sorted { isReverse ? $1 < $0 : $0 < $1 }, "another order")
                expect(Set(offsets).count == offsets.count, "a publication comes twice")
                expect(reply.page.publications.allSatisfy { $0.channel == channel }, "of another channel")
            }
        }
    }

    private static func sentinels(_ value: RESPValue) {
        guard case .array(let parts) = value, parts.count == 2 else { return }
        _ = SentinelView.isFailingOver(state: parts[1])
        if let master = SentinelView.master(address: parts[0], state: parts[1]) {
            expect(master.port > 0 && !master.host.isEmpty, "a master without an address")
        }
    }
}
