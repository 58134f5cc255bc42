import Codec

/// What a session is allowed to be, and for how long.
extension Admittance {
    /// The session is that user from here on.
    ///
    /// - Returns: Whether the user may have one more session.
    func assume(_ credentials: Credentials?, _ slot: UInt32) -> Bool {
        guard let credentials else { return true }
        let session = session(slot)
        let before = session.pointee.credentials?.takeUnretainedValue().user
        if before != credentials.user {
            if let user = credentials.user, !context.admission.userEntered(user) {
                context.counters.userLimitHits += 1
                return false
            }
            // The session counts for one user at a time.
            if let before { context.admission.userLeft(before) }
        }
        session.pointee.credentials?.release()
        session.pointee.credentials = Unmanaged.passRetained(credentials)
        session.pointee.commands?.pointee.publisher = nil
        armExpiry(slot, credentials)
        return true
    }

    /// The session is over: nobody any more.
    func forgetCredentials(_ session: UnsafeMutablePointer<SessionSlot>) {
        guard let credentials = session.pointee.credentials else { return }
        session.pointee.credentials = nil
        session.pointee.commands?.pointee.publisher = nil
        if let user = credentials.takeUnretainedValue().user { context.admission.userLeft(user) }
        credentials.release()
    }

    /// Longer than the wheel is asked to remember; the alarm is set again then.
    private static var longest: Int64 { 30 * 86_400 }

    private func armExpiry(_ slot: UInt32, _ credentials: Credentials) {
        guard let expiresAt = credentials.expiresAt else { return }
        let left = max(0, expiresAt - context.gatekeeper.now) + graceSeconds(session(slot).pointee.traits)
        arm(.expiry, slot, after: .seconds(min(left, Self.longest)))
    }

    /// How long a session may stay after its token: only a dialect in which a new one can be brought has time for it.
    private func graceSeconds(_ traits: DialectTraits) -> Int64 {
        context.gatekeeper.leeway + (traits.refreshesTokens ? context.gatekeeper.grace.components.seconds : 0)
    }

    func checkExpiry(_ slot: UInt32) {
        guard let credentials = credentials(slot), let expiresAt = credentials.expiresAt else { return }
        let session = session(slot)
        guard expiresAt + graceSeconds(session.pointee.traits) <= context.gatekeeper.now else {
            return armExpiry(slot, credentials)
        }
        context.counters.expired += 1
        life.end(slot, .tokenExpired)
    }
}
