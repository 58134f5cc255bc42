package import Codec
import Reactor

/// What was delivered or acknowledged, and what became of it when another server keeps the history.
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
                switch result {
                case .success(let page):
                    guard page.isFork else { return }
                    self?.disown(position, in: channel) {
                        if case .failure = $0 { self?.reviewLater(position, channel) }
                    }
                case .failure: self?.reviewLater(position, channel)
                }
            }
        }
    }

    /// The next link asks again.
    private func reviewLater(_ position: Position, _ channel: ChannelName) {
        acknowledged.note(position, in: channel)
        acknowledger = nil
    }

    package func disown(
        _ position: Position, in channel: ChannelName, completion: @escaping (Result<Void, PublishRefusal>) -> Void
    ) {
        guard isCommandReady else { return completion(.failure(.isolated)) }
        guard let hash = scripts[.disown] else {
            return completion(.failure(.medium("there is no history: \(historyObjection ?? "")")))
        }
        envelope.removeAll()
        EnvelopeCodec.writeLoss(origin: node, to: envelope)
        send(.disown(completion)) {
            RESPWriter.command(
                [
                    Array("EVALSHA".utf8), hash, [UInt8(ascii: "1")], names.meta + channel.bytes,
                    Self.bytes(position.epoch), Array("\(position.offset)".utf8), Self.bytes(random.next()),
                    Array("\(Self.metaLifetime)".utf8), names.channel(channel), Array(envelope.bytes),
                ], to: $0)
        }
    }

    func disowned(_ value: RESPValue, _ completion: (Result<Void, PublishRefusal>) -> Void) {
        switch value {
        case .integer(let count):
            if count == 1 { link.lossesNoted &+= 1 }
            completion(.success(()))
        case .error(let text):
            if text.hasPrefix("NOSCRIPT") { reload(then: { _ in }) }
            completion(.failure(.medium(text)))
        default: completion(.failure(.medium("an answer that is none")))
        }
    }
}
