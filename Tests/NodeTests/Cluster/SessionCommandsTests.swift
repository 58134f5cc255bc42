import Codec
import Foundation
import Testing

@testable import Node

@Suite struct SessionCommandsTests {
    private let id = SessionID(node: NodeID(1), locator: 2, secret: .init(high: 3, low: 4))

    @Test func choosesSessions() {
        let other = SessionID(node: NodeID(1), locator: 2, secret: .init(high: 3, low: 5))
        #expect(SessionSelection(user: "ann").includes(user: "ann", id: id))
        #expect(!SessionSelection(user: "ann").includes(user: "bob", id: id))
        #expect(!SessionSelection(user: "ann").includes(user: nil, id: id))
        // No user is the empty one.
        #expect(SessionSelection(user: "").includes(user: nil, id: id))
        #expect(!SessionSelection(user: "").includes(user: "ann", id: id))
        #expect(SessionSelection(client: id.description).includes(user: "ann", id: id))
        #expect(!SessionSelection(client: other.description).includes(user: "ann", id: id))
        #expect(!SessionSelection(user: "bob", client: id.description).includes(user: "ann", id: id))
        #expect(!SessionSelection(user: "ann", except: [id.description]).includes(user: "ann", id: id))
        #expect(SessionSelection(user: "ann", except: [other.description]).includes(user: "ann", id: id))
        // Two spellings of one letter are two users.
        #expect(!SessionSelection(user: "jos\u{e9}").includes(user: "jose\u{301}", id: id))
    }

    @Test(
        arguments: [
            .act(
                .subscribe(channel: "a", data: "{\"n\":1}", epoch: "", offset: .max, expiresAt: 5),
                on: SessionSelection(user: "ann", client: "x", except: ["y"])),
            .act(.unsubscribe(channel: nil), on: SessionSelection(user: "")),
            .act(.disconnect(code: 4000, reason: "bye"), on: SessionSelection(user: "ann")),
            .act(.refresh(expiresAt: nil), on: SessionSelection(user: "ann")),
            .act(.expire, on: SessionSelection(client: "x")),
            .population, .matching(pattern: "a*", after: nil, limit: 10),
        ] as [ClusterQuestion])
    func travels(question: ClusterQuestion) throws {
        let body = Array(try JSON.encoder.encode(question))
        #expect(JSON.decode(ClusterQuestion.self, from: body) == question)
        #expect(ClusterQuestion.cost(of: body) == .walk)
        #expect(body.count <= NodeMessage.maximumQuestionBytes)
    }

    @Test func forgettingHistoryIsALookup() throws {
        let question = ClusterQuestion.forgetHistory(channel: "a", upTo: 7)
        let body = Array(try JSON.encoder.encode(question))
        #expect(JSON.decode(ClusterQuestion.self, from: body) == question)
        #expect(ClusterQuestion.cost(of: body) == .lookup)
    }

    /// The longest that an application can ask for fits into a question.
    @Test func theLongestQuestionFits() throws {
        let data = String(repeating: "\"", count: ServerAPILimits.maximumDataBytes)
        let channel = String(repeating: "\"", count: ChannelName.maximumBytes)
        let except = Array(repeating: String(repeating: "\"", count: 66), count: ServerAPILimits.maximumWhitelist)
        let subscribe = ClusterQuestion.act(
            .subscribe(channel: channel, data: data, epoch: channel, offset: .max, expiresAt: .max),
            on: SessionSelection(user: ForeignText(channel), client: channel))
        #expect(try JSON.encoder.encode(subscribe).count <= NodeMessage.maximumQuestionBytes)
        let disconnect = ClusterQuestion.act(
            .disconnect(code: 4999, reason: channel), on: SessionSelection(user: ForeignText(channel), except: except))
        #expect(try JSON.encoder.encode(disconnect).count <= NodeMessage.maximumQuestionBytes)
    }

    @Test func addsUpWhatBecameOfIt() throws {
        var sum = SessionsActedOn()
        var share = SessionsActedOn()
        share.note(nil)
        share.note(.limit)
        share.note(.temporary)
        sum += share
        sum += share
        #expect(sum.total == 6 && sum.done == 2)
        #expect(sum.refusals.map(\.reason) == [.limit, .temporary] && sum.refusals.map(\.count) == [2, 2])
        let body = Array(try JSON.encoder.encode(ClusterAnswer.acted(sum)))
        #expect(JSON.decode(ClusterAnswer.self, from: body) == .acted(sum))
    }
}
