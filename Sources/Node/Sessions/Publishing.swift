import Authentication
import Backplane
import Codec
import Reactor

/// What clients publish.
extension Commands {
    /// A publication whose publisher is told what became of it.
    func publishAnswered(_ slot: UInt32, _ intent: Intent.Publish) {
        guard let target = target(of: intent, slot) else { return }
        if target.isAsked { return askToPublish(intent, to: target, slot) }
        guard target.allows(credentials(slot)) || intent.isPermitted else {
            return publishDenied(slot, intent.reply, target.name)
        }
        let session = session(slot)
        guard mayPublishNow(slot, session, target, intent.reply) else { return }
        session.pointee.commands?.pointee.refusedInARow = 0
        publish(intent, to: target, from: slot)
        fanOut.throttle(slot, target.name)
    }

    /// A publication whose publisher is told nothing about it: one that is too fast is read from more slowly, and one that
    /// may not has to go, unless it could have asked to be told.
    func publishUnanswered(
        _ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>, _ intent: Intent.Publish
    ) {
        guard let target = target(of: intent, slot) else { return }
        if target.isAsked { return askToPublish(intent, to: target, slot) }
        guard target.allows(credentials(slot)) || intent.isPermitted else {
            return publishDenied(slot, .none, target.name)
        }
        charge(slot, session, cost: CommandCost.publish(keptBy: target.history))
        publish(intent, to: target, from: slot)
        if context.reach.includes(target.name) {
            fanOut.throttle(slot, target.name)
        } else {
            fanOut.pauseUntilLinked(slot)
        }
    }

    /// A client that may not publish is told so, and has to go where its dialect cannot say it.
    func publishDenied(_ slot: UInt32, _ reply: ReplyID, _ channel: ChannelName) {
        context.counters.refusedPublishes += 1
        guard session(slot).pointee.traits.hasCommands else { return life.end(slot, .publishRefused(channel)) }
        chargeCommand(slot, session(slot))
        io.fail(slot, reply, .permissionDenied, about: channel)
    }

    /// Takes a publication from its bucket.
    ///
    /// - Returns: Whether it may be carried out; else it was refused.
    @inline(__always)
    func mayPublishNow(
        _ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>, _ target: PublishTarget, _ reply: ReplyID
    ) -> Bool {
        let cost = CommandCost.publish(keptBy: target.history)
        if session.pointee.publishes.take(context.settings.publishRate, cost: cost, now: reactor.now.nanoseconds) {
            return true
        }
        context.counters.publishRateHits += 1
        refuseForRate(slot, session, reply, "limits.publish_rate")
        return false
    }

    /// Where a publication goes, and what of the channel's rule it is under. Much smaller than a rule, because each publication
    /// copies it.
    struct PublishTarget {
        let name: ChannelName
        let publish: ChannelRule.Publish
        let history: HistorySettings?
        /// Whether the application decides.
        let isAsked: Bool

        init(_ name: ChannelName, under rule: ChannelRule) {
            self.name = name
            publish = rule.publish
            isAsked = rule.publishHook != nil && !name.isReserved
            history = name.isReserved ? nil : rule.history
        }

        @inline(__always)
        func allows(_ credentials: @autoclosure () -> Credentials?) -> Bool {
            publish == .client || publish.allows(name, credentials())
        }

        /// Whether the application is asked about a client.
        func mayAsk(_ credentials: Credentials?) -> Bool { publish.allows(name, credentials) }
    }

    /// To the channel it names, or to the session's first.
    private func target(of intent: Intent.Publish, _ slot: UInt32) -> PublishTarget? {
        guard let name = intent.channel else {
            let first = session(slot).pointee.subscriptions[0].channel
            return channels.byIndex[Int(first)].map { PublishTarget($0.name, under: $0.rule) }
        }
        // A client mostly publishes where the last one did.
        if let lastPublished, lastPublished.name == name { return lastPublished }
        let target = PublishTarget(name, under: context.settings.rules.rule(for: name))
        lastPublished = target
        return target
    }

    /// Sends a client's publication on its way; the outcome comes back to `published`.
    func publish(_ intent: Intent.Publish, to target: PublishTarget, from slot: UInt32) {
        context.counters.published &+= 1
        session(slot).pointee.unanswered &+= 1
        let publication = Publication(
            channel: target.name, kind: intent.kind, payload: Array(intent.data), origin: node, time: context.turnTime,
            extras: intent.event.map { withEvent($0, slot) } ?? publisher(slot))
        if events.wants(.published) { notePublished(slot, publication, by: credentials(slot)?.user) }
        context.publish(publication, target.history, PublishTicket(replyTo(slot, numbered(intent.reply, slot))))
    }

    private func withEvent(_ event: [UInt8], _ slot: UInt32) -> Publication.Extras {
        .init(event: event, publisher: session(slot).pointee.traits.namesPublishers ? member(slot) : nil)
    }

    /// What waits for an outcome is known by a number: one that a client calls otherwise is kept until then.
    private func numbered(_ reply: ReplyID, _ slot: UInt32) -> ReplyID {
        guard case .text(let text) = reply else { return reply }
        return .number(makeExtras(slot).replies.keep(text))
    }

    /// What the client calls that number.
    private func named(_ reply: ReplyID, _ slot: UInt32) -> ReplyID {
        guard let extras = extras(slot), !extras.replies.isEmpty, let text = extras.replies.take(reply.number) else {
            return reply
        }
        tidyExtras(slot)
        return .text(text)
    }

    /// What the others are told of who published, in dialects that tell them; made once per session and user.
    private func publisher(_ slot: UInt32) -> Publication.Extras? {
        let session = session(slot)
        if let known = session.pointee.commands?.pointee.publisher { return known }
        guard session.pointee.traits.namesPublishers else { return nil }
        let made = Publication.Extras(publisher: member(slot))
        session.pointee.makeCommands().pointee.publisher = made
        return made
    }

    func published(_ ticket: PublishTicket, _ outcome: PublishOutcome) {
        if case .refused = outcome { context.counters.refusedPublishes += 1 }
        guard let session = context.table.find(ticket.slot, generation: ticket.generation) else { return }
        if session.pointee.phase == .publishing { return admittance.published(ticket.slot, outcome) }
        guard session.pointee.phase == .open else { return }
        if session.pointee.unanswered > 0 { session.pointee.unanswered -= 1 }
        let reply = named(ReplyID(ticket.command), ticket.slot)
        // Closing a session that has no reply would cost its subscriptions: the loss is counted. Whoever has to know
        // publishes through the API or a dialect with replies.
        guard reply.isExpected else { return }
        switch outcome {
        case .accepted: io.tell(ticket.slot, .published, for: reply)
        case .refused: io.fail(ticket.slot, reply, .temporary)
        }
    }
}
