import Testing

@testable import Node

@Suite struct TokenBucketTests {
    private let limit = RateLimit(perSecond: 10, burst: 5)
    private let start: UInt64 = 77_000_000_000

    private func taken(_ bucket: inout TokenBucket, _ tries: Int, at now: UInt64) -> Int {
        var count = 0
        for _ in 0..<tries where bucket.take(limit, now: now) { count += 1 }
        return count
    }

    @Test func aBurstAndNotOneMore() {
        var bucket = TokenBucket()
        check(taken(&bucket, 100, at: start) == 5)
    }

    @Test func whatCostsMoreIsTakenLessOften() {
        var bucket = TokenBucket()
        var count = 0
        for _ in 0..<10 where bucket.take(limit, cost: 2, now: start) { count += 1 }
        #expect(count == 2)
        // One is left, and fits.
        check(bucket.take(limit, now: start))
        check(!bucket.take(limit, now: start))
        // More than the burst has its turn when the bucket is full, and has to be paid for.
        check(!bucket.take(limit, cost: 8, now: start + 400_000_000))
        check(bucket.take(limit, cost: 8, now: start + 500_000_000))
        check(!bucket.take(limit, now: start + 800_000_000))
        check(bucket.take(limit, now: start + 900_000_000))
    }

    @Test func itFillsUpAtItsRateAndNoFurtherThanTheBurst() {
        var bucket = TokenBucket()
        check(taken(&bucket, 100, at: start) == 5)
        check(taken(&bucket, 100, at: start + 99_000_000) == 0)
        check(taken(&bucket, 100, at: start + 100_000_000) == 1)
        check(taken(&bucket, 100, at: start + 400_000_000) == 3)
        check(taken(&bucket, 100, at: start + 3_600_000_000_000) == 5)
    }

    @Test func overALongTimeTheRateHolds() {
        var bucket = TokenBucket()
        var total = 0
        for millisecond in 0..<60_000 as Range<UInt64> {
            total += taken(&bucket, 3, at: start + millisecond * 1_000_000)
        }
        #expect((600...605).contains(total))
    }

    @Test func refusalsCostNothing() {
        var bucket = TokenBucket()
        check(taken(&bucket, 1_000_000, at: start) == 5)
        check(taken(&bucket, 1, at: start + 100_000_000) == 1)
    }

    @Test func aChargeSaysHowLongToWait() {
        var bucket = TokenBucket()
        for _ in 0..<5 { check(bucket.charge(limit, now: start) == 0) }
        check(bucket.charge(limit, now: start) == 100_000_000)
        check(bucket.charge(limit, now: start) == 200_000_000)
        // Half of the debt was paid meanwhile, and one more is owed.
        check(bucket.charge(limit, now: start + 100_000_000) == 200_000_000)
        check(bucket.charge(limit, now: start + 10_000_000_000) == 0)
    }

    @Test func withoutALimitNothingIsRefused() {
        var bucket = TokenBucket()
        for _ in 0..<1000 {
            check(bucket.take(.unlimited, now: 1))
            check(bucket.charge(.unlimited, now: 1) == 0)
        }
    }
}
