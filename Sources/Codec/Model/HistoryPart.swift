extension HistoryPage {
    /// What a page that was read for one query says about another one of the same channel.
    ///
    /// - Parameters:
    ///   - query: The other one.
    ///   - asked: What the page was read for.
    /// - Returns: Exactly what a read of its own would have brought at that moment; nil where the page does not tell that.
    package func part(for query: HistoryQuery, readFor asked: HistoryQuery) -> HistoryPage? {
        guard query.channel == asked.channel, query.settings == asked.settings, query.isReverse == asked.isReverse,
            isContinuous, !isFork
        else { return nil }
        // A page that was asked for the end alone tells nothing of the publications.
        guard asked.limit > 0 || query.limit == 0 else { return nil }
        guard let start = start(of: query, readFor: asked) else { return nil }
        let left = publications.count - start
        // Where the page ends before the history does, a read of its own might bring more.
        guard query.limit <= left || !isCut else { return nil }
        // Fewer bytes would cut it somewhere else.
        guard query.bytes >= asked.bytes || left == 0 || query.limit == 0 else { return nil }
        var part = self
        part.publications = Array(publications[start...].prefix(query.limit))
        part.isCut = query.limit > 0 && (isCut || start + part.publications.count < publications.count)
        return part
    }

    /// The place of the first publication that is meant.
    private func start(of query: HistoryQuery, readFor asked: HistoryQuery) -> Int? {
        if query.since == asked.since { return 0 }
        guard let since = query.since else { return nil }
        return publications.firstIndex { $0.position == since }.map { $0 + 1 }
    }
}
