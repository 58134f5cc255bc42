package import Backplane
package import Codec

/// Reads of history, never too many of them under way: what they bring lies before everything else on the link to Redis, so it is
/// bounded before it is asked for. More reads wait for their turn. Equal ones that wait are made once, and one whose part of
/// the history lies in the page of another gets its answer from there.
///
/// The node's own reads (what is missing in a channel) have bounds of their own, so clients cannot hold them up. On the
/// exchange's reactor.
package final class HistoryReads {
    package typealias Result = Swift.Result<HistoryPage, PublishRefusal>
    package typealias Completion = (Result) -> Void

    /// Who wants to know.
    package enum Asker {
        /// The node itself, one read a channel.
        case node
        /// Subscribers that come back, one read a channel for all of them.
        case subscribers
        /// A client's or the API's question for history.
        case questions
    }

    package struct Limits: Equatable, Sendable {
        /// Reads under way: `limits.history_reads`.
        package var reads = 8
        /// What they may bring together, in bytes: `limits.history_read_bytes`. One is always under way, whatever it may bring.
        package var bytes = 2 << 20
        /// Different questions that wait; more are refused.
        package static let waiting = 4096

        package init() {}
    }

    package struct Counters: Equatable, Sendable {
        /// Reads that had to wait.
        package var waited: UInt64 = 0
        /// Questions that were answered by the read of another one.
        package var shared: UInt64 = 0
        /// Questions refused because too many waited.
        package var refused: UInt64 = 0
    }

    private final class Read {
        let query: HistoryQuery
        let cost: Int
        let isQuestion: Bool
        var completions: [Completion]
        /// Questions about the same channel that waited when this one began: its page may answer them too.
        var followers: [Read] = []
        /// Somebody else's page answered it.
        var isAnswered = false

        init(_ query: HistoryQuery, cost: Int, isQuestion: Bool, _ completion: @escaping Completion) {
            self.isQuestion = isQuestion
            self.query = query
            self.cost = cost
            completions = [completion]
        }
    }

    /// Reads that share the bounds.
    private final class Lane {
        var reads = 0
        var bytes = 0
        var queues: [Fifo<Read>]
        var isAdvancing = false
        var limits: Limits

        init(queues: Int, _ limits: Limits) {
            self.limits = limits
            self.queues = Array(repeating: Fifo(), count: queues)
        }
    }

    private let perform: (HistoryQuery, @escaping Completion) -> Void
    private var largest: Int
    private let own: Lane
    private let others: Lane
    /// The queue of `others` whose turn it is.
    private var turn = 0
    /// Questions that wait, by what they ask.
    private var waiting: [HistoryQuery: Read] = [:]
    /// The same by their channel, and some that have been answered since.
    private var waitingByChannel: [ChannelName: [Read]] = [:]
    private var underWay: Set<HistoryQuery> = []
    /// Those that wait for an equal one that is under way.
    private var behind: [HistoryQuery: Read] = [:]
    package private(set) var counters = Counters()

    /// What an entry has beyond its payload, at the most.
    private static let overhead = 4096
    /// The node's own reads have so many times the bounds of the others.
    private static let ownShare = 4
    /// What a question counts that brings no publications.
    private static let smallest = 1024
    /// Questions that one page may answer besides its own.
    private static let mostFollowers = 64

    /// - Parameters:
    ///   - messageBytes: The largest message.
    ///   - perform: Reads, and calls back once.
    package init(
        limits: Limits, messageBytes: Int, perform: @escaping (HistoryQuery, @escaping Completion) -> Void
    ) {
        own = Lane(queues: 1, Self.own(limits))
        others = Lane(queues: 2, limits)
        self.perform = perform
        largest = messageBytes + Self.overhead
    }

    /// Most of them find that nothing is missing, and after a lost link there is one for each channel.
    private static func own(_ limits: Limits) -> Limits {
        var wider = limits
        wider.reads *= ownShare
        wider.bytes *= ownShare
        return wider
    }

    /// Takes other limits: what waits and has room now begins.
    package func use(_ limits: Limits, messageBytes: Int) {
        largest = messageBytes + Self.overhead
        own.limits = Self.own(limits)
        others.limits = limits
        advance(own)
        advance(others)
    }

    /// Reads that are under way, and what they may bring.
    package var load: (reads: Int, bytes: Int) { (own.reads + others.reads, own.bytes + others.bytes) }

    /// Reads a page as soon as there is room; `completion` is called once.
    package func read(_ query: HistoryQuery, for asker: Asker, completion: @escaping Completion) {
        let read = Read(query, cost: cost(of: query), isQuestion: asker == .questions, completion)
        switch asker {
        case .node:
            if own.queues[0].count == 0, hasRoom(own, read) { return begin(read, own) }
            wait(read, own, 0)
        case .subscribers:
            if isIdle(others), hasRoom(others, read) { return begin(read, others) }
            wait(read, others, 0)
        case .questions: ask(read)
        }
    }

    /// A read that is under way may have begun before what the asker knows of: only one that waits is shared.
    private func ask(_ read: Read) {
        if let equal = waiting[read.query] ?? behind[read.query] {
            counters.shared &+= 1
            equal.completions += read.completions
        } else if underWay.contains(read.query) {
            behind[read.query] = read
        } else if isIdle(others), hasRoom(others, read) {
            underWay.insert(read.query)
            begin(read, others)
        } else if others.queues[1].count < Limits.waiting {
            waitAsQuestion(read)
        } else {
            counters.refused &+= 1
            for completion in read.completions {
                completion(.failure(.medium("too many history reads are waiting, try again")))
            }
        }
    }

    private func cost(of query: HistoryQuery) -> Int {
        max(Self.smallest, min(query.bytes + largest, query.limit * largest))
    }

    private func isIdle(_ lane: Lane) -> Bool { lane.queues.allSatisfy { $0.count == 0 } }

    private func hasRoom(_ lane: Lane, _ read: Read) -> Bool {
        lane.reads == 0 || (lane.reads < lane.limits.reads && lane.bytes + read.cost <= lane.limits.bytes)
    }

    private func wait(_ read: Read, _ lane: Lane, _ queue: Int) {
        counters.waited &+= 1
        lane.queues[queue].append(read)
    }

    private func begin(_ read: Read, _ lane: Lane) {
        lane.reads += 1
        lane.bytes += read.cost
        perform(read.query) { result in
            lane.reads -= 1
            lane.bytes -= read.cost
            if read.isQuestion { self.ended(read.query) }
            let completions = read.completions
            read.completions = []
            for completion in completions { completion(result) }
            self.answerFollowers(of: read, result)
            self.advance(lane)
        }
    }

    /// An equal question that came meanwhile has its turn now.
    private func ended(_ query: HistoryQuery) {
        underWay.remove(query)
        if let next = behind.removeValue(forKey: query) { waitAsQuestion(next) }
    }

    private func waitAsQuestion(_ read: Read) {
        waiting[read.query] = read
        waitingByChannel[read.query.channel, default: []].append(read)
        wait(read, others, 1)
    }

    /// A question has its turn: those about the same channel that still wait may follow it.
    private func leave(_ read: Read) {
        waiting[read.query] = nil
        let channel = read.query.channel
        let others = waitingByChannel[channel, default: []].filter { $0 !== read && !$0.isAnswered }
        waitingByChannel[channel] = others.isEmpty ? nil : others
        read.followers = Array(others.prefix(Self.mostFollowers))
    }

    /// Answers those whose publications are all in the page of another.
    private func answerFollowers(of read: Read, _ result: Result) {
        let followers = read.followers
        read.followers = []
        guard case .success(let page) = result else { return }
        for follower in followers where !follower.isAnswered && waiting[follower.query] === follower {
            guard let part = page.part(for: follower.query, readFor: read.query) else { continue }
            follower.isAnswered = true
            waiting[follower.query] = nil
            counters.shared &+= UInt64(follower.completions.count)
            let completions = follower.completions
            follower.completions = []
            for completion in completions { completion(.success(part)) }
        }
    }

    /// Begins what waits, as long as there is room; subscribers and questions in turn.
    private func advance(_ lane: Lane) {
        // A read that fails at once ends inside the loop, and the loop goes on.
        guard !lane.isAdvancing else { return }
        lane.isAdvancing = true
        defer { lane.isAdvancing = false }
        while true {
            var queue = 0
            if lane.queues.count > 1 { queue = lane.queues[turn].count > 0 ? turn : 1 - turn }
            guard let next = lane.queues[queue].first else { return }
            guard !next.isAnswered else {
                _ = lane.queues[queue].next()
                continue
            }
            guard hasRoom(lane, next) else { return }
            _ = lane.queues[queue].next()
            if lane.queues.count > 1 { turn = 1 - queue }
            if next.isQuestion {
                leave(next)
                underWay.insert(next.query)
            }
            begin(next, lane)
        }
    }
}
