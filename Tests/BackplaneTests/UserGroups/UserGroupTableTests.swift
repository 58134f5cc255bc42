import Codec
import Testing

@testable import Backplane

/// Memberships of users that a node has in its own memory.
@Suite struct UserGroupTableTests {
    private static let ann = UserGroups(hub: 1, user: "ann")

    private static func name(_ text: String) -> ChannelName { ChannelName(trusted: Array(text.utf8)) }

    private static func list(_ table: inout UserGroupTable, _ user: UserGroups = ann, now: Int64) -> [String] {
        table.carryOut(.list, of: user, now: now).map { "\($0.channel)@\($0.until)" }
    }

    private static func add(_ table: inout UserGroupTable, _ channel: String, until: Int64, now: Int64 = 0) {
        _ = table.carryOut(.add(name(channel), until: until), of: ann, now: now)
    }

    @Test func theyEndByThemselves() {
        var table = UserGroupTable()
        Self.add(&table, "a", until: 10)
        Self.add(&table, "b", until: 20)
        #expect(Self.list(&table, now: 9) == ["a@10", "b@20"])
        #expect(Self.list(&table, now: 10) == ["b@20"])
        #expect(Self.list(&table, now: 20).isEmpty)
        // Another hub and another user have others.
        #expect(Self.list(&table, UserGroups(hub: 2, user: "ann"), now: 0).isEmpty)
        #expect(Self.list(&table, UserGroups(hub: 1, user: "bob"), now: 0).isEmpty)
    }

    @Test func theyAreMovedAndTakenAway() {
        var table = UserGroupTable()
        Self.add(&table, "a", until: 10)
        Self.add(&table, "a", until: 30)
        Self.add(&table, "b", until: 20)
        #expect(Self.list(&table, now: 0) == ["b@20", "a@30"])
        _ = table.carryOut(.remove(Self.name("a")), of: Self.ann, now: 0)
        #expect(Self.list(&table, now: 0) == ["b@20"])
        _ = table.carryOut(.removeAll, of: Self.ann, now: 0)
        #expect(Self.list(&table, now: 0).isEmpty && table.count == 0)
        Self.add(&table, "late", until: 5, now: 5)
        #expect(table.count == 0)
    }

    @Test func thereIsALimitAndThoseThatEndFirstGo() {
        var table = UserGroupTable()
        for number in 0...UserGroups.maximum { Self.add(&table, "g\(number)", until: 1000 + Int64(number)) }
        let left = Self.list(&table, now: 0)
        #expect(left.count == UserGroups.maximum && left.first == "g1@1001" && table.givenUp == 1)
    }

    @Test func usersWhoNeverComeBackAreForgotten() {
        var table = UserGroupTable()
        for number in 0..<10 {
            _ = table.carryOut(
                .add(Self.name("g"), until: 30), of: UserGroups(hub: 1, user: ForeignText("u\(number)")), now: 1)
        }
        #expect(table.count == 10)
        Self.add(&table, "g", until: 1000, now: 100)
        #expect(table.count == 1)
    }
}
