@testable import Authentication
import Foundation

/// The keys and tokens that the unit tests have, read from their fixtures: FUZZ_FIXTURES names the folder.
enum TestKeys {
    private struct Fixtures: Decodable {
        struct Key: Decodable {
            let `public`: String
        }
        struct Tokens: Decodable {
            let connection: String
            let subscription: String
        }

        let secret: String
        let keys: [String: Key]
        let tokens: [String: Tokens]
    }

    private static let fixtures: Fixtures = {
        let folder = ProcessInfo.processInfo.environment["FUZZ_FIXTURES"] ?? ""
        do {
            let bytes = try Data(contentsOf: URL(fileURLWithPath: folder + "/fixtures.json"))
            return try JSONDecoder().decode(Fixtures.self, from: bytes)
        } catch {
            fatalError("FUZZ_FIXTURES is '\(folder)', where fixtures.json cannot be read: \(error)")
        }
    }()

    /// Rightly signed tokens: the only ones that may ever be taken.
    static let tokens = Set(fixtures.tokens.values.flatMap { [$0.connection, $0.subscription] })

    /// One key for each algorithm, named by it as in the tokens.
    static let all: [VerificationKey] = kept { SignatureAlgorithm.allCases.map(key) }

    private static func key(_ algorithm: SignatureAlgorithm) -> VerificationKey {
        let id = algorithm.rawValue.lowercased()
        do {
            guard algorithm.family != .secret else {
                return try VerificationKey(secret: Array(fixtures.secret.utf8), id: id, algorithm: algorithm)
            }
            let name = algorithm.family == .rsa ? "rsa" : algorithm.family.rawValue
            return try VerificationKey(publicPEM: fixtures.keys[name]?.public ?? "", id: id, algorithm: algorithm)
        } catch {
            fatalError("the fixtures have no key for \(algorithm): \(error)")
        }
    }

    static let own: SigningKey = kept {
        do {
            return try SigningKey(secret: Array("0123456789abcdef0123456789abcdef".utf8))
        } catch {
            fatalError("a secret is refused: \(error)")
        }
    }

    /// LeakSanitizer does not find pointers that Swift marks in their spare bits, as it does in an enum of classes: keys
    /// that stay for good are not to be taken for leaks, nor what hangs on them.
    private static func kept<Value>(_ make: () -> Value) -> Value {
        disableLeakDetection()
        defer { enableLeakDetection() }
        return make()
    }
}

/// sanitizer/lsan_interface.h
@_silgen_name("__lsan_disable")
private func disableLeakDetection()

@_silgen_name("__lsan_enable")
private func enableLeakDetection()
