import Codec
import Testing

@testable import Backplane

/// Sets of partitions.
@Suite struct PartitionSetTests {
    @Test func holdsWhatIsPutIntoIt() {
        var set = PartitionSet([0, 63, 64, 127])
        #expect(set.partitions == [0, 63, 64, 127] && set.count == 4)
        set.remove(63)
        set.insert(5)
        #expect(set.partitions == [0, 5, 64, 127])
        #expect(!set.isAll && !set.isEmpty && PartitionSet(0..<128).isAll && PartitionSet.none.isEmpty)
    }

    @Test func takesNoOtherNumbers() {
        let set = PartitionSet([-1, 128, 1000])
        #expect(set.isEmpty)
        #expect(!PartitionSet.all.contains(-1) && !PartitionSet.all.contains(128))
    }

    @Test func knowsTheChannelsOfItsPartitions() {
        let channel = ChannelName(trusted: Array("news".utf8))
        let own = PartitionSet([RedisPartition.of(channel)])
        #expect(own.contains(channel) && PartitionSet.all.contains(channel))
        #expect(!PartitionSet.none.contains(channel) && !PartitionSet.all.subtracting(own).contains(channel))
    }

    @Test func unitesAndSubtracts() {
        var set = PartitionSet([1, 70])
        set.formUnion(PartitionSet([2, 71]))
        #expect(set.subtracting(PartitionSet([70, 2])).partitions == [1, 71])
    }
}
