import Glibc
import Reactor
import Testing

@testable import Node

/// Publications as a test tells them apart: which channel, which number, how long, and that they are whole.
private struct Frame: Equatable {
    let channel: UInt8
    let number: UInt32
    let length: Int

    var bytes: [UInt8] {
        var bytes: [UInt8] = [channel]
        for shift in [24, 16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: number >> UInt32(shift))) }
        for shift in [16, 8, 0] { bytes.append(UInt8(truncatingIfNeeded: length >> shift)) }
        return bytes + (0..<length).map { UInt8(truncatingIfNeeded: Int(number) &+ $0) }
    }

    /// Nil when the bytes are not whole frames one after the other.
    static func parse(_ bytes: [UInt8]) -> [Frame]? {
        var frames: [Frame] = []
        var place = 0
        while place < bytes.count {
            guard bytes.count - place >= 8 else { return nil }
            let number = bytes[place + 1..<place + 5].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            let length = bytes[place + 5..<place + 8].reduce(0) { $0 << 8 | Int($1) }
            let frame = Frame(channel: bytes[place], number: number, length: length)
            guard bytes.count - place >= 8 + length, Array(bytes[place..<place + 8 + length]) == frame.bytes else {
                return nil
            }
            frames.append(frame)
            place += 8 + length
        }
        return frames
    }
}

/// A block of some frames, with where each ends.
private func block(_ frames: [Frame]) -> Block {
    var bytes: [UInt8] = []
    var ends: [Int] = []
    for frame in frames {
        bytes += frame.bytes
        ends.append(bytes.count)
    }
    return bytes.withUnsafeBytes { Block(copying: $0, ends: ends) }
}

private func mark(_ kind: Outbound.Kind, _ channel: UInt32, _ publications: Int = 1) -> Outbound.Mark {
    Outbound.Mark(kind: kind, publications: UInt32(publications), channel: channel)
}

/// A queue that is read from only when the test says so.
private struct Rig: ~Copyable {
    var outbound = Outbound()
    let ours: Int32
    let theirs: Int32

    init() {
        var pair: [Int32] = [0, 0]
        precondition(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue), 0, &pair) == 0)
        var size: Int32 = 4096
        setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        (ours, theirs) = (pair[0], pair[1])
    }

    deinit {
        close(ours)
        close(theirs)
    }

    mutating func put(_ frames: [Frame], _ mark: Outbound.Mark) {
        let block = block(frames)
        outbound.append(block, from: 0, to: block.count, as: mark)
        block.release()
    }

    @discardableResult
    mutating func flush() -> Outbound.FlushResult { outbound.flush(to: Stream(descriptor: ours)) }

    /// What has come through.
    func received() -> [UInt8] {
        var all: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = read(theirs, &buffer, buffer.count)
            if count <= 0 { return all }
            all += buffer[..<count]
        }
    }

    /// Everything that still waits, too.
    mutating func finish() -> [UInt8] {
        var all = received()
        while !outbound.isEmpty {
            flush()
            all += received()
        }
        return all
    }
}

@Suite struct OutboundDroppingTests {
    private func frame(_ channel: UInt8, _ number: Int, length: Int = 10) -> Frame {
        Frame(channel: channel, number: UInt32(number), length: length)
    }

    @Test func dropsTheOldestOfOneChannelAndNothingElse() throws {
        var rig = Rig()
        for number in 0..<6 {
            rig.put([frame(1, number)], mark(.dropOldest, 1))
            rig.put([frame(2, number)], .kept)
            rig.put([frame(3, number)], mark(.dropOldest, 3))
        }
        let before = rig.outbound.bytes
        let dropped = rig.outbound.dropOldest(of: 1, bytes: 19, committed: 0)
        #expect(dropped.publications == 2 && dropped.bytes == 36 && !dropped.isExhausted && !dropped.isAnnounced)
        #expect(rig.outbound.bytes == before - 36)
        #expect(rig.outbound.lossyBytes == 18 * 10)
        let frames = try #require(Frame.parse(rig.finish()))
        #expect(frames.filter { $0.channel == 1 }.map(\.number) == [2, 3, 4, 5])
        #expect(frames.filter { $0.channel == 2 }.map(\.number) == [0, 1, 2, 3, 4, 5])
        #expect(frames.filter { $0.channel == 3 }.map(\.number) == [0, 1, 2, 3, 4, 5])
        #expect(rig.outbound.lossyBytes == 0)
    }

