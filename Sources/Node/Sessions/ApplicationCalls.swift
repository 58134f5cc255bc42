import Codec
import Reactor

/// What clients call and the application does.
extension Commands {
    /// A hub client calls a method that its hub does not know.
    func forward(_ call: HubCall, _ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        guard let arguments = call.arguments.json else {
            return perform(.refuse(call.reply, .badArguments), slot, session)
        }
        var id: [UInt8]?
        if case .text(let text) = call.reply { id = text }
        ask(
            .invocation(method: call.method, id: id, arguments: arguments), at: .hub(call.hub), call.reply, slot,
            session)
    }

    func forward(_ call: RemoteCall, _ slot: UInt32, _ session: UnsafeMutablePointer<SessionSlot>) {
        guard context.settings.upstream?.settings.rpc != nil else {
            return perform(.refuse(call.reply, .notAvailable), slot, session)
        }
        ask(
            .rpc(
                method: call.method, data: call.data.map { Array($0) }, isJSON: call.isJSON,
                dialect: session.pointee.dialect.name), at: .rpc, call.reply, slot, session)
    }

    /// Nobody else waits meanwhile, nor does what the session sends next.
    private func ask(
        _ kind: UpstreamCall.Kind, at endpoint: UpstreamEndpoint, _ reply: ReplyID, _ slot: UInt32,
        _ session: UnsafeMutablePointer<SessionSlot>
    ) {
        chargeCommand(slot, session)
        guard let upstream = context.settings.upstream else { return io.fail(slot, reply, .notAvailable) }
        let extras = makeExtras(slot)
        guard extras.callsUnderWay < context.settings.callsPerSession else {
            context.counters.callsPerSessionHits += 1
            tidyExtras(slot)
            return refuseForRate(slot, session, reply, "upstream.calls_per_session")
        }
        session.pointee.makeCommands().pointee.refusedInARow = 0
        extras.callsUnderWay += 1
        let call = upstreamCall(kind, at: endpoint, slot)
        let origin = locator(of: slot)
        let reactor = reactor
        Task { [commands = self] in
            let result = await upstream.call(call)
            reactor.post { commands.answered(origin, reply, result) }
        }
    }

    /// The session may be gone, and another one in its slot: the answer belongs to the one that asked.
    private func answered(_ origin: Locator, _ reply: ReplyID, _ result: CallResult) {
        guard let session = find(origin), session.pointee.phase == .open, let extras = extras(origin.slot),
            extras.callsUnderWay > 0
        else { return }
        extras.callsUnderWay -= 1
        tidyExtras(origin.slot)
        if reply.isExpected { io.tell(origin.slot, .called(result), for: reply) }
    }
}

extension ShardPart {
    /// A hub client has come or is going: its application is told, if the hub says so.
    final func tellUpstream(_ slot: UInt32, _ kind: @autoclosure () -> UpstreamCall.Kind) {
        guard let hub = session(slot).pointee.machine.hub, let upstream = context.settings.upstream,
            upstream.serves(hub: hub)
        else { return }
        upstream.tell(upstreamCall(kind(), at: .hub(hub), slot))
    }

    final func upstreamCall(_ kind: UpstreamCall.Kind, at endpoint: UpstreamEndpoint, _ slot: UInt32) -> UpstreamCall {
        let credentials = credentials(slot)
        let shown = extras(slot)?.shown
        return UpstreamCall(
            kind: kind, endpoint: endpoint, connection: lastingID(of: slot).description, user: credentials?.user,
            negotiated: String(decoding: session(slot).pointee.secret.text, as: UTF8.self),
            // Of a token that somebody else was asked about, nobody here knows whether it is right.
            claims: credentials?.isByToken == true ? shown?.claims : nil, query: shown?.query)
    }
}
