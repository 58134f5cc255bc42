import Codec
import Reactor

/// Clients that come too fast: they are told when to come back, before anything is done for them.
extension Shard {
    /// - Returns: Whether the client may go on; else it was answered.
    func isConnectInTime(_ head: RequestHead, _ dialect: Dialect, _ slot: UInt32) -> Bool {
        do {
            try admission.connects.enter(session(slot).pointee.peer.address, now: reactor.now.nanoseconds)
            return true
        } catch {
            switch error {
            case .node: counters.connectRateHits += 1
            case .address: counters.addressConnectRateHits += 1
            }
            let seconds = ConnectGate.seconds(after: error.wait, using: &random)
            if dialect == .sse, head.method == "GET", settings.origins.allows(head) {
                postpone(slot, head, seconds: seconds)
            } else {
                refuse(slot, error.response(seconds: seconds))
            }
            return false
        }
    }

    /// `EventSource` gives up for good when the status is not 200, and comes back by itself when a stream ends (WHATWG HTML
    /// 9.2.3): so it gets one that says when, and nothing else.
    private func postpone(_ slot: UInt32, _ head: RequestHead, seconds: Int) {
        counters.refusedHandshakes += 1
        writer.removeAll()
        SSEResponse.write(origin: head.header("origin"), retry: seconds * 1000, to: writer)
        writer.append("\n")
        answer(slot)
    }
}

extension ConnectGate.Refusal {
    /// Nanoseconds.
    fileprivate var wait: UInt64 {
        switch self {
        case .node(let wait), .address(let wait): wait
        }
    }

    fileprivate func response(seconds: Int) -> HTTPError {
        let (status, whence) =
            switch self {
            case .node: (503, "to this node")
            case .address: (429, "from this address")
            }
        return HTTPError(
            status: status, code: "too_many_connects",
            message: "too many clients connect \(whence) at the moment, come back in \(seconds) s",
            headers: [("Retry-After", "\(seconds)")])
    }
}
