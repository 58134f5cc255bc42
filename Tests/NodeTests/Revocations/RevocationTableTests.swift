import Codec
import Testing

@testable import Node

@Suite struct RevocationTableTests {
    private func revocation(_ subject: Revocation.Subject, until: Int64 = 100, expires: Int64 = 1000) -> Revocation {
        Revocation(subject, issuedUntil: until, expiresAt: expires)!
    }

    private func mark(_ user: ForeignText?, _ id: ForeignText? = nil, at: Int64? = nil) -> TokenMark {
        TokenMark(user: user, id: id, issuedAt: at)
    }

    @Test func aUserUntilAMoment() {
        var table = RevocationTable()
        table.add(revocation(.user("ann")))
        #expect(table.revokes(mark("ann", at: 100)) && table.revokes(mark("ann", "x", at: 1)))
        #expect(table.revokes(mark("ann")), "it may be as old as any")
        #expect(!table.revokes(mark("ann", at: 101)) && !table.revokes(mark("bob", at: 1)) && !table.revokes(mark(nil)))
        #expect(!table.revokes(mark("Ann", at: 1)) && !table.revokes(mark("bob", "ann", at: 1)))
    }

    @Test func aTokenWheneverItWasIssued() {
        var table = RevocationTable()
        table.add(revocation(.token("one"), until: 0))
        #expect(table.revokes(mark("ann", "one", at: 500)) && table.revokes(mark(nil, "one")))
        #expect(!table.revokes(mark("one", "two", at: 0)) && !table.revokes(mark("ann")))
    }

    @Test func everybodyUntilAMoment() {
        var table = RevocationTable()
        table.add(revocation(.everybody))
        #expect(table.revokes(mark("ann", at: 100)) && table.revokes(mark(nil)))
        #expect(!table.revokes(mark("ann", at: 101)))
    }

    /// Two names that Unicode has for equal are two users.
    @Test func usersAreBytes() {
        var table = RevocationTable()
        table.add(revocation(.user("Jose\u{301}")))
        #expect(!table.revokes(mark("Jos\u{E9}", at: 1)) && table.revokes(mark("Jose\u{301}", at: 1)))
    }

    @Test func isOneOfEachSubject() {
        var table = RevocationTable()
        table.add(revocation(.user("a"), until: 100, expires: 1000))
        table.add(revocation(.user("a"), until: 50, expires: 2000))
        #expect(table.all == [revocation(.user("a"), until: 100, expires: 2000)])
        #expect(table.covers(revocation(.user("a"), until: 100, expires: 2000)))
        #expect(!table.covers(revocation(.user("a"), until: 101, expires: 2000)))
        table.expire(now: 1999)
        #expect(table.count == 1)
        table.expire(now: 2000)
        #expect(table.isEmpty)
    }

    // MARK: For all threads

    @Test func beforeItWasReadNothingIsKnown() {
        let revocations = Revocations(isRead: false)
        #expect(revocations.verdict(on: mark("ann")) == .unknown)
        check(revocations.add(revocation(.user("bob"))))
        #expect(
            revocations.verdict(on: mark("bob", at: 1)) == .revoked && revocations.verdict(on: mark("ann")) == .unknown)
        let taken = revocations.take([revocation(.user("cid"))], now: 10)
        #expect(taken == .init(isNews: true, missing: [revocation(.user("bob"))]))
        #expect(
            revocations.verdict(on: mark("ann")) == .accepted && revocations.verdict(on: mark("cid", at: 1)) == .revoked
        )
    }

    @Test func isBounded() {
        let revocations = Revocations(limit: 1)
        #expect(revocations.verdict(on: mark("ann")) == .accepted)
        check(revocations.add(revocation(.user("ann"))))
        check(!revocations.add(revocation(.user("bob"))))
        check(revocations.add(revocation(.user("ann"), until: 200)))
        #expect(revocations.count == 1 && revocations.refused == 1)
        #expect(
            revocations.verdict(on: mark("ann", at: 150)) == .revoked
                && revocations.verdict(on: mark("bob")) == .accepted)
    }

    @Test func forgetsWhatHasExpired() {
        let revocations = Revocations()
        check(revocations.add(revocation(.user("ann"), expires: 50)))
        let taken = revocations.take([revocation(.user("bob"), expires: 50)], now: 50)
        #expect(taken == .init(isNews: false, missing: []) && revocations.count == 0)
    }
}
