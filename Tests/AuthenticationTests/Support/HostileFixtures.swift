import Foundation
import Testing

@testable import Authentication

/// What Fixtures/make_hostile.py has made.
struct HostileFixtures: Decodable {
    struct Key: Decodable {
        let name: String
        let pem: String
        /// Why it is refused; nil if it is not.
        let refused: String?
    }

    struct Signature: Decodable {
        let name: String
        let algorithm: String
        let signature: Data
        let good: Bool
    }

    let `public`: [Key]
    let `private`: [Key]
    let message: String
    let signatures: [Signature]

    static func load() throws -> HostileFixtures {
        try JSONDecoder().decode(
            HostileFixtures.self, from: Data(contentsOf: URL(fileURLWithPath: Fixtures.path("hostile.json"))))
    }

    /// The name of a reason as it stands in the file.
    static func name(of reason: KeyError.Reason) -> String {
        switch reason {
        case .unsupportedKey: "unsupportedKey"
        case .privateKeyForVerifying: "privateKeyForVerifying"
        case .publicKeyForSigning: "publicKeyForSigning"
        case .encrypted: "encrypted"
        case .rsaSize(let bits): "rsaSize \(bits)"
        default: "\(reason)"
        }
    }
}

extension SignatureAlgorithm.Family {
    /// One algorithm that keys of this kind have.
    var algorithm: SignatureAlgorithm {
        switch self {
        case .secret: .hs256
        case .rsa: .ps256
        case .p256, .p384, .p521, .ed25519: onlyAlgorithm ?? .hs256
        }
    }
}
