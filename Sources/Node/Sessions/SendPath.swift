/// How a reactor sends to its clients.
package enum SendPath: Equatable, Sendable {
    /// With one system call for each send, because it is to.
    case oneByOne
    /// The same, because the system does not let it do better.
    case unavailable(String)
    /// Many sends with one system call.
    case batches

    /// For operators. Reactors of one node can differ when one of them could not go on.
    static func text(of paths: [SendPath]) -> String {
        let batches = paths.count { $0 == .batches }
        if batches == paths.count { return "in batches, through io_uring" }
        for case .unavailable(let reason) in paths {
            let which = batches == 0 ? "" : " on \(paths.count - batches) of \(paths.count) reactors"
            return "one by one\(which). \(reason)"
        }
        return "one by one, because node.io_uring is off"
    }
}
