import Testing

@testable import Codec

@Suite struct ThingsTests {
    @Test func oneIsSingularAndNothingElse() {
        #expect(things(0, "session") == "0 sessions")
        #expect(things(1, "session") == "1 session")
        #expect(things(2, "session") == "2 sessions")
        #expect(things(UInt8(1), "entry", "entries") == "1 entry")
        #expect(things(21, "entry", "entries") == "21 entries")
        #expect(things(-1, "day") == "-1 days")
        #expect(things(Count(1), "session leaves", "sessions leave") == "1 session leaves")
        #expect(things(Count(1_000_000), "session leaves", "sessions leave") == "1000000 sessions leave")
    }
}
