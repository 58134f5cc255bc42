import CLinux
internal import COpenSSL
import Glibc

/// What is spoken inside of TLS, agreed on in the handshake (ALPN, RFC 7301).
enum ApplicationProtocol {
    /// The one a server speaks: WebSockets begin with HTTP/1.1 (RFC 6455 4.1).
    static let http = "http/1.1"
    private static let httpBytes: StaticString = "http/1.1"

    /// Picks `http/1.1` from a client's list. A client that has a list without it is refused (RFC 7301 3.2); one
    /// without a list never comes here.
    static let select:
        @convention(c) (
            OpaquePointer?, UnsafeMutablePointer<UnsafePointer<UInt8>?>?, UnsafeMutablePointer<UInt8>?,
            UnsafePointer<UInt8>?, UInt32, UnsafeMutableRawPointer?
        ) -> Int32 = { _, chosen, chosenCount, offered, offeredCount, _ in
            guard let offered, let chosen, let chosenCount else { return SSL_TLSEXT_ERR_ALERT_FATAL }
            var start = 0
            while start < Int(offeredCount) {
                let count = Int(offered[start])
                guard start + 1 + count <= Int(offeredCount) else { break }
                if count == httpBytes.utf8CodeUnitCount, memcmp(offered + start + 1, httpBytes.utf8Start, count) == 0 {
                    chosen.pointee = offered + start + 1
                    chosenCount.pointee = UInt8(count)
                    return SSL_TLSEXT_ERR_OK
                }
                start += 1 + count
            }
            return SSL_TLSEXT_ERR_ALERT_FATAL
        }

    /// Offers a client's protocols, best first.
    static func offer(_ protocols: [String], in context: OpaquePointer) throws(TLSError) {
        guard !protocols.isEmpty else { return }
        var list: [UInt8] = []
        for name in protocols {
            guard (1...255).contains(name.utf8.count) else {
                throw .library(doing: "offer the protocol '\(name)'", reason: "its name has 1 to 255 bytes")
            }
            list.append(UInt8(name.utf8.count))
            list.append(contentsOf: name.utf8)
        }
        // 0 is success here.
        guard SSL_CTX_set_alpn_protos(context, list, UInt32(list.count)) == 0 else {
            throw .library(doing: "offer protocols", reason: OpenSSLError.take())
        }
    }
}
