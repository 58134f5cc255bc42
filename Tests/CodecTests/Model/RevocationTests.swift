import Testing

@testable import Codec

@Suite struct RevocationTests {
    @Test(arguments: [
        Revocation.Subject.user("ann"), .user("José"), .token("8f0c"), .everybody, .user("a\u{A0}b"),
    ])
    func comesBackAsItWas(subject: Revocation.Subject) throws {
        for (until, end) in [(0, 0), (1_764_500_000, 1_767_092_000), (Revocation.latestTime, Revocation.latestTime)] {
            let revocation = try #require(Revocation(subject, issuedUntil: Int64(until), expiresAt: Int64(end)))
            #expect(Revocation(packed: revocation.packed) == revocation)
            #expect(revocation.packed.starts(with: revocation.head))
            #expect(revocation.packed.count == revocation.head.count + 32)
        }
    }

    /// Entries of one subject are told from those of every other by their beginning.
    @Test func noHeadIsTheBeginningOfAnother() throws {
        let subjects: [Revocation.Subject] = [
            .user("a"), .user("aa"), .token("a"), .user("a0"), .everybody, .token("aa"),
        ]
        let heads = try subjects.map { try #require(Revocation($0, issuedUntil: 0, expiresAt: 0)).head }
        for (index, head) in heads.enumerated() {
            #expect(heads.enumerated().filter { $0.element.starts(with: head) }.map(\.offset) == [index])
        }
    }

    @Test func whatCannotBe() {
        #expect(Revocation(.user(""), issuedUntil: 0, expiresAt: 0) == nil)
        #expect(Revocation(.user(ForeignText(String(repeating: "x", count: 250))), issuedUntil: 0, expiresAt: 0) == nil)
        #expect(Revocation(.token("a\u{0}b"), issuedUntil: 0, expiresAt: 0) == nil)
        #expect(Revocation(.everybody, issuedUntil: -1, expiresAt: 0) == nil)
        #expect(Revocation(.everybody, issuedUntil: 0, expiresAt: Revocation.latestTime + 1) == nil)
    }

    /// Redis may have anything there.
    @Test func whatNoNodeWrote() throws {
        let good = try #require(Revocation(.user("ann"), issuedUntil: 17, expiresAt: 18)).packed
        for end in good.indices { #expect(Revocation(packed: Array(good[..<end])) == nil) }
        for index in good.indices {
            for byte in [0, 0x20, 0x2F, 0x3A, 0x75, 0xFF] as [UInt8] where good[index] != byte {
                var bad = good
                bad[index] = byte
                if let other = Revocation(packed: bad) { #expect(other.packed == bad) }
            }
        }
        let later = Array("9999999999999999".utf8)
        #expect(Revocation(packed: Array("ua".utf8) + [0] + later + later) == nil)
        #expect(Revocation(packed: Array("aa".utf8) + [0] + good.suffix(32)) == nil)
    }

    @Test func addsUpInAnyOrder() throws {
        let first = try #require(Revocation(.user("a"), issuedUntil: 10, expiresAt: 200))
        let second = try #require(Revocation(.user("a"), issuedUntil: 20, expiresAt: 100))
        let sum = first.adding(issuedUntil: second.issuedUntil, expiresAt: second.expiresAt)
        #expect(sum == second.adding(issuedUntil: first.issuedUntil, expiresAt: first.expiresAt))
        #expect(sum.issuedUntil == 20 && sum.expiresAt == 200)
    }
}
