import Codec
import Reactor
import Synchronization
import Testing

@testable import Node

/// What waits for a listener that takes events at its own pace.
@Suite struct EventQueueTests {
    private func event(_ number: Int) -> NodeEvent {
        NodeEvent(.subscribed, time: UInt64(number), channel: ChannelName(trusted: [UInt8(ascii: "a")]))
    }

    private func times(_ batch: EventQueue.Batch?) -> [UInt64]? { batch?.events.map(\.time) }

    @Test func givesEventsInOrderAndInBatches() async {
        let queue = EventQueue(maximumBytes: 1 << 20)
        queue.happened((0..<300).map(event), dropped: 0)
        queue.happened([event(300)], dropped: 0)
        #expect(times(await queue.next()) == (0..<256).map { UInt64($0) })
        #expect(times(await queue.next()) == (256...300).map { UInt64($0) })
        queue.end()
        #expect(times(await queue.next()) == nil)
    }

    @Test func whoWaitsIsToldAtOnce() async {
        let queue = EventQueue(maximumBytes: 1 << 20)
        async let first = queue.next()
        queue.happened([event(1)], dropped: 0)
        #expect(times(await first) == [1])
        queue.remind()
        async let second = queue.next()
        queue.end()
        #expect(times(await second) == nil)
    }

    @Test func whatIsTooMuchIsCountedInItsPlace() async {
        let missed = Mutex(0)
        let weight = event(0).weight
        let queue = EventQueue(maximumBytes: 10 * weight) { count in missed.withLock { $0 += count } }
        queue.happened((0..<15).map(event), dropped: 0)
        // There is no room, and after something that was dropped nothing is taken until the reader has come there.
        queue.happened([event(15)], dropped: 3)
        #expect(missed.withLock { $0 } == 6)
        let batch = await queue.next()
        #expect(times(batch) == (0..<10).map { UInt64($0) } && batch?.dropped == 9)
        queue.happened([event(16)], dropped: 0)
        let next = await queue.next()
        #expect(times(next) == [16] && next?.dropped == 0)
    }

    @Test func aReaderThatIsCancelledEndsIt() async {
        let queue = EventQueue(maximumBytes: 1 << 20)
        let reader = Task { await queue.next() }
        reader.cancel()
        #expect(times(await reader.value) == nil)
        queue.happened([event(1)], dropped: 0)
        #expect(times(await queue.next()) == nil)
    }

    /// Many reactors and a reader at the same time: nothing is lost or doubled but what is said to be dropped.
    @Test func everythingIsToldOrCounted() async {
        let queue = EventQueue(maximumBytes: 200 * event(0).weight)
        let reader = Task {
            var (told, dropped) = (0, 0)
            while let batch = await queue.next() {
                told += batch.events.count
                dropped += batch.dropped
                if told + dropped == 8000 { break }
            }
            return told + dropped
        }
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for number in 0..<200 { queue.happened((0..<10).map { event(number * 10 + $0) }, dropped: 0) }
                }
            }
        }
        #expect(await reader.value == 8000)
    }
}
