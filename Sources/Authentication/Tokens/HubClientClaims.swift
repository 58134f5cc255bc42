package import Codec

/// What the token of a hub's client says of it: one that an application has signed with an access key, as libraries of the Azure SignalR
/// Service do (`ClaimsUtility` of Azure/azure-signalr).
package struct HubClientClaims: Equatable, Sendable {
    /// Nil for a visitor without a name.
    package let user: ForeignText?
    /// When the connection has to end, in seconds since 1970. Nil for never: the time at which the token expires is that until which it opens
    /// connections, and no more ("CloseOnAuthenticationExpiration" is off unless the token says otherwise).
    package let closesAt: Int64?
    package let issuedAt: Int64?
    /// The token's own id ("jti").
    package let id: String?

    /// Claims that name the user; the first that is there counts. The last one is the user's id as well as the subject.
    static let userClaims = [
        "asrs.s.uid", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier", "nameid", "sub",
    ]
    private static let closes = "asrs.s.coae"
    private static let closesAtClaim = "asrs.s.aeo"

    package init(_ token: AccessKeyToken) throws(TokenError) {
        let claims = token.claims
        var user: String?
        for name in Self.userClaims {
            let named = try claims.identifier(name)
            if user == nil { user = named }
        }
        self.user = user.map { ForeignText($0) }
        if try Self.isSet(Self.closes, claims) {
            if let own = try Self.moment(Self.closesAtClaim, claims) {
                closesAt = own
            } else {
                closesAt = try claims.time("exp")
            }
        } else {
            closesAt = nil
        }
        issuedAt = try claims.time("iat")
        id = try claims.identifier("jti")
    }

    /// Libraries write all claims as texts.
    private static func isSet(_ name: String, _ claims: ClaimReader) throws(TokenError) -> Bool {
        guard let value = claims.raw(name) else { return false }
        let text = JSONObject.string(value).map { Array($0.utf8) } ?? value
        if text.elementsEqual("true".utf8) || text.elementsEqual("True".utf8) { return true }
        guard text.elementsEqual("false".utf8) || text.elementsEqual("False".utf8) else {
            throw .invalidClaim(name, .notText)
        }
        return false
    }

    private static func moment(_ name: String, _ claims: ClaimReader) throws(TokenError) -> Int64? {
        guard let value = claims.raw(name) else { return nil }
        guard let text = JSONObject.string(value) else { return try claims.time(name) }
        guard let time = Int64(text), (0...ClaimReader.latestTime).contains(time) else {
            throw .invalidClaim(name, .notTime)
        }
        return time
    }
}
