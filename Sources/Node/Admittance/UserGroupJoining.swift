import Backplane
import Codec
import Reactor

/// Groups that an application has added a user to, for a client of the user that comes later: it is subscribed to them before it is told that it
/// is connected, so it misses nothing.
extension Admittance {
    /// How soon groups that could not be read are asked for again.
    private static var retry: Duration { .seconds(1) }

    /// Asks which they are. The reply to the client waits for that, as it does for its channels.
    func askForGroups(_ slot: UInt32) {
        guard let user = groupUser(slot) else { return }
        extras(slot)?.connecting?.unconfirmed += 1
        extras(slot)?.awaitsGroups = true
        request(.userGroups(user, locator(of: slot)))
    }

    /// Nobody can add users to groups of a hub without keys.
    private func groupUser(_ slot: UInt32) -> UserGroups? {
        guard let hub = session(slot).pointee.machine.hub.flatMap({ context.settings.hubs.rule($0) }),
            !hub.keys.isEmpty, let user = credentials(slot)?.user
        else { return nil }
        return UserGroups(hub: hub.number, user: user)
    }

    /// It is known which they are. The session may be connected already, because the node was isolated or the backplane slow: then it joins them
    /// now. Where nobody knows, they are asked for again until somebody does.
    func joinGroups(_ locator: Locator, _ groups: [UserGroups.Membership]?) {
        guard let session = find(locator), session.pointee.phase == .open, let extras = extras(locator.slot),
            extras.awaitsGroups, let user = groupUser(locator.slot)
        else { return }
        let slot = locator.slot
        guard let groups else {
            reactor.schedule(after: Self.retry) { [self] in
                guard let session = self.find(locator), session.pointee.phase == .open else { return }
                self.request(.userGroups(user, locator))
            }
            return
        }
        extras.awaitsGroups = false
        let slack = context.gatekeeper.leeway + context.gatekeeper.grace.components.seconds
        for group in groups {
            guard let hub = context.settings.hubs.rule(user.hub), hub.isGroup(group.channel) else { continue }
            let isAwaited = extras.connecting != nil
            if isAwaited { extras.connecting?.unconfirmed += 1 }
            do {
                // Nobody can bring a new token for it, so it does not last for those who would.
                try channels.subscribe(slot, to: group.channel, .init(isGranted: true, expiresAt: group.until - slack))
            } catch {
                // It has it already, may not have it any more, or has too many, which is counted.
                if isAwaited { extras.connecting?.unconfirmed -= 1 }
            }
        }
        guard let waiting = extras.connecting else { return tidyExtras(slot) }
        extras.connecting?.unconfirmed = waiting.unconfirmed - 1
        if waiting.unconfirmed == 1 { finishConnecting(slot) }
    }
}
