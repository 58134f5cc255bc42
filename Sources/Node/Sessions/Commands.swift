import Codec

/// What clients ask for, done: within their rates, and by whoever can.
final class Commands: ShardPart, @unchecked Sendable {
    /// The channel of the last command to publish, and its rule: a client mostly publishes where the last one did.
    var lastPublished: PublishTarget?
    /// Sessions that published or commanded faster than they may in this turn.
    var indebted: [Locator] = []

    // Whom it calls; the shard makes all of them and owns them.
    unowned(unsafe) private(set) var io: SessionIO!
    unowned(unsafe) private(set) var life: SessionLife!
    unowned(unsafe) private(set) var channels: Channels!
    unowned(unsafe) private(set) var fanOut: FanOut!
    unowned(unsafe) private(set) var admittance: Admittance!

    func attach(io: SessionIO, life: SessionLife, channels: Channels, fanOut: FanOut, admittance: Admittance) {
        self.io = io
        self.life = life
        self.channels = channels
        self.fanOut = fanOut
        self.admittance = admittance
    }

    func perform(_ intent: Intent, _ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        switch intent {
        case .publish(let publish):
            if publish.reply.isExpected {
                publishAnswered(slot, publish)
            } else {
                publishUnanswered(slot, session, publish)
            }
        case .call(let call):
            perform(call, slot, session)
        case .rpc(let call):
            forward(call, slot, session)
        case .connect(let connect):
            guard mayLogIn(slot, session, connect.reply) else { return session.pointee.machine.loginRefused() }
            // Nothing was sent that others share, so nobody has to be told.
            if let encoding = connect.encoding { session.pointee.variant = session.pointee.variant.speaking(encoding) }
            admittance.authenticate(connect, slot)
        case .subscribe(let subscribe):
            let hasMore = subscribe.seen != nil || subscribe.token != nil || subscribe.filter != nil
            let cost = hasMore ? CommandCost.subscribeWithMore : 1
            guard mayAskOfChannel(slot, session, subscribe.reply, cost: cost) else { return }
            session.pointee.commands?.pointee.refusedInARow = 0
            admittance.judgeSubscribe(slot, subscribe)
        case .unsubscribe(let reply, let channel):
            chargeCommand(slot, session)
            channels.unsubscribe(slot, from: channel)
            io.tell(slot, .unsubscribed, for: reply)
        case .history(let history):
            channels.readHistory(slot, history)
        case .presence(let reply, let channel, let view):
            channels.readPresence(slot, reply, channel, view)
        case .refresh(let reply, let token):
            guard mayLogIn(slot, session, reply) else { return }
            admittance.refresh(slot, reply, token)
        case .refreshSubscription(let reply, let channel, let token):
            guard mayAskOfChannel(slot, session, reply, cost: CommandCost.subscribeWithMore) else { return }
            session.pointee.commands?.pointee.refusedInARow = 0
            admittance.refreshSubscription(slot, reply, channel, token)
        case .pong, .nothing:
            chargeCommand(slot, session)
        case .resume(let resume):
            life.resume(slot, resume)
        case .acknowledged(let number):
            chargeCommand(slot, session)
            life.acknowledged(slot, number)
        case .renumbered(let next):
            chargeCommand(slot, session)
            life.renumbered(slot, next: next)
        case .refuse(let reply, let failure):
            chargeCommand(slot, session)
            if failure == .invalidFilter { context.counters.filtersRefused += 1 }
            io.fail(slot, reply, failure)
        case .end(let ending):
            if ending == .oversizedCommand { context.counters.oversizedMessages += 1 }
            if !ending.isOwnWish { context.counters.protocolErrors += 1 }
            life.end(slot, ending)
        }
    }

    /// A client calls a method: what that does is its hub's to say.
    private func perform(_ call: HubCall, _ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        // The configuration may have changed since it came.
        guard let hub = context.settings.hubs.rule(call.hub) else {
            return perform(.refuse(call.reply, .notAvailable), slot, session)
        }
        guard call.arguments.count <= hub.messageBytes ?? .max else {
            return perform(.end(.oversizedCommand), slot, session)
        }
        switch hub.order(of: call) {
        case .join(let channel): perform(.subscribe(.init(call.reply, to: channel)), slot, session)
        case .leave(let channel): perform(.unsubscribe(call.reply, channel), slot, session)
        case .refuse(let failure): perform(.refuse(call.reply, failure), slot, session)
        case .forward: forward(call, slot, session)
        case .send(let message):
            // A call in MessagePack may become a payload of several times its length.
            guard message.payload.count <= min(hub.messageBytes ?? .max, context.settings.frameLimits.messageBytes)
            else {
                context.counters.oversizedMessages += 1
                return perform(.refuse(call.reply, .badArguments), slot, session)
            }
            message.payload.withUnsafeBytes { payload in
                perform(
                    .publish(
                        .init(
                            reply: call.reply, channel: message.channel, kind: message.kind, data: payload,
                            event: message.event, isPermitted: message.isPermitted)), slot, session)
            }
        }
    }
}
