/// What Redis does for us in one step (EVALSHA): history must never have a publication that was not announced, or the
/// other way round.
package enum RedisScript: String, CaseIterable, Sendable {
    case publish
    case read
    case markLost
    case enter
    case leave
    case reap
    case stale
    case present
    case occupy
    case vacate
    case clear
    case revoke
    case joinGroup
    case outboxAppend
    case outboxTake
    case outboxSettle
    case outboxLetters
    case session
    case storePlan
    case listKeys
    case dropKeys
    case dumpKeys
    case forgetMoves
    case restoreKeys

    /// The source for a server that publishes within its slots (`SPUBLISH`, Redis 7.0), or to everybody.
    func source(isSharded: Bool) -> String {
        isSharded ? source.replacing("redis.call('PUBLISH'", with: "redis.call('SPUBLISH'") : source
    }

    private var source: String {
        switch self {
        case .publish: Self.publishSource
        case .read: Self.readSource
        case .markLost: Self.markLostSource
        case .enter: Self.enterSource
        case .leave: Self.leaveSource
        case .reap: Self.reapSource
        case .stale: Self.staleSource
        case .present: Self.presentSource
        case .occupy: Self.occupySource
        case .vacate: Self.vacateSource
        case .clear: Self.clearSource
        case .revoke: Self.revokeSource
        case .joinGroup: Self.joinGroupSource
        case .outboxAppend: Self.outboxAppendSource
        case .outboxTake: Self.outboxTakeSource
        case .outboxSettle: Self.outboxSettleSource
        case .outboxLetters: Self.outboxLettersSource
        case .session: Self.sessionSource
        case .storePlan: Self.storePlanSource
        case .listKeys: Self.listKeysSource
        case .dropKeys: Self.dropKeysSource
        case .dumpKeys: Self.dumpKeysSource
        case .forgetMoves: Self.forgetMovesSource
        case .restoreKeys: Self.restoreKeysSource
        }
    }
}
