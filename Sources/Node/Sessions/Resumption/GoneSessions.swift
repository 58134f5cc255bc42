import Codec

/// Sessions that nobody can go on with any more, by their ids, newest last: clients that try are turned away with their request, which
/// all of them understand. One that is forgotten is refused a little later. Pure.
struct GoneSessions {
    private var known: Set<SessionID.Secret> = []
    private var order: [SessionID.Secret] = []
    private var oldest = 0

    /// So many are remembered.
    static let most = 4096

    func contains(_ id: SessionID.Secret) -> Bool { known.contains(id) }

    mutating func insert(_ id: SessionID.Secret) {
        guard known.insert(id).inserted else { return }
        guard order.count == Self.most else { return order.append(id) }
        known.remove(order[oldest])
        order[oldest] = id
        oldest = (oldest + 1) % Self.most
    }
}
