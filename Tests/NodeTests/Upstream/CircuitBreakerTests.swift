import Testing

@testable import Node

/// When an endpoint that does not answer is left alone.
@Suite struct CircuitBreakerTests {
    static let settings = CircuitBreaker.Settings(failures: 3, pause: 100)

    /// What is expected of calls that change it can be asked of this.
    final class Watched {
        private var breaker = CircuitBreaker()

        var isOpen: Bool { breaker.isOpen }
        func mayCall(now: UInt64) -> Bool { breaker.mayCall(now: now) }
        func succeeded() -> Bool { breaker.succeeded() }
        func failed(_ settings: CircuitBreaker.Settings, now: UInt64) -> Bool { breaker.failed(settings, now: now) }
    }

    @Test func failuresInARowOpenIt() {
        let breaker = Watched()
        for time in 0..<2 as Range<UInt64> {
            #expect(breaker.mayCall(now: time))
            #expect(!breaker.failed(Self.settings, now: time))
        }
        // One that succeeds begins the count anew.
        #expect(!breaker.succeeded())
        for time in 10..<12 as Range<UInt64> { #expect(!breaker.failed(Self.settings, now: time)) }
        #expect(breaker.failed(Self.settings, now: 12))
        #expect(breaker.isOpen && !breaker.mayCall(now: 111))
        // Calls that were under way say nothing new.
        #expect(!breaker.failed(Self.settings, now: 50))
        #expect(!breaker.mayCall(now: 111))
    }

    @Test func oneCallTriesWhetherItIsBack() {
        let breaker = Watched()
        for _ in 0..<3 { _ = breaker.failed(Self.settings, now: 0) }
        #expect(breaker.mayCall(now: 100))
        #expect(!breaker.mayCall(now: 100), "one at a time")
        // It is told once that the endpoint is away.
        #expect(!breaker.failed(Self.settings, now: 200))
        #expect(!breaker.mayCall(now: 299))
        #expect(breaker.mayCall(now: 300))
        #expect(breaker.succeeded(), "it is told that the endpoint is back")
        #expect(!breaker.isOpen && breaker.mayCall(now: 300) && breaker.mayCall(now: 300))
    }

    @Test func zeroFailuresIsNever() {
        let breaker = Watched()
        for time in 0..<100 as Range<UInt64> { #expect(!breaker.failed(.init(failures: 0, pause: 1), now: time)) }
        #expect(!breaker.isOpen)
    }
}
