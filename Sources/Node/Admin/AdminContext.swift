import Hummingbird
import NIOCore
import Synchronization

/// What is known about one request to the admin listener.
struct AdminContext: RemoteAddressRequestContext {
    var coreContext: CoreRequestContextStorage
    let remoteAddress: SocketAddress?
    let audit = AuditNote()

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        remoteAddress = source.channel.remoteAddress
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
    private let fields = Mutex<[(String, String)]>([])

    func add(_ name: String, _ value: String) { fields.withLock { $0.append((name, value)) } }

    var all: [(String, String)] { fields.withLock { $0 } }
}
