package import Codec
import Reactor

/// What was acknowledged, and what became of it when another server keeps the history.
extension RedisBackplane {
    /// After a failover, or a restart: is what publishers were told still there? A node that delivered it finds out by
    /// itself; but perhaps nobody did, or those who did are gone.
    func reviewAcknowledged() {
        link.acknowledgementsForgotten = acknowledged.forgotten
        guard let identity, identity != acknowledger else { return }
        acknowledger = identity
        for (channel, position) in acknowledged.takeAll() {
            let query = HistoryQuery(
                channel: channel, settings: HistorySettings(size: 0, timeToLive: 0), since: position, limit: 0)
            read(query) { [weak self] result in
                guard let self else { return }
                switch result {
                case .success(let page): if page.isFork { self.announceLoss(upTo: position, in: channel) }
                case .failure:
                    // Asked again by the next link.
                    self.acknowledged.note(position, in: channel)
                    self.acknowledger = nil
                }
            }
        }
    }

    package func announceLoss(upTo position: Position, in channel: ChannelName) {
        guard isCommandReady else { return }
        link.lossesAnnounced &+= 1
        envelope.removeAll()
        EnvelopeCodec.write(lossUpTo: position, origin: node, to: envelope)
        send(.nodeMessage) {
            RESPWriter.publish(prefix: names.channel, channel: channel.bytes, payload: envelope.bytes, to: $0)
        }
    }
}
