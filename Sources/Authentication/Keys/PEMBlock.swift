internal import Foundation

/// One PEM block (RFC 7468) and the key in it.
struct PEMBlock {
    /// What stands after BEGIN: "PUBLIC KEY".
    let label: String
    private let der: [UInt8]
    /// Whether a passphrase is needed to read it; then `der` is empty.
    private let isEncrypted: Bool
    private let origin: String

    init(_ source: String, origin: String) throws(KeyError) {
        let lines = source.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
        let dashes = "-----"
        // What stands before the block is commentary (RFC 7468 2); `openssl ecparam -genkey` writes a block of
        // parameters first.
        let begins = lines.indices.filter {
            lines[$0].hasPrefix("-----BEGIN ") && lines[$0].hasSuffix(dashes)
                && lines[$0] != "-----BEGIN EC PARAMETERS-----"
        }
        guard begins.count == 1, let begin = begins.first else { throw KeyError(origin, .notPEM) }
        let label = String(lines[begin].dropFirst(11).dropLast(5))
        guard let end = lines[begin...].firstIndex(of: "-----END \(label)-----")
        else { throw KeyError(origin, .notPEM) }
        let body = lines[(begin + 1)..<end]
        // PKCS #8 says so by its label (RFC 7468 11), the older form by a header (RFC 1421 4.6.1.1).
        isEncrypted = label == "ENCRYPTED PRIVATE KEY" || body.first?.hasPrefix("Proc-Type:") == true
        if isEncrypted {
            der = []
        } else {
            guard let data = Data(base64Encoded: body.joined()) else { throw KeyError(origin, .notPEM) }
            der = Array(data)
        }
        self.label = label
        self.origin = origin
    }

    private var isPrivate: Bool { label.hasSuffix("PRIVATE KEY") }

    func publicKey() throws(KeyError) -> KeyMaterial {
        if isPrivate { throw KeyError(origin, .privateKeyForVerifying) }
        do throws(KeyError.Reason) {
            switch label {
            case "PUBLIC KEY": return try EncodedKey.publicKeyInfo(der)
            case "RSA PUBLIC KEY": return try EncodedKey.rsaPublicKey(der)
            case "CERTIFICATE": throw .certificate
            default: throw .unsupportedKey
            }
        } catch {
            throw KeyError(origin, error)
        }
    }

    func privateKey() throws(KeyError) -> KeyMaterial {
        do throws(KeyError.Reason) {
            if isEncrypted { throw .encrypted }
            switch label {
            case "PRIVATE KEY": return try EncodedKey.privateKeyInfo(der)
            case "RSA PRIVATE KEY": return try EncodedKey.rsaPrivateKey(der)
            case "EC PRIVATE KEY": return try EncodedKey.ellipticPrivateKey(der)
            default: throw label.hasSuffix("PUBLIC KEY") ? .publicKeyForSigning : .unsupportedKey
            }
        } catch {
            throw KeyError(origin, error)
        }
    }
}
