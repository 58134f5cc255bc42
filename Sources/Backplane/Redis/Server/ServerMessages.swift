import Codec
import Reactor

/// What comes in on the subscriber connection. Whatever its bytes are, they may have come from anybody who can write to this
/// Redis.
extension RedisServer {
    /// A pub/sub message.
    func received(channel: UnsafeRawBufferPointer, payload: UnsafeRawBufferPointer) {
        guard let receiver else { return }
        if payload.count > 2, payload[2] != EnvelopeCodec.publicationType {
            if payload[2] == EnvelopeCodec.changeType { return receivedChange(payload, on: channel) }
            if payload[2] == EnvelopeCodec.lossType { return receivedLoss(payload, on: channel) }
            if payload[2] == EnvelopeCodec.fenceType { return receivedFence(payload, on: channel) }
            return receivedNodeMessage(payload, on: channel)
        }
        do {
            let publication = try EnvelopeCodec.decode(payload, hint: lastChannel)
            // On its own channel, or on ours when it is for one session: nothing else is believed.
            guard isExpected(publication.channel, on: channel) else {
                owner.status.badMessages &+= 1
                return
            }
            lastChannel = publication.channel
            counts.received &+= 1
            receiver.delivered(publication)
        } catch {
            owner.status.badMessages &+= 1
        }
    }

    private func receivedChange(_ payload: UnsafeRawBufferPointer, on channel: UnsafeRawBufferPointer) {
        guard let name = names.name(in: channel).map({ ChannelName(trusted: Array($0)) }),
            let change = try? EnvelopeCodec.decodeChange(payload, of: name)
        else {
            owner.status.badMessages &+= 1
            return
        }
        counts.received &+= 1
        receiver?.delivered(change)
    }

    private func receivedLoss(_ payload: UnsafeRawBufferPointer, on channel: UnsafeRawBufferPointer) {
        guard let name = names.name(in: channel).map({ ChannelName(trusted: Array($0)) }),
            EnvelopeCodec.isLoss(payload)
        else {
            owner.status.badMessages &+= 1
            return
        }
        counts.received &+= 1
        receiver?.lossNoted(in: name)
    }

    private func receivedFence(_ payload: UnsafeRawBufferPointer, on channel: UnsafeRawBufferPointer) {
        guard let name = names.name(in: channel).map({ ChannelName(trusted: Array($0)) }),
            let fence = try? EnvelopeCodec.decodeFence(payload, of: name)
        else {
            owner.status.badMessages &+= 1
            return
        }
        counts.received &+= 1
        receiver?.delivered(fence)
    }

    private func isExpected(_ name: ChannelName, on channel: UnsafeRawBufferPointer) -> Bool {
        if let said = names.name(in: channel) { return said.elementsEqual(name.bytes) }
        return name.isReserved && names.isOwn(channel)
    }

    private func heard(_ standing: ShardStanding, of node: NodeID) {
        if let mover = owner.mover { return mover.heard(standing, of: node, by: self) }
        guard said.isDue(.otherDivision, now: home.now) else { return }
        let name = owner.registry.nodes.first { $0.id == node }.map { "node \($0.name)" } ?? "a node"
        receiver?.happened(
            .error,
            "\(name) divides the channels among several Redis servers (backplane.redis.shards), and this node does not: they do not hear all of each other. Give all nodes the same servers, or another backplane.redis.prefix"
        )
    }

    /// Beats and farewells come to all by the channel of beats, answers to one node by its own; questions come either way,
    /// for nodes of version 0.1 put those to all on the channel of beats. Elsewhere none of them is believed.
    private func receivedNodeMessage(_ payload: UnsafeRawBufferPointer, on channel: UnsafeRawBufferPointer) {
        let isDirected = names.isOwn(channel)
        guard isDirected || names.isBeat(channel), let message = try? NodeMessage(decoding: payload)
        else {
            owner.status.badMessages &+= 1
            return
        }
        switch (message, isDirected) {
        case (.beat(let beat), false): owner.heard(beat, by: self)
        case (.farewell(let node), false):
            if let record = owner.registry.left(node) {
                receiver?.happened(.info, "node \(record.name) has left")
                receiver?.nodeLeft(node)
            }
        case (.question(let id, let from, let body), _):
            guard from != owner.node else { return }
            receiver?.asked(
                NodeQuestion(
                    id: id, from: from, sender: owner.registry.contains(from) ? .known : .stranger,
                    isDirected: isDirected,
                    body: body))
        case (.answer(let id, let from, let body), true):
            receiver?.answered(body, id: id, from: from)
        case (.standing(let node, let standing), false): heard(standing, of: node)
        case (.beat, true), (.farewell, true), (.answer, false), (.standing, true):
            owner.status.badMessages &+= 1
        }
    }
}
