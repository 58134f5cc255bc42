package import Codec
import Reactor

/// A session of this node that goes to another one.
final class Handover {
    /// What the other node publishes in each channel: what came before it is for the session here, what comes after it for the one there.
    let fence: UInt64
    /// Channels in which it has not come.
    var open: Set<ChannelName>
    /// Those in which it has.
    var passed: [ChannelName] = []
    /// Who waits for the messages, and from which one on.
    var waiting: (asker: NodeAsker, first: UInt64)?

    init(fence: UInt64, open: Set<ChannelName>) {
        self.fence = fence
        self.open = open
    }
}

/// A session that comes from another node.
final class Arrival {
    let node: NodeID
    let fence: UInt64
    let acknowledged: UInt64
    /// What was recorded of it before its node died; nil of one whose node hands it over.
    let record: RecordedSession?
    /// How long ago that was, in milliseconds.
    let age: Int64
    /// Channels of which it is still read what the client may have missed.
    var unread: Set<ChannelName> = []
    /// What was found, by channel.
    var missed: [ChannelName: [Publication]] = [:]
    /// It is known that nothing was sent that no history has.
    var isUnmarked = false
    /// Everything was fetched: the other node has let go of the session, and its end would be told here.
    var isWhole = false
    /// Channels in which the fence has not come.
    var open: Set<ChannelName>
    /// What the other node kept, oldest first.
    var fetched: [(block: Block, messages: Int)] = []
    /// The number of the first message that was not fetched.
    var next: UInt64

    init(
        node: NodeID, fence: UInt64, acknowledged: UInt64, open: Set<ChannelName>, record: RecordedSession? = nil,
        age: Int64 = 0
    ) {
        self.record = record
        self.age = age
        self.node = node
        self.fence = fence
        self.acknowledged = acknowledged
        self.open = open
        next = acknowledged &+ 1
    }

    deinit { for part in fetched { part.block.release() } }
}

/// A node that waits for an answer.
package struct NodeAsker: Equatable, Sendable {
    package let node: NodeID
    package let question: UInt64
}

/// Whose fence a number is, on one reactor.
enum FenceOwner {
    case leaving(Locator)
    case arriving(Locator)
}

/// The node that has a session whose client came back to another node.
///
/// The session takes nothing from its client any more, keeps what comes for it, and leaves each channel where the other node's fence
/// is. All nodes get what is published in a channel in the same order, the fence included; so what is in front of it is kept here,
/// what is behind it goes to the session there, and nothing is lost or comes twice. When it has left all channels, the other node
/// fetches what was kept, and the session is no more.
extension SessionLife {
    /// How long publications and subscriptions of the session may still be undecided.
    private static var settling: Duration { .milliseconds(400) }
    private static var settlingStep: Duration { .milliseconds(10) }
    /// How long a handover may take.
    static var handoverTime: Duration { .seconds(3) }

    /// Another node asks for a session of this reactor.
    func handOver(_ question: HandoverQuestion, _ place: Locator, to asker: NodeAsker) {
        switch question.what {
        case .claim(let next, let variant, let user):
            let wanted = ResumeRequest(
                id: question.id, connection: place, variant: variant,
                user: user.map { ForeignText(String(decoding: $0, as: UTF8.self)) }, next: next)
            guard isResumable(place, wanted), let session = find(place),
                session.pointee.linkage == .cut || cut(place.slot)
            else { return answer(.refused, asker) }
            handOverWhenSettled(question, place, asker, until: .now() + Self.settling)
        case .fetch(let first):
            guard let handover = find(place).flatMap({ _ in extras(place.slot)?.resumption?.handover }),
                handover.fence == question.fence
            else { return answer(.refused, asker) }
            handover.waiting = (asker, first)
            givePage(place)
        }
    }

    private func answer(_ answer: HandoverAnswer, _ asker: NodeAsker) {
        request(.answerHandover(answer.bytes, asker))
    }

