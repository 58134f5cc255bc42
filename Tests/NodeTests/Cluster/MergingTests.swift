import Testing

@testable import Node

private func channel(_ name: String, _ subscribers: Int) -> ChannelSummary {
    ChannelSummary(name: name, subscribers: subscribers, onNodes: 1)
}

private func connection(_ id: String, backlog: Int) -> ConnectionSummary {
    ConnectionSummary(
        id: id, node: "n", dialect: "raw", remote: "", channels: [], moreChannels: 0, ageSeconds: 0, messagesIn: 0,
        bytesIn: 0, bytesOut: 0, backlogBytes: backlog)
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
        #expect(merged.cursor == ConnectionCursor(backlog: 5, id: "b"))
    }
}
