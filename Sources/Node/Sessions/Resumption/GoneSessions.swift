import Codec

/// Sessions that nobody can go on with any more, by their ids, newest last: clients that try are turned away with their request, which
/// all of them understand. One that is forgotten is refused a little later. Pure.
///
/// An id is gone for a user. Whoever tries one that is another user's ends nothing for that user.
struct GoneSessions {
    struct Key: Hashable {
        let id: SessionID.Secret
        let user: ForeignText?
    }

    private var known: Set<Key> = []
    private var order: [Key] = []
    private var oldest = 0

    /// So many are remembered.
    static let most = 4096

    func contains(_ id: SessionID.Secret, for user: ForeignText?) -> Bool { known.contains(Key(id: id, user: user)) }

    mutating func insert(_ id: SessionID.Secret, for user: ForeignText?) {
        let key = Key(id: id, user: user)
        guard known.insert(key).inserted else { return }
        guard order.count == Self.most else { return order.append(key) }
        known.remove(order[oldest])
        order[oldest] = key
        oldest = (oldest + 1) % Self.most
    }
}
