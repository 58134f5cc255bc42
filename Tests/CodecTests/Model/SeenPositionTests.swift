import Testing

@testable import Codec

/// Positions of clients that know the epoch of their subscription, and offsets.
@Suite struct SeenPositionTests {
    static let first: UInt64 = 0x0000_2222_3333_4444
    static let second: UInt64 = 0xAAAA_0000_0000_0001
    static let third: UInt64 = 0xBBBB_0000_0000_0001
    /// The first epoch ended at 8, the second at 20, and the third is at 30.
    static let past = EpochLineage(
        top: Position(epoch: third, offset: 30),
        ends: [Position(epoch: second, offset: 20), Position(epoch: first, offset: 8)])

    static func shown(_ epoch: UInt64, _ offset: Offset) -> ClientOffset {
        // As it comes back from a client.
        ClientOffset(clamping: ClientOffset(Position(epoch: epoch, offset: offset)).value)
    }

    @Test func theFirstEpochLooksLikePlainNumbers() {
        #expect(Self.shown(Self.first, 0).value == 0)
        #expect(Self.shown(Self.first, 17).value == 17)
        #expect(Self.shown(Self.second, 0).value == 0)
        #expect(Self.shown(Self.second, 17).value == 0xAAAA << 37 | 17)
        #expect(Self.shown(.max, Offset(clamping: 1 << 37 - 1)).value == 1 << 53 - 1)
    }

    /// Connected since the first epoch, and gone after a publication of each.
    @Test(
        arguments: [
            (first, 5, first), (first, 8, first), (second, 9, first), (second, 20, first), (third, 21, first),
            (third, 30, first), (second, 9, second), (third, 30, second), (third, 30, third),
        ] as [(UInt64, Offset, UInt64)])
    func aClientThatStayedThroughAChangeOfEpochGoesOn(epoch: UInt64, offset: Offset, subscribed: UInt64) {
        let found = Self.past.position(of: .counted(epoch: subscribed, Self.shown(epoch, offset)))
        #expect(found == Position(epoch: epoch, offset: offset))
    }

    /// What a server that was lost had given beyond the end of an epoch leads nowhere, whatever it is called now.
    @Test(
        arguments: [
            (first, 9, first), (second, 21, first), (third, 31, first), (0xCCCC_0000_0000_0001, 9, first),
            (third, 30, 0x0000_9999_0000_0000), (0xCCCC_0000_0000_0001, 9, second),
        ] as [(UInt64, Offset, UInt64)])
    func aPositionThatDoesNotLeadHereIsNone(epoch: UInt64, offset: Offset, subscribed: UInt64) {
        #expect(Self.past.position(of: .counted(epoch: subscribed, Self.shown(epoch, offset))) == nil)
    }

    @Test func anyEpochWillDo() {
        #expect(Self.past.position(of: .anyEpoch(Self.shown(Self.second, 12)))?.offset == 12)
        #expect(Self.past.position(of: .anyEpoch(ClientOffset(clamping: 30)))?.offset == 30)
        #expect(Self.past.position(of: .anyEpoch(ClientOffset(clamping: 31))) == nil)
        #expect(Self.past.position(of: .anyEpoch(ClientOffset(clamping: .max))) == nil)
        #expect(Self.past.position(of: .unknown) == nil)
        #expect(Self.past.position(of: .exact(Position(epoch: Self.second, offset: 20))) != nil)
        #expect(Self.past.position(of: .exact(Position(epoch: Self.second, offset: 21))) == nil)
    }

    /// A client that subscribed to a channel without publications, before Redis was started anew.
    @Test func theBeginningOfAChannelLeadsToItsFirstEpoch() {
        let began: UInt64 = 0x0000_5555_6666_0007
        let past = EpochLineage(
            top: Position(epoch: Self.second, offset: 3), beginnings: [began...began + 20],
            first: .init(aliases: Self.second...Self.second + 5, epoch: Self.second))
        #expect(past.position(of: .counted(epoch: began, ClientOffset(clamping: 0)))?.offset == 0)
        #expect(
            past.position(of: .counted(epoch: began, Self.shown(Self.second, 2)))
                == Position(epoch: Self.second, offset: 2))
        #expect(past.position(of: .counted(epoch: began, ClientOffset(clamping: 2))) == nil)
    }

    /// Beyond 2^37 there is no room for a tag.
    @Test func largeOffsetsAreShownAsTheyAre() {
        let large = Offset(clamping: 1 << 52 + 12345)
        let past = EpochLineage(top: Position(epoch: Self.third, offset: large))
        #expect(Self.shown(Self.third, large).value == large.value)
        #expect(
            past.position(of: .counted(epoch: Self.third, Self.shown(Self.third, large)))
                == Position(epoch: Self.third, offset: large))
        #expect(past.position(of: .counted(epoch: Self.third, ClientOffset(clamping: .max))) == nil)
    }

    @Test func whateverAClientSendsIsAPositionOrNone() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<10_000 {
            let offset = ClientOffset(clamping: random.next() >> UInt64.random(in: 0..<64))
            let epoch = [Self.first, Self.second, Self.third, random.next()].randomElement()!
            for seen: SeenPosition in [.counted(epoch: epoch, offset), .anyEpoch(offset)] {
                if let position = Self.past.position(of: seen) { #expect(Self.past.leads(from: position)) }
            }
        }
    }
}
