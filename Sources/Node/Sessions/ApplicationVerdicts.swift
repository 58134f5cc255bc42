import Codec
import Reactor

/// What clients may do when the application agrees. What a session sends meanwhile waits, so that its publications stay in order.
extension Commands {
    /// A client publishes where the application decides.
    func askToPublish(_ intent: Intent.Publish, to target: PublishTarget, _ slot: UInt32) {
        let session = session(slot)
        let rule = context.settings.rules.rule(for: target.name)
        guard let hook = rule.publishHook, target.mayAsk(credentials(slot)) || intent.isPermitted else {
            return publishDenied(slot, intent.reply, target.name)
        }
        guard mayPublishNow(slot, session, target, intent.reply) else { return }
        let data = Array(intent.data)
        let isJSON = intent.kind != .binary && intent.data.isUTF8JSON
        let (reply, kind, event) = (intent.reply, intent.kind, intent.event)
        ask(
            .publish(target.name, data: data, isJSON: isJSON, dialect: session.pointee.dialect.name), at: hook, slot
        ) { commands, result in
            var (kind, data) = (kind, data)
            switch result {
            case .refused(let refusal):
                commands.context.counters.refusedPublishes += 1
                return commands.refused(slot, reply, refusal) { .publishRefused(target.name) }
            case .nothing: break
            case .json(let changed): (kind, data) = (.json, changed)
            case .bytes(let changed): (kind, data) = (.binary, changed)
            }
            data.withUnsafeBytes { data in
                let intent = Intent.Publish(
                    reply: reply, channel: target.name, kind: kind, data: data, event: event, isPermitted: true)
                commands.publish(intent, to: target, from: slot)
            }
        }
    }

    /// In the application's words where the dialect has replies. Where it has none, a refusal ends the session, and that the application
    /// was not to be had is counted only: the client would do nothing better if it came back.
    private func refused(
        _ slot: UInt32, _ reply: ReplyID, _ refusal: CallResult.Refusal, _ ending: () -> Ending
    ) {
        if session(slot).pointee.traits.hasCommands {
            if reply.isExpected { io.tell(slot, .called(.refused(refusal)), for: reply) }
        } else if !refusal.isTemporary {
            life.end(slot, ending())
        }
    }

    private func ask(
        _ kind: UpstreamCall.Kind, at hook: String, _ slot: UInt32,
        _ then: @escaping @Sendable (Commands, CallResult) -> Void
    ) {
        guard let upstream = context.settings.upstream, let endpoint = upstream.hook(hook) else {
            return fault("a rule has a hook that nobody knows")
        }
        let call = upstreamCall(kind, at: endpoint, slot)
        admittance.later(slot, { await upstream.call(call) }) { [commands = self] _, result in then(commands, result) }
    }
}

extension Admittance {
    /// A client subscribes where the application decides, unless a token has.
    ///
    /// - Returns: Whether the application is asked, or need not be because the client may not in any case.
    func askToSubscribe(_ slot: UInt32, _ request: Intent.Subscribe) -> Bool {
        guard !request.channel.isReserved else { return false }
        let rule = context.settings.rules.rule(for: request.channel)
        guard let hook = rule.subscribeHook, let upstream = context.settings.upstream,
            let endpoint = upstream.hook(hook), rule.mayAskToSubscribe(to: request.channel, credentials(slot))
        else { return false }
        let call = upstreamCall(
            .subscribe(request.channel, dialect: session(slot).pointee.dialect.name), at: endpoint, slot)
        later(slot, { await upstream.call(call) }) { admittance, result in
            guard case .refused(let refusal) = result else {
                return admittance.subscribeJudged(slot, request, isGranted: true, expiresAt: .max)
            }
            admittance.context.counters.unauthorized += 1
            admittance.io.tell(slot, .called(.refused(refusal)), for: request.reply)
        }
        return true
    }
}

extension UnsafeRawBufferPointer {
    fileprivate var isUTF8JSON: Bool { UTF8Validator.isValid(self) && JSONScanner.isValid(self) }
}
