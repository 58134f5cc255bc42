import Testing

@testable import Node

@Suite struct RefusalLogTests {
    @Test func eachReasonIsLoggedOnceASecond() {
        var log = RefusalLog()
        #expect(log.note("unauthorized", second: 5) == 0)
        #expect(log.note("unauthorized", second: 5) == nil)
        #expect(log.note("unauthorized", second: 5) == nil)
        #expect(log.note("origin_not_allowed", second: 5) == 0)
        #expect(log.note("unauthorized", second: 6) == 2)
        #expect(log.note("unauthorized", second: 7) == 0)
        #expect(log.counts == ["unauthorized": 5, "origin_not_allowed": 1])
    }
}
