package import Codec

/// Says which connection a client has negotiated: an id, until when it may be opened, and a signature. Whoever has it opens a
/// connection with that id, on any node that has one of the hub's keys; it says nothing of who the client is.
///
///     base64url( version 1 or 2 · expiry (8, seconds since 1970, big-endian) · id (16) · HMAC-SHA256 (32) )
///
/// The client of a token of version 2 may come back to its session when its connection was cut.
///
/// The signature is over a word for what it is, the hub, and all that is in front of it (RFC 2104). So a token of another hub, or
/// another use of the same key, is no token here.
package struct ConnectionToken: Equatable, Sendable {
    package let id: SessionID.Secret
    /// Seconds since 1970.
    package let expiresAt: Int64
    /// Whether its client may come back to its session when its connection was cut.
    package let isResumable: Bool

    package init(_ id: SessionID.Secret, expiresAt: Int64, isResumable: Bool = false) {
        self.id = id
        self.expiresAt = expiresAt
        self.isResumable = isResumable
    }

    private static let version: UInt8 = 1
    private static let resumableVersion: UInt8 = 2
    private static let signedBytes = 25
    private static let signatureBytes = 32
    private static let purpose = Array("carillon connection token".utf8)
    /// The length of every token, in characters.
    package static let characters = 76

    /// - Parameter hub: The path of the hub.
    /// - Returns: Nil when OpenSSL has no memory.
    package func signed(for hub: [UInt8], by key: [UInt8]) -> [UInt8]? {
        let writer = ByteWriter(capacity: Self.signedBytes + Self.signatureBytes)
        writer.append(isResumable ? Self.resumableVersion : Self.version)
        writer.append(bigEndian: expiresAt)
        writer.append(bigEndian: id.high)
        writer.append(bigEndian: id.low)
        let body = Array(writer.bytes)
        guard let code = Secret(key).code(over: Self.message(body, hub), with: .sha256) else { return nil }
        return Array(Base64URL.encode(body + code).utf8)
    }

    /// - Parameters:
    ///   - hub: The path of the hub.
    ///   - keys: Any of them may have signed it.
    ///   - now: Seconds since 1970.
    package init(
        _ text: [UInt8], of hub: [UInt8], keys: [[UInt8]], now: Int64
    ) throws(ConnectionTokenError) {
        guard text.count == Self.characters, let bytes = Base64URL.decode(text),
            bytes.count == Self.signedBytes + Self.signatureBytes, let version = bytes.first,
            version == Self.version || version == Self.resumableVersion
        else { throw .malformed }
        let message = Self.message(Array(bytes.prefix(Self.signedBytes)), hub)
        let code = Array(bytes.suffix(Self.signatureBytes))
        // In the same time for every wrong one.
        let isSigned = keys.contains { Secret($0).verifies(code, over: message, with: .sha256) }
        guard isSigned else { throw .badSignature }
        let words = bytes.withUnsafeBytes { bytes in
            [1, 9, 17].map { UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: $0, as: UInt64.self)) }
        }
        let expiresAt = Int64(bitPattern: words[0])
        guard expiresAt > now else { throw .expired }
        self.init(
            SessionID.Secret(high: words[1], low: words[2]), expiresAt: expiresAt,
            isResumable: version == Self.resumableVersion)
    }

    /// A zero byte cannot be in a path.
    private static func message(_ body: [UInt8], _ hub: [UInt8]) -> [UInt8] { purpose + [0] + hub + [0] + body }
}

/// Why a connection token opens nothing.
package enum ConnectionTokenError: Error, Equatable, Sendable, CustomStringConvertible {
    case malformed
    case badSignature
    case expired

    package var description: String {
        switch self {
        case .malformed: "the connection id is none of this server's"
        case .badSignature: "the connection id was not given by this hub"
        case .expired: "the connection id has expired"
        }
    }
}
