import Backplane
import Codec
import Reactor
import Testing

@testable import Node

@Suite struct RevocationKeeperTests {
    private final class Said: @unchecked Sendable {
        var lines: [String] = []
        var kept: [Result<Bool, PublishRefusal>] = []
    }

    private struct Rig {
        let backplane: ScriptedBackplane
        let revocations: Revocations
        let keeper: RevocationKeeper
        let said = Said()

        init(limit: Int = 10) throws {
            backplane = ScriptedBackplane(home: try Reactor(index: 0, name: "test"))
            revocations = Revocations(limit: limit, isRead: false)
            let said = said
            keeper = RevocationKeeper(
                backplane: backplane, revocations: revocations, shards: [], clock: { 1000 },
                report: { said.lines.append("\($0): \($1)") }, apart: { work, then in then(work()) })
        }
    }

    private func revocation(_ user: ForeignText, expires: Int64 = 5000) -> Revocation {
        Revocation(.user(user), issuedUntil: 100, expiresAt: expires)!
    }

    @Test func readsWhenTheLinkComesUp() throws {
        let rig = try Rig()
        rig.keeper.linkChanged(isUp: false)
        #expect(rig.backplane.revocationReads.isEmpty)
        rig.keeper.linkChanged(isUp: true)
        #expect(rig.backplane.revocationReads.count == 1)
        rig.backplane.revocationReads[0](.success([revocation("ann"), revocation("old", expires: 800)]))
        #expect(rig.revocations.isRead && rig.revocations.all == [revocation("ann")])
        #expect(rig.backplane.forgotten == [revocation("old", expires: 800)])
    }

    /// What comes of a link that is gone says nothing about the next one.
    @Test func anAnswerOfBeforeDoesNotCount() throws {
        let rig = try Rig()
        rig.keeper.linkChanged(isUp: true)
        rig.keeper.linkChanged(isUp: false)
        rig.backplane.revocationReads[0](.success([]))
        #expect(!rig.revocations.isRead)
        rig.keeper.linkChanged(isUp: true)
        rig.backplane.revocationReads[1](.success([]))
        #expect(rig.revocations.isRead)
    }

    @Test func keepsAgainWhatIsMissing() throws {
        let rig = try Rig()
        check(rig.revocations.add(revocation("ann")))
        rig.keeper.linkChanged(isUp: true)
        rig.backplane.revocationReads[0](.success([]))
        #expect(rig.backplane.keptRevocations == [revocation("ann")])
    }

    @Test func saysOnceThatItCannotRead() throws {
        let rig = try Rig()
        for index in 0..<3 {
            rig.keeper.linkChanged(isUp: true)
            rig.backplane.revocationReads[index](.failure(.medium("NOPERM")))
        }
        #expect(rig.said.lines.count == 1 && rig.said.lines[0].contains("NOPERM"))
        rig.keeper.linkChanged(isUp: true)
        rig.backplane.revocationReads[3](.success([]))
        #expect(rig.said.lines.count == 2)
    }

    @Test func asksForRoomFirst() throws {
        let rig = try Rig(limit: 1)
        let said = rig.said
        rig.keeper.keep(revocation("ann")) { said.kept.append($0) }
        check(rig.revocations.add(revocation("ann")))
        rig.keeper.keep(revocation("bob")) { said.kept.append($0) }
        #expect(said.kept == [.success(true), .success(false)])
        #expect(rig.backplane.keptRevocations == [revocation("ann")] && rig.revocations.refused == 1)
    }
}