    @Test func whatIsBegunIsSentWhole() throws {
        var rig = Rig()
        rig.put([frame(1, 0, length: 300_000)], mark(.dropOldest, 1))
        rig.put([frame(1, 1)], mark(.dropOldest, 1))
        #expect(rig.flush() == .blocked)
        #expect(rig.outbound.droppableBytes(committed: 0) == 18)
        let dropped = rig.outbound.dropOldest(of: 1, bytes: .max, committed: 0)
        #expect(dropped.publications == 1 && dropped.isExhausted)
        rig.put([frame(1, 2)], mark(.dropOldest, 1))
        #expect(try #require(Frame.parse(rig.finish())).map(\.number) == [0, 2])
    }

    /// What TLS has encrypted is on its way, too, however many pieces it is.
    @Test(arguments: [(0, [3, 4]), (1, [0, 4]), (18, [0, 4]), (19, [0, 1]), (36, [0, 1]), (37, [0, 1, 2])])
    func whatIsCommittedIsSent(committed: Int, expected: [UInt32]) throws {
        var rig = Rig()
        for number in 0..<5 { rig.put([frame(1, number)], mark(.dropOldest, 1)) }
        // Three pieces' worth of bytes, as far as they may go.
        let dropped = rig.outbound.dropOldest(of: 1, bytes: 18 * 3, committed: committed)
        #expect(dropped.publications == 5 - expected.count)
        #expect(try #require(Frame.parse(rig.finish())).map(\.number) == expected)
    }

    @Test func aNoticeStandsWhereSomethingIsMissing() throws {
        var rig = Rig()
        let notice = block([frame(9, 0, length: 1)])
        rig.put([frame(2, 0)], .kept)
        for number in 0..<4 { rig.put([frame(1, number)], mark(.dropOldest, 1)) }
        #expect(rig.outbound.dropOldest(of: 1, bytes: 20, committed: 0, notice: notice).isAnnounced)
        #expect(notice.references == 2)
        // One notice will do for what follows it.
        #expect(!rig.outbound.dropOldest(of: 1, bytes: 1, committed: 0, notice: notice).isAnnounced)
        #expect(notice.references == 2)
        #expect(!rig.outbound.endsWithNotice(of: 1))
        var frames = try #require(Frame.parse(rig.finish()))
        #expect(frames.map(\.channel) == [2, 9, 1] && frames.map(\.number) == [0, 0, 3])
        #expect(notice.references == 1)

        // The only piece there is makes way for it.
        rig.put([frame(1, 4)], mark(.dropOldest, 1))
        #expect(rig.outbound.dropOldest(of: 1, bytes: 1, committed: 0, notice: notice).isAnnounced)
        #expect(rig.outbound.endsWithNotice(of: 1))
        rig.put([frame(1, 5)], mark(.dropOldest, 1))
        #expect(!rig.outbound.endsWithNotice(of: 1))
        // Something else of the channel was read after the notice: a new one is needed.
        #expect(rig.outbound.bytes == 9 + 18)
        frames = try #require(Frame.parse(rig.finish()))
        #expect(frames.map(\.channel) == [9, 1])
        notice.release()
    }

    @Test func dropsMoreAtOnceWhereTheSearchIsLong() {
        var rig = Rig()
        for number in 0..<100 { rig.put([frame(2, number)], .kept) }
        for number in 0..<100 { rig.put([frame(1, number)], mark(.dropOldest, 1)) }
        #expect(rig.outbound.dropOldest(of: 1, bytes: 1, slack: 180, committed: 0).publications == 11)
        let frames = Frame.parse(rig.finish())
        #expect(frames?.map(\.number) == (0..<100).map { UInt32($0) } + (11..<100).map { UInt32($0) })
    }

    @Test func theNewestTakesThePlaceOfTheOneThatWaits() throws {
        var rig = Rig()
        rig.put([frame(2, 0, length: 300_000)], .kept)
        rig.flush()
        rig.put([frame(1, 0)], mark(.latest, 1))
        rig.put([frame(2, 1)], .kept)
        for number in 1..<50 {
            let newer = block([frame(1, number)])
            #expect(rig.outbound.replaceableBytes(of: 1, committed: 0) == 18)
            let dropped = rig.outbound.replace(
                with: newer, from: 0, to: newer.count, as: mark(.latest, 1), committed: 0)
            #expect(dropped.publications == 1 && dropped.bytes == 18)
            newer.release()
        }
        let frames = try #require(Frame.parse(rig.finish()))
        #expect(frames.map(\.channel) == [2, 1, 2])
        #expect(frames.map(\.number) == [0, 49, 1])
    }

