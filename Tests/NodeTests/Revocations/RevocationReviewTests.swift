import Codec
import Testing

@testable import Node

@Suite struct RevocationReviewTests {
    private func rig() throws -> ShardRig { try ShardRig() }

    /// A raw session of a user whose token was issued at a moment.
    private func session(_ rig: ShardRig, _ user: ForeignText, at: Int64, id: ForeignText? = nil) -> (
        client: Int32, slot: UInt32
    ) {
        let (client, slot) = rig.subscribe("news")
        let isAssumed = rig.shard.admittance.assume(
            Credentials(user: user, token: TokenMark(user: user, id: id, issuedAt: at)), slot)
        precondition(isAssumed)
        return (client, slot)
    }

    private func isOpen(_ rig: ShardRig, _ slot: UInt32) -> Bool { rig.shard.session(slot).pointee.phase == .open }

    private final class Ended: @unchecked Sendable { var count: UInt64? }

    private func revoke(_ rig: ShardRig, _ subject: Revocation.Subject, until: Int64 = 100) -> Ended {
        let revocation = Revocation(subject, issuedUntil: until, expiresAt: 1 << 40)!
        precondition(rig.shard.context.gatekeeper.revocations.add(revocation))
        let ended = Ended()
        rig.shard.reviewRevocations(revocation) { ended.count = $0 }
        return ended
    }

    @Test func endsWhatIsRevokedAndNothingElse() throws {
        let rig = try rig()
        let old = session(rig, "ann", at: 100)
        let new = session(rig, "ann", at: 101)
        let other = session(rig, "bob", at: 1)
        let visitor = rig.subscribe("news")
        let ended = revoke(rig, .user("ann"))
        #expect(ended.count == nil)
        rig.turn()
        #expect(ended.count == 1)
        #expect(!isOpen(rig, old.slot))
        #expect(isOpen(rig, new.slot) && isOpen(rig, other.slot) && isOpen(rig, visitor.slot))
        #expect(rig.text(old.client).contains("the token is not valid"))
        #expect(rig.shard.context.counters.revoked == 1)
    }

    /// One that comes while a walk is under way is not answered by it: it has passed sessions without it.
    @Test func eachIsAnsweredWhenItIsDone() throws {
        let rig = try rig()
        var sessions: [(client: Int32, slot: UInt32)] = []
        for user in ["a", "b", "c"] as [ForeignText] { sessions.append(session(rig, user, at: 1)) }
        let first = revoke(rig, .user("a"))
        let second = revoke(rig, .user("b"))
        let third = revoke(rig, .token("none"))
        rig.turn()
        #expect(first.count == 1 && third.count == 0)
        // Which walk found it is not said, only that it is done.
        #expect(second.count != nil && rig.shard.context.counters.revoked == 2)
        #expect(sessions.map { isOpen(rig, $0.slot) } == [false, false, true])
    }

    @Test func moreSessionsThanOnePortion() throws {
        let rig = try ShardRig { $0.channelsPerSession = 4 }
        var slots: [UInt32] = []
        for index in 0..<90 { slots.append(session(rig, index.isMultiple(of: 3) ? "ann" : "bob", at: 1).slot) }
        let ended = revoke(rig, .everybody, until: 0)
        let one = revoke(rig, .user("ann"))
        rig.turn()
        #expect(ended.count != nil && one.count != nil)
        #expect(slots.filter { isOpen(rig, $0) }.count == 60)
    }

    @Test func endsSubscriptionsOfRevokedTokens() throws {
        let rig = try rig()
        let (client, slot) = rig.logIn()
        rig.say(client, slot, #"{"id":2,"subscribe":{"channel":"a"}}"#)
        rig.confirm("a")
        _ = rig.read(client)
        let channel = try #require(rig.shard.channels.byName[ShardRig.name("a")])
        rig.shard.makeExtras(slot).tokens[channel.index] = TokenMark(user: nil, id: "one", issuedAt: 1)
        let ended = revoke(rig, .token("one"))
        rig.turn()
        #expect(ended.count == 1 && isOpen(rig, slot))
        #expect(rig.text(client).contains("unsubscribe"))
        #expect(rig.shard.makeExtras(slot).tokens.isEmpty)
        #expect(rig.shard.session(slot).pointee.subscriptions.index(of: channel.index) == nil)
    }
}
