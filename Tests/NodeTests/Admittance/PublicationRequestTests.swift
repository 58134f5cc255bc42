import Backplane
import Codec
import Testing

@testable import Node

@Suite struct PublicationRequestTests {
    private func rig() throws -> ShardRig {
        try ShardRig {
            $0.channels = [
                ChannelRule(match: ChannelPattern("open"), publish: .client),
                ChannelRule(match: ChannelPattern("named"), publish: .user),
            ]
            $0.messageBytes = 1024
        }
    }

    private func post(_ channel: String, _ body: String = "hello") -> String {
        "POST /publish?channel=\(channel) HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: "
            + "\(body.utf8.count)\r\n\r\n\(body)"
    }

    private func send(_ rig: ShardRig, _ request: String) -> (client: Int32, slot: UInt32) {
        let (client, slot) = rig.connect()
        rig.write(client, request)
        rig.turn(slot)
        return (client, slot)
    }

    /// The request is answered when the backplane has said what became of the publication, and not before.
    @Test func theAnswerIsTheBackplanes() throws {
        let rig = try rig()
        let outcomes: [(PublishOutcome, String)] = [
            (.accepted(Position(epoch: 0x2F, offset: 42)), #"{"position":"000000000000002f:42"}"#),
            (.accepted(nil), #"{"position":null}"#), (.refused(.bufferFull), "not_published"),
        ]
        for (outcome, expected) in outcomes {
            let (client, slot) = send(rig, post("open"))
            #expect(rig.shard.session(slot).pointee.phase == .publishing && rig.text(client).isEmpty)
            let (publication, ticket) = try #require(rig.backplane.published.last)
            #expect(publication.payload == Array("hello".utf8) && publication.kind == .text)
            rig.exchange.published(ticket, outcome)
            rig.turn()
            let answer = rig.text(client)
            #expect(answer.contains(expected) && answer.contains("\r\nConnection: close\r\n"))
            #expect(answer.hasPrefix("HTTP/1.1 \(expected == "not_published" ? 503 : 200) "))
            #expect(rig.shard.session(slot).pointee.phase == .closing)
            // What comes late finds nobody.
            rig.exchange.published(ticket, outcome)
            rig.turn()
            #expect(rig.text(client).isEmpty)
        }
        #expect(rig.shard.context.counters.publishRequests == 2)
        #expect(rig.shard.context.counters.publishRequestsRefused == 1)
    }

    @Test func theRuleDecides() throws {
        let rig = try rig()
        for channel in ["named", "other"] {
            let (client, _) = send(rig, post(channel))
            let answer = rig.text(client)
            #expect(answer.hasPrefix("HTTP/1.1 403 ") && answer.contains("publishing to channel '\(channel)'"))
        }
        #expect(rig.backplane.published.isEmpty && rig.shard.context.counters.refusedPublishes == 2)
    }

    /// The limit of messages holds, and is judged by the length that is announced.
    @Test func aBodyIsNoLargerThanAMessage() throws {
        let rig = try rig()
        let (client, _) = send(rig, post("open", String(repeating: "x", count: 1025)))
        let answer = rig.text(client)
        #expect(answer.hasPrefix("HTTP/1.1 413 ") && answer.contains("1024 bytes (limits.message_bytes)"))
        #expect(rig.shard.context.counters.oversizedMessages == 1 && rig.shard.context.counters.oversizedRequests == 0)
        let (_, slot) = send(rig, post("open", String(repeating: "x", count: 1024)))
        #expect(rig.shard.session(slot).pointee.phase == .publishing)
    }

    /// Nothing comes from the backplane in time, or the node ends: the client is told that nobody knows.
    @Test func nobodyWaitsForEver() throws {
        let rig = try rig()
        let (client, slot) = send(rig, post("open"))
        rig.ring(.handshake, slot)
        #expect(rig.text(client).contains("may or may not have been delivered"))
        let (other, last) = send(rig, post("open"))
        rig.shard.closeAll()
        #expect(rig.text(other).hasPrefix("HTTP/1.1 503 ") && rig.shard.session(last).pointee.phase == .closing)
    }
}