    /// A batch of which a part is on its way: that publication is finished, and then comes the newest.
    @Test func trimsToWhatIsBegunAndTheNewest() throws {
        var rig = Rig()
        let batch = (0..<40).map { frame(1, $0, length: 20_000) }
        rig.put(batch, mark(.latest, 1, 40))
        rig.put([frame(2, 0)], .kept)
        rig.put((40..<42).map { frame(1, $0) }, mark(.latest, 1, 2))
        #expect(rig.outbound.needsTrim)
        #expect(rig.flush() == .blocked)
        var lost = 0
        rig.outbound.trim(committed: 0) { channel, dropped in
            #expect(channel == 1)
            lost += dropped.publications
        }
        #expect(!rig.outbound.needsTrim)
        let frames = try #require(Frame.parse(rig.finish()))
        let own = frames.filter { $0.channel == 1 }.map(\.number)
        #expect(own.last == 41 && own.dropLast().map { Int($0) } == Array(0..<own.count - 1))
        #expect(frames.filter { $0.channel == 2 }.count == 1)
        #expect(lost == 42 - own.count)
        #expect(own.count > 1 && own.count < 40, "the test is to stop inside the batch")
    }

    /// TLS may hold bytes of several publications of a batch that the socket has not seen.
    @Test(arguments: [0, 1, 18, 19, 100, 18 * 9 + 1, 18 * 10])
    func trimsBehindWhatIsCommitted(committed: Int) throws {
        var rig = Rig()
        rig.put((0..<10).map { frame(1, $0) }, mark(.latest, 1, 10))
        var lost = 0
        rig.outbound.trim(committed: committed) { lost += $1.publications }
        let guarded = (committed + 17) / 18
        let numbers = try #require(Frame.parse(rig.finish())).map { Int($0.number) }
        #expect(numbers == Array(0..<guarded) + (guarded < 10 ? [9] : []))
        #expect(lost == 10 - numbers.count)
        #expect(rig.outbound.bytes == 0 && rig.outbound.lossyBytes == 0)
    }

    /// Whatever comes and however the client reads: frames are whole, each channel's in order, what is kept complete,
    /// what was not received was counted, and everything is given back.
    @Test(arguments: 1...12 as ClosedRange<UInt64>)
    func losesNothingUncounted(seed: UInt64) throws {
        var rig = Rig()
        var random = SplitMix(state: seed)
        var bytes: [UInt8] = []
        var sent: [UInt8: [UInt32]] = [:]
        var dropped = [0, 0, 0, 0, 0]
        var blocks: [Block] = []
        var isBlocked = false
        for _ in 0..<600 {
            let channel = UInt8(random.next() % 4 + 1)
            let kind: Outbound.Kind = channel == 1 ? .kept : channel <= 2 ? .dropOldest : .latest
            let count = kind == .kept ? 1 : Int(random.next() % 5 + 1)
            let first = sent[channel]?.count ?? 0
            let batch = (first..<first + count).map {
                frame(channel, $0, length: Int(random.next() % (random.next() % 8 == 0 ? 20_000 : 300)))
            }
            sent[channel, default: []] += batch.map(\.number)
            let made = block(batch)
            blocks.append(made)
            if isBlocked, kind == .latest {
                let newest = made.newest(in: 0..<made.count)
                #expect(newest.publications == count)
                dropped[Int(channel)] += count - 1
                dropped[Int(channel)] +=
                    rig.outbound.replace(
                        with: made, from: newest.start, to: made.count, as: mark(kind, UInt32(channel)), committed: 0
                    ).publications
            } else {
                rig.outbound.append(made, from: 0, to: made.count, as: mark(kind, UInt32(channel), count))
            }
            if isBlocked, kind == .dropOldest {
                let limit = 150_000
                let waiting = rig.outbound.droppableBytes(committed: 0)
                if waiting > limit {
                    dropped[Int(channel)] +=
                        rig.outbound.dropOldest(
                            of: UInt32(channel), bytes: waiting - limit, slack: 1000, committed: 0
                        ).publications
                }
            }
            if !isBlocked || random.next() % 6 == 0 {
                if random.next() % 3 == 0 { bytes += rig.received() }
                isBlocked = rig.flush() == .blocked
                if isBlocked, rig.outbound.needsTrim {
                    rig.outbound.trim(committed: 0) { dropped[Int($0)] += $1.publications }
                }
            }
            #expect(rig.outbound.lossyBytes <= rig.outbound.bytes)
            #expect(rig.outbound.isEmpty == (rig.outbound.bytes == 0))
        }
        bytes += rig.finish()
        let frames = try #require(Frame.parse(bytes), "a frame was torn")
        for channel in 1...4 as ClosedRange<UInt8> {
            let numbers = frames.filter { $0.channel == channel }.map(\.number)
            #expect(numbers == numbers.sorted() && Set(numbers).count == numbers.count)
            #expect(numbers.count + dropped[Int(channel)] == sent[channel]?.count)
            #expect(numbers.last == sent[channel]?.last)
        }
        #expect(dropped[1] == 0 && dropped[2] > 0 && dropped[3] > 0 && dropped[4] > 0)
        for block in blocks {
            #expect(block.references == 1)
            block.release()
        }
    }
}
