import Backplane
import Codec

/// Records of sessions, and what is read to go on with one of them.
extension Exchange {
    func record(
        _ request: SessionRecordRequest, of id: SessionID.Secret, _ step: RecordStep?, for place: Locator?
    ) {
        backplane.record(request, of: id) { [self] result in
            if case .failure = result { recordsFailed &+= 1 }
            guard let step, let place else { return }
            self.tell(Int(place.reactor), .recorded(place, step, result))
        }
    }

    func takeRecord(of id: SessionID.Secret, _ owner: [UInt8], for connection: Locator) {
        backplane.record(.take(owner: owner), of: id) { [self] result in
            self.tell(Int(connection.reactor), .recordTaken(connection, result))
        }
    }

    /// Reads one page after the other. The channel is held, so what follows `top` comes by itself.
    func readMissed(
        _ name: ChannelName, since: Position, until top: Position, most: Int, found: [Publication] = [],
        for connection: Locator
    ) {
        if since == top { return tell(Int(connection.reactor), .missed(connection, name, found)) }
        guard let settings = historySettings(of: name), found.count < most else {
            return tell(Int(connection.reactor), .missed(connection, name, nil))
        }
        historyCounters.reads += 1
        let query = HistoryQuery(
            channel: name, settings: settings, since: since, limit: HistoryQuery.maximumPublications,
            bytes: min(recoveryBytes, HistoryQuery.maximumBytes))
        historyReads.read(query, for: .subscribers) { [self] result in
            guard case .success(let page) = result, page.isContinuous else {
                return self.tell(Int(connection.reactor), .missed(connection, name, nil))
            }
            var found = found
            var last = since
            // One offset after the other, whatever epochs they are of.
            for publication in page.publications where last != top {
                guard let position = publication.position, position.offset.previous == last.offset else { break }
                found.append(publication)
                last = position
            }
            if last == top || (last.offset == top.offset && page.top == top) {
                return self.tell(Int(connection.reactor), .missed(connection, name, found))
            }
            guard page.isCut, last != since else {
                return self.tell(Int(connection.reactor), .missed(connection, name, nil))
            }
            self.readMissed(name, since: last, until: top, most: most, found: found, for: connection)
        }
    }

    func lookForMarks(_ names: [ChannelName], for connection: Locator) {
        var left = names.count
        var youngest: Int64?
        var failure: PublishRefusal?
        for name in names {
            backplane.markAge(of: name) { [self] result in
                left -= 1
                switch result {
                case .success(let age): if let age { youngest = min(youngest ?? age, age) }
                case .failure(let refusal): failure = refusal
                }
                guard left == 0 else { return }
                let answer: Result<Int64?, PublishRefusal>
                if let failure { answer = .failure(failure) } else { answer = .success(youngest) }
                self.tell(Int(connection.reactor), .marked(connection, answer))
            }
        }
    }
}
