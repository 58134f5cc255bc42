import Codec
import Reactor

/// Finding out which layout the cluster has, before anything else is said that depends on it.
extension RedisServer {
    private static var pause: Duration { .milliseconds(100) }

    /// What Redis said of the layout: after the answer to `ROLE`, so from a master.
    func receivedLayout(_ value: RESPValue) {
        if owner.topology.isDivided { return receivedDividedLayout(value) }
        follow(owner.layout.stored(value, now: home.now))
    }

    func layoutStored(_ layout: RedisLayout, _ value: RESPValue) {
        if owner.topology.isDivided { return joinShards() }
        follow(owner.layout.stored(layout, value))
    }

    /// So many heard a beat of a node that knows no layout yet.
    func counted(_ receivers: Int64) { if let step = owner.layout.counted(receivers) { follow(step) } }

    func askForLayout() { send(.layout) { RESPWriter.command([Array("GET".utf8), names.stored], to: $0) } }

    private func follow(_ step: LayoutDecision.Step) {
        switch step {
        case .use(let layout):
            owner.use(layout, at: self)
            commandsReady()
        case .store(let layout):
            send(.layoutStored(layout)) {
                RESPWriter.command([Array("SET".utf8), names.stored, layout.stored, Array("NX".utf8)], to: $0)
            }
        case .askAgain:
            countListeners()
            // Meanwhile it may be settled. That this node knows a layout does not settle it: Redis may have lost its data, and then
            // another node was faster to store it anew.
            later(after: Self.pause) { [self] in askForLayout() }
        case .refuse(let why):
            commands.fail(
                "Redis at \(addressText) has an invalid \(String(decoding: names.stored, as: UTF8.self)): \(why)")
        }
    }

    /// What this server was asked before it is used was answered well.
    func commandsReady() {
        guard isAnotherServer(), state.commandsReady() else { return }
        commands.settled()
        // Before the beat: who hears that this node is there knows how it divides the channels.
        owner.mover?.greet(self)
        sendBeat()
        // What was found here may be older than the beat: a change that has gone on meanwhile has not waited for this node.
        if owner.mover != nil { joinShards() }
    }

    /// Goes on with joining this server after a while, unless that is settled or the business of another connection by then.
    func later(after delay: Duration, _ body: @escaping () -> Void) {
        let since = commands.connectedAt
        home.schedule(after: delay) { [self] in
            guard state.isRunning, !state.takesCommands, commands.isOpen, commands.connectedAt == since else { return }
            body()
        }
    }

    /// Whether others are here is what the answer to `PUBLISH` says. This node has to hear itself already.
    func countListeners() {
        guard commands.isOpen, state.subscriptions == .own, owner.layout.isToCount() else { return }
        envelope.removeAll()
        NodeMessage.beat(
            Beat(node: owner.node, sequence: 0, name: owner.name, summary: [], layout: owner.layout.announced)
        ).write(to: envelope)
        send(.count) { RESPWriter.publish(prefix: [], channel: names.beat, payload: envelope.bytes, to: $0) }
    }
}