    /// What the session still waits for here, it would wait for in vain there.
    private func handOverWhenSettled(
        _ question: HandoverQuestion, _ place: Locator, _ asker: NodeAsker, until end: MonotonicTime
    ) {
        guard let session = find(place), session.pointee.linkage == .cut,
            let resumption = extras(place.slot)?.resumption, resumption.isKeeping, resumption.handover == nil
        else { return answer(.refused, asker) }
        guard isSettled(place.slot) else {
            guard MonotonicTime.now() < end else { return answer(.refused, asker) }
            reactor.schedule(after: Self.settlingStep) { [self] in
                self.handOverWhenSettled(question, place, asker, until: end)
            }
            return
        }
        let subscriptions = session.pointee.subscriptions
        let names = (0..<subscriptions.count).compactMap { channels.byIndex[Int(subscriptions[$0].channel)]?.name }
        resumption.handover = Handover(fence: question.fence, open: Set(names))
        fences[question.fence] = .leaving(place)
        reactor.schedule(after: Self.handoverTime) { [self] in
            guard self.find(place) != nil, let handover = self.extras(place.slot)?.resumption?.handover,
                handover.fence == question.fence
            else { return }
            // Some of what came is there and some is here, and nobody puts it together.
            self.context.counters.handoversFailed += 1
            if self.events.wants(.unsubscribed) {
                for name in handover.passed where !name.isReserved { self.note(.unsubscribed, place.slot, name) }
            }
            self.fences[handover.fence] = nil
            self.extras(place.slot)?.resumption?.handover = nil
            self.drop(place.slot, .notResumed)
        }
        answer(
            .claimed(
                taken: resumption.received.taken, acknowledged: resumption.unacknowledged.acknowledged,
                generation: resumption.generation, origin: lastingID(of: place.slot), channels: names),
            asker)
    }

    /// The session has everything that was published before the fence.
    func left(_ place: Locator, _ channel: ShardChannel) {
        guard find(place) != nil, let handover = extras(place.slot)?.resumption?.handover,
            handover.open.remove(channel.name) != nil
        else { return }
        handover.passed.append(channel.name)
        channels.handOff(place.slot, channel)
        givePage(place)
    }

    /// Answers who waits for messages, once all of them are here.
    private func givePage(_ place: Locator) {
        guard let resumption = extras(place.slot)?.resumption, let handover = resumption.handover,
            handover.open.isEmpty,
            let (asker, first) = handover.waiting
        else { return }
        handover.waiting = nil
        if io.repliesFor == place.slot { io.sendGathered() }
        guard resumption.isKeeping, let page = resumption.unacknowledged.page(from: first, bytes: Self.pageBytes) else {
            return answer(.refused, asker)
        }
        answer(.page(messages: UInt64(clamping: page.messages), isLast: page.isLast, bytes: page.bytes), asker)
        guard page.isLast else { return }
        resumption.hasMoved = true
        context.counters.sessionsHandedOver += 1
        removeRecord(place.slot, resumption)
        request(.handedOver(session(place.slot).pointee.secret, to: asker.node))
        drop(place.slot, .notResumed)
    }

    /// One answer of a node has so many bytes of messages, unless one part has more.
    private static var pageBytes: Int { 256 * 1024 }
}

extension Channels {
    /// A fence came: it is in the channel behind what came before, and in front of what comes later.
    func fencePassed(_ fence: UInt64, _ channel: ShardChannel) {
        switch life.fences[fence] {
        case .arriving(let place): life.begin(place, channel)
        case .leaving(let place):
            guard channel.pass != nil || !channel.backlog.isEmpty else { return life.left(place, channel) }
            channel.fences.append((place, channel.nextSequence))
        case nil: break
        }
    }

    /// Sessions for which everything in front of their fence was sent.
    func passEnded(_ channel: ShardChannel, at end: UInt64) {
        let passed = channel.fences.filter { Int64(bitPattern: end &- $0.sequence) >= 0 }
        channel.fences.removeAll { Int64(bitPattern: end &- $0.sequence) >= 0 }
        for fence in passed { life.left(fence.session, channel) }
    }

    /// A session is subscribed to the channel on another node now.
    func handOff(_ slot: UInt32, _ channel: ShardChannel) {
        let session = session(slot)
        guard let index = session.pointee.subscriptions.index(of: channel.index) else { return }
        let rosterIndex = session.pointee.subscriptions[index].rosterIndex
        session.pointee.subscriptions.remove(at: index)
        serverCommands.left(slot, channel)
        leavePresence(slot, channel, rosterIndex: rosterIndex, isFinal: false)
        leave(channel, slot, variant: session.pointee.variant, rosterIndex: rosterIndex)
    }
}
