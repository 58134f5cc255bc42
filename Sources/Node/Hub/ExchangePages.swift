import Backplane
import Codec

/// Pages of history for the control plane.
extension Exchange {
    /// Reads a page from where a client says it is. What that means may have to be asked first; a page that is not continuous
    /// says that it leads nowhere.
    func readPage(
        _ query: HistoryQuery, since seen: SeenPosition?,
        completion: @escaping (Result<HistoryPage, PublishRefusal>) -> Void
    ) {
        guard let seen else { return historyReads.read(query, for: .questions, completion: completion) }
        if let known = interests[query.channel]?.history?.tail.present?.position(of: seen) {
            return historyReads.read(query.after(known), for: .questions, completion: completion)
        }
        historyCounters.checks += 1
        let end = HistoryQuery(channel: query.channel, settings: query.settings, limit: 0)
        historyReads.read(end, for: .questions) { [self] result in
            guard case .success(let page) = result else { return completion(result) }
            guard let position = page.lineage.position(of: seen) else {
                return completion(.success(HistoryPage(publications: [], lineage: page.lineage, isContinuous: false)))
            }
            self.historyReads.read(query.after(position), for: .questions, completion: completion)
        }
    }

    /// Removes what is kept of a channel; `completion` is called once, with where the channel is.
    ///
    /// The end is read afterwards: what was published in between is kept, and is only not handed out from memory.
    func removeHistory(of channel: ChannelName, completion: @escaping (Result<Position, PublishRefusal>) -> Void) {
        guard let settings = historySettings(of: channel) else {
            return completion(.failure(.medium("channel '\(channel)' keeps no history")))
        }
        backplane.removeHistory(of: channel) { [self] result in
            if case .failure(let refusal) = result { return completion(.failure(refusal)) }
            self.backplane.read(HistoryQuery(channel: channel, settings: settings, limit: 0)) { result in
                completion(result.map(\.top))
            }
        }
    }

    /// What this node has at hand of a channel up to an offset is not handed out any more.
    func forgetHistory(of channel: ChannelName, upTo offset: Offset) {
        interests[channel]?.history?.tail.remove(upTo: offset)
    }
}
