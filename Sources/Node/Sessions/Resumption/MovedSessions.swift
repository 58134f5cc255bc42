import Codec

/// Sessions that went to another node, newest last: what is sent to their old ids is sent on. One that is forgotten is reached by its new
/// id, and by the id that its client negotiated. Pure.
struct MovedSessions {
    private var nodes: [SessionID.Secret: NodeID] = [:]
    private var order: [SessionID.Secret] = []
    private var oldest = 0

    /// So many are remembered.
    static let most = 16_384
    /// A place that no session has: its node knows where it is.
    static let anywhere = UInt64.max

    func node(of id: SessionID.Secret) -> NodeID? { nodes[id] }

    mutating func insert(_ id: SessionID.Secret, to node: NodeID) {
        guard nodes.updateValue(node, forKey: id) == nil else { return }
        guard order.count == Self.most else { return order.append(id) }
        nodes[order[oldest]] = nil
        order[oldest] = id
        oldest = (oldest + 1) % Self.most
    }
}
