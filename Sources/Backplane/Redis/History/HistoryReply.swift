package import Codec

/// What Redis answered to a read of history. Whatever it is, it may have been written by anybody who can write there, so each
/// part is checked here, once, and what cannot be is refused.
package struct HistoryReply {
    package let page: HistoryPage
    /// Entries that are none of ours, and what follows them where that cannot be trusted.
    package let badEntries: Int

    /// Why there is no page.
    package enum Refusal: Error, Equatable {
        /// It is no answer of our script.
        case noAnswer
        /// What Redis keeps of the channel was not written by a node.
        case invalid(String)
    }

    /// Elements of the reply: epoch, offset, lineage, disowned positions, bases of beginnings, whether the channel is young,
    /// whether the page is cut, the publications, and for how long they are kept.
    static let elements = 9

    /// - Parameter today: The number of the day, see `RedisBeginnings`.
    package init(_ value: RESPValue, to query: HistoryQuery, today: UInt64) throws(Refusal) {
        guard case .array(let elements) = value, elements.count == Self.elements,
            case .bulk(let epochBytes?) = elements[0], case .bulk(let offsetDigits?) = elements[1],
            case .bulk(let endings?) = elements[2], case .bulk(let claims?) = elements[3],
            case .bulk(let bases?) = elements[4], case .integer(let young) = elements[5],
            case .integer(let cut) = elements[6], case .array(let entries) = elements[7],
            case .integer(let left) = elements[8],
            entries.count <= query.limit
        else { throw .noAnswer }
        guard let beginnings = RedisBeginnings(bases) else { throw .invalid("beginnings of \(bases.count) bytes") }
        guard let lostPositions = Self.positions(claims) else { throw .invalid("invalid lost positions") }
        let lineage: EpochLineage
        if epochBytes.isEmpty {
            guard let top = beginnings.position(today: today) else { throw .invalid("no beginnings") }
            lineage = beginnings.lineage(top, ends: [], isWhole: true, isYoung: false, today: today)
        } else {
            guard let epoch = Self.word(epochBytes[...]) else {
                throw .invalid("an epoch of \(epochBytes.count) bytes")
            }
            guard let offset = Offset(decimal: offsetDigits) else { throw .invalid("an invalid offset") }
            guard let ends = Self.positions(endings) else { throw .invalid("an invalid lineage") }
            lineage = beginnings.lineage(
                Position(epoch: epoch, offset: offset), ends: ends, isWhole: lostPositions.isEmpty, isYoung: young == 1,
                today: today)
        }
        let leads = query.since.map(lineage.leads(from:)) ?? true
        // Of an epoch that is not known at all nothing is left: it began on a server that was lost.
        let isFork =
            query.since.map { since in
                let end = lineage.end(of: since.epoch) ?? lostPositions.first { $0.epoch == since.epoch }?.offset
                return (end ?? .zero) < since.offset
            } ?? false
        let read = leads ? Self.publications(entries, query, lineage.top.offset) : ([], 0)
        let isContinuous =
            leads
            && (query.since.map { since in
                query.isReverse || query.limit == 0 || since.offset == lineage.top.offset
                    || read.0.first?.position?.offset.follows(since.offset) ?? false
            } ?? true)
        badEntries = read.1
        let kept = isContinuous ? read.0 : []
        page = HistoryPage(
            publications: kept, lineage: lineage, isContinuous: isContinuous, isFork: isFork,
            isCut: Self.isCut(kept, query, lineage.top.offset, said: cut == 1), remaining: left > 0 ? left : nil)
    }

    /// Whether there is more than the page has.
    private static func isCut(_ read: [Publication], _ query: HistoryQuery, _ top: Offset, said: Bool) -> Bool {
        guard let last = read.last?.position?.offset else { return false }
        if !query.isReverse { return last < top }
        return said || (read.count == query.limit && last > 1)
    }

    /// The entries that are publications of this channel, one after the other. After a position, nothing may be missing in
    /// between: what follows a hole is for the next page.
    private static func publications(
        _ entries: [RESPValue], _ query: HistoryQuery, _ top: Offset
    ) -> ([Publication], bad: Int) {
        var found: [Publication] = []
        var bad = 0
        for entry in entries {
            guard case .bulk(let bytes?) = entry,
                let publication = try? bytes.withUnsafeBytes({ try EnvelopeCodec.decode($0, hint: query.channel) }),
                publication.channel == query.channel, let offset = publication.position?.offset, offset <= top,
                offset > .zero
            else {
                bad += 1
                continue
            }
            if let last = found.last?.position?.offset {
                let isNext = query.isReverse ? last.follows(offset) : offset.follows(last)
                // Without a position whatever is kept is shown, but never twice and never in another order.
                let isInOrder = query.isReverse ? offset < last : last < offset
                guard query.since == nil || query.isReverse ? isInOrder : isNext else {
                    bad += isNext ? 0 : 1
                    if query.since != nil, !query.isReverse { break }
                    continue
                }
            }
            found.append(publication)
        }
        return (found, bad)
    }

    /// A list of positions of 16 bytes each; nil when it is not that.
    static func positions(_ bytes: [UInt8]) -> [Position]? {
        guard bytes.count % 16 == 0, bytes.count <= 16 * 64 else { return nil }
        var found: [Position] = []
        for start in stride(from: 0, to: bytes.count, by: 16) {
            guard let position = position(bytes[start..<(start + 16)]) else { return nil }
            found.append(position)
        }
        return found
    }

    /// An epoch and an offset, 8 bytes each.
    static func position(_ bytes: ArraySlice<UInt8>) -> Position? {
        guard bytes.count == 16, let epoch = word(bytes.prefix(8)), let number = word(bytes.suffix(8)),
            let offset = Offset(exactly: number)
        else { return nil }
        return Position(epoch: epoch, offset: offset)
    }

    private static func word(_ bytes: ArraySlice<UInt8>) -> UInt64? {
        bytes.count == 8 ? bytes.reduce(0) { $0 << 8 | UInt64($1) } : nil
    }
}
