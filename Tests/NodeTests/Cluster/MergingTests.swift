import Codec
import Testing

@testable import Node

private func channel(_ name: String, _ subscribers: Int) -> ChannelSummary {
    ChannelSummary(name: name, subscribers: Count(subscribers), onNodes: 1)
}

private func connection(_ id: String, backlog: Int) -> ConnectionSummary {
    ConnectionSummary(
        id: id, node: "n", dialect: "raw", remote: "", channels: [], moreChannels: 0, ageSeconds: 0, messagesIn: 0,
        bytesIn: 0, bytesOut: 0, backlogBytes: Count(backlog))
}

@Suite struct MergingTests {
    @Test func addsEqualChannels() {
        let merged = Merging.channels([[channel("a", 1), channel("b", 2)], [channel("a", 5)]], limit: 10)
        #expect(merged.channels.map(\.name) == ["a", "b"])
        #expect(merged.channels.map(\.subscribers) == [6, 2])
        #expect(merged.channels.map(\.onNodes) == [2, 1])
        #expect(merged.cursor == nil)
    }

    /// Page by page over several nodes: every channel once, with the right count.
    @Test(arguments: [1, 2, 3, 7, 100])
    func pagesAreComplete(limit: Int) {
        var nodes: [[ChannelSummary]] = [[], [], []]
        for number in 0..<50 {
            for node in 0..<3 where number % (node + 1) == 0 {
                nodes[node].append(channel("c\(1000 + number)", node + 1))
            }
        }
        var after: String?
        var seen: [ChannelSummary] = []
        for _ in 0..<200 {
            let answers = nodes.map { list in Array(list.filter { after == nil || $0.name > after! }.prefix(limit)) }
            let page = Merging.channels(answers, limit: limit)
            seen += page.channels
            after = page.cursor
            if after == nil { break }
        }
        #expect(seen == Merging.channels(nodes, limit: 1000).channels)
    }

    @Test func sortsByBacklogThenById() {
        let merged = Merging.connections(
            [
                [connection("b", backlog: 5), connection("d", backlog: 0)],
                [connection("a", backlog: 5), connection("c", backlog: 9)],
            ],
            sort: .backlog, limit: 3)
        #expect(merged.connections.map(\.id) == ["c", "a", "b"])
        #expect(merged.cursor == ConnectionCursor(value: 5, id: "b"))
    }

    /// Unicode has these for equal; as names they are two.
    @Test func namesAreBytes() {
        let merged = Merging.channels([[channel("e\u{301}", 1)], [channel("\u{E9}", 2)]], limit: 10)
        #expect(merged.channels.map(\.subscribers) == [1, 2])
    }

    @Test func sumsDoNotOverflow() {
        let most = ChannelSummary(name: "a", subscribers: Count(UInt64.max), onNodes: Count(UInt64.max))
        let merged = Merging.channels([[most], [most], [channel("a", 1)]], limit: 10)
        #expect(merged.channels.map(\.subscribers.value) == [Count.maximum])
    }

    @Test func nobodySaysMoreThanWasAskedFor() {
        let answer = (0..<100).map { channel("c\(1000 + $0)", 1) }
        let merged = Merging.channels([answer, answer], limit: 3)
        #expect(merged.channels.map(\.subscribers) == [2, 2, 2] && merged.cursor == "c1002")
        let rows = (0..<100).map { connection("c\(1000 + $0)", backlog: 0) }
        #expect(Merging.connections([rows, rows], sort: .id, limit: 3).connections.count == 3)
    }

    @Test func theRateIsTheHighestAndTheCountTheSum() {
        var left = channel("a", 2)
        left.publicationsPerS = 3.0
        var right = channel("a", 5)
        right.publicationsPerS = 4.0
        let sum = Merging.sum([left, right, channel("b", 1)]).sorted { $0.name < $1.name }
        #expect(sum.map(\.subscribers) == [7, 1] && sum.map(\.publicationsPerS) == [4.0, nil])
    }

    /// Page by page in the order of a value, every channel once, though many have the same value.
    @Test(arguments: [ChannelSort.subscribers, .rate])
    func pagesByAValueAreComplete(sort: ChannelSort) {
        let all = (0..<100).map { number in
            var entry = channel("c\(1000 + number)", number % 7)
            entry.publicationsPerS = Rate(Double(number % 5))
            return entry
        }
        var seen: [ChannelSummary] = []
        var after: ChannelPlace?
        for _ in 0..<50 {
            let page = Merging.page(of: all.shuffled(), by: sort, after: after, limit: 9)
            seen += page.channels
            after = page.cursor
            if after == nil { break }
        }
        #expect(Set(seen.map(\.name)).count == 100 && seen.count == 100)
        let values = seen.map { sort.value(of: $0) }
        #expect(values == values.sorted(by: >))
    }

    @Test(arguments: ConnectionSort.allCases)
    func pagesOfConnectionsAreComplete(sort: ConnectionSort) {
        let all = (0..<40).map { number in
            var entry = connection("c\(100 + number)", backlog: number % 3)
            entry.openedAt = Count(number % 5 * 1000)
            entry.droppedPublications = Count(number % 4)
            return entry
        }
        var seen: [ConnectionSummary] = []
        var after: ConnectionCursor?
        for _ in 0..<50 {
            let rest = all.filter { row in
                after.map {
                    Merging.precedes($0, ConnectionCursor(value: sort.value(of: row), id: row.id), sort)
                } ?? true
            }
            // A node answers in the order that is asked for.
            let answer = rest.sorted { left, right in
                Merging.precedes(
                    ConnectionCursor(value: sort.value(of: left), id: left.id),
                    ConnectionCursor(value: sort.value(of: right), id: right.id), sort)
            }
            let page = Merging.connections([answer], sort: sort, limit: 7)
            seen += page.connections
            after = page.cursor
            if after == nil || page.connections.isEmpty { break }
        }
        #expect(seen.count == 40 && Set(seen.map(\.id)).count == 40)
        if sort == .age { #expect(seen.first?.openedAt == 0 && seen.last?.openedAt == 4000) }
        if sort == .dropped { #expect(seen.first?.droppedPublications == 3 && seen.last?.droppedPublications == 0) }
    }
}
