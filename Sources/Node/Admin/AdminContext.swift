import Hummingbird
import NIOCore
import Synchronization

/// What is known about one request to the admin listener.
struct AdminContext: RemoteAddressRequestContext {
    var coreContext: CoreRequestContextStorage
    let remoteAddress: SocketAddress?
    let channel: any Channel
    let audit = AuditNote()

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        channel = source.channel
        remoteAddress = channel.remoteAddress
    }

    /// `127.0.0.1:40000`.
    var caller: String {
        guard let remoteAddress, let address = remoteAddress.ipAddress, let port = remoteAddress.port else {
            return "?"
        }
        return address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
    }
}

/// What a handler adds to the line of its request in the audit log.
final class AuditNote: Sendable {
    /// What a call is, where its method and path do not say so.
    enum Kind: Comparable {
        /// It changes nothing.
        case question
        case publication
        case action
    }

    private let fields = Mutex<[(String, String)]>([])
    private let kinds = Mutex<Kind?>(nil)

    /// Nil where method and path say it.
    var kind: Kind? { kinds.withLock { $0 } }

    /// A call that does several things is what the weightiest of them is.
    func add(_ kind: Kind) { kinds.withLock { $0 = max($0 ?? kind, kind) } }

    func add(_ name: String, _ value: String) { fields.withLock { $0.append((name, value)) } }

    var all: [(String, String)] { fields.withLock { $0 } }
}
