/// A key of Ed25519 (RFC 8032): a public one, or a private one with its public part.
struct Ed25519Key: Sendable {
    static let keyBytes = 32
    static let signatureBytes = 64

    private let key: EVPKey

    /// Nil unless there are 32 bytes. Bytes that are no point of the curve make a key that verifies nothing.
    init?(public bytes: [UInt8]) {
        guard bytes.count == Self.keyBytes, let key = EVPKey("ED25519", raw: bytes, isPrivate: false)
        else { return nil }
        self.key = key
    }

    /// Nil unless there are 32 bytes.
    init?(private seed: [UInt8]) {
        guard seed.count == Self.keyBytes, let key = EVPKey("ED25519", raw: seed, isPrivate: true) else { return nil }
        self.key = key
    }

    func verifies(_ signature: [UInt8], over message: [UInt8]) -> Bool {
        signature.count == Self.signatureBytes && key.verifies(signature, over: message, hash: nil)
    }

    /// Nil if there is no private part, or OpenSSL fails.
    func signature(over message: [UInt8]) -> [UInt8]? { key.signature(over: message, hash: nil) }
}
