package import Codec

/// Why a token was refused. Never holds a part of the token, so that it can be logged.
package enum TokenError: Error, Equatable, Sendable {
    case tooLarge(bytes: Int)
    case malformed(Fault)
    /// A header member that changes what a token means, and that nothing here understands.
    case headerRefused(HeaderMember)
    /// Not an allowed algorithm, or not the algorithm of the key that the token names.
    case algorithmRefused
    /// No key with this id. Keys that come from a URL may have to be fetched again.
    case unknownKey
    /// No key id, and several keys it could be.
    case keyNotNamed
    case badSignature
    case expired(secondsAgo: Int64)
    case notYetValid(inSeconds: Int64)
    case missingClaim(String)
    case invalidClaim(String, ClaimFault)
    case wrongAudience
    case wrongIssuer
    /// A token for one subscription where one for a connection is needed.
    case subscriptionToken
    /// A token for a connection where one for a subscription is needed.
    case connectionToken
    case wrongChannel
    case wrongConnection
    case wrongUser
    /// It was revoked before it expired.
    case revoked

    /// What is wrong with the form of a token.
    package enum Fault: Equatable, Sendable {
        case parts
        case encoding
        case header
        case payload
        case memberTwice
    }

    package enum HeaderMember: String, Equatable, Sendable, CaseIterable {
        case critical = "crit"
        case contentType = "cty"
        case encryption = "enc"
        case compression = "zip"
        case unencoded = "b64"
        case type = "typ"
    }

    /// What is wrong with a claim.
    package enum ClaimFault: Equatable, Sendable {
        case notText
        case notTime
        case notList
        case tooLong(limit: Int)
        case tooMany(limit: Int)
        case controlCharacter
        case channel(ChannelNameError)
        case grant
        case pattern
        case permission
        case connection
    }
}

extension TokenError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .tooLarge(let bytes):
            "the token has \(bytes) bytes, and at most \(TokenVerifier.maximumBytes) are accepted"
        case .malformed(let fault): "not a token: \(fault)"
        case .headerRefused(let member):
            member == .type
                ? "the token's \"typ\" says that it is for something else; \"JWT\" or none is right"
                : "the token's header has a \"\(member.rawValue)\", which is not supported"
        case .algorithmRefused: "the token's algorithm is not allowed, or not the one of its key"
        case .unknownKey: "no key is known for this token"
        case .keyNotNamed: "the token names no key (\"kid\"), and there are several it could be signed with"
        case .badSignature: "the token's signature is wrong: it was signed with another key, or changed"
        case .expired(let seconds): "the token expired \(seconds) s ago"
        case .notYetValid(let seconds): "the token becomes valid in \(seconds) s; do the clocks agree?"
        case .missingClaim(let name): "the token has no \"\(name)\""
        case .invalidClaim(let name, let fault): "the token's \"\(name)\" is wrong: \(fault)"
        case .wrongAudience: "the token is for another audience (\"aud\")"
        case .wrongIssuer: "the token is from another issuer (\"iss\")"
        case .subscriptionToken: "this token is for one subscription (it has a \"channel\"), not for a connection"
        case .connectionToken:
            "this token is for a connection, not for a subscription: "
                + "it has no \"channel\", or has \"channels\", \"subs\" or \"grants\" too"
        case .wrongChannel: "the token is for another channel"
        case .wrongConnection: "the token is for another connection (\"client\")"
        case .wrongUser: "the token is for another user (\"sub\")"
        case .revoked: "the token was revoked: get a new one"
        }
    }

    /// A short stable name, for metrics and log fields.
    package var code: String {
        switch self {
        case .tooLarge: "too_large"
        case .malformed: "malformed"
        case .headerRefused: "header_refused"
        case .algorithmRefused: "algorithm_refused"
        case .unknownKey: "unknown_key"
        case .keyNotNamed: "key_not_named"
        case .badSignature: "bad_signature"
        case .expired: "expired"
        case .notYetValid: "not_yet_valid"
        case .missingClaim: "missing_claim"
        case .invalidClaim: "invalid_claim"
        case .wrongAudience: "wrong_audience"
        case .wrongIssuer: "wrong_issuer"
        case .subscriptionToken: "subscription_token"
        case .connectionToken: "connection_token"
        case .wrongChannel: "wrong_channel"
        case .wrongConnection: "wrong_connection"
        case .wrongUser: "wrong_user"
        case .revoked: "revoked"
        }
    }
}

extension TokenError.Fault: CustomStringConvertible {
    package var description: String {
        switch self {
        case .parts: "expected three parts with dots between them (RFC 7515 7.1)"
        case .encoding: "a part is not base64url without padding"
        case .header: "the header is not a JSON object with a text \"alg\""
        case .payload: "the claims are not a JSON object"
        case .memberTwice: "a member comes twice"
        }
    }
}

extension TokenError.ClaimFault: CustomStringConvertible {
    package var description: String {
        switch self {
        case .notText: "expected text"
        case .notTime: "expected seconds since 1970"
        case .notList: "expected a list"
        case .tooLong(let limit): "longer than \(limit) bytes"
        case .tooMany(let limit): "more than \(limit)"
        case .controlCharacter: "control characters are not allowed"
        case .channel(let error): "\(error)"
        case .grant: "expected objects with \"match\" and \"allow\" and nothing else"
        case .pattern: "a pattern has 1 to \(GrantPattern.maximumBytes) bytes, no white space, no control characters"
        case .permission:
            "expected some of " + Grant.Permissions.names.map { "\"\($0.name)\"" }.joined(separator: ", ")
        case .connection: "not a connection id"
        }
    }
}
