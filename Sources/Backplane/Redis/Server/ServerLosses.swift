import Codec
import Reactor

/// What was delivered or acknowledged, and what became of it when another server keeps the history.
extension RedisServer {
    /// After a failover, or a restart: is what publishers were told still there? A node that delivered it finds out by
    /// itself; but perhaps nobody did, or those who did are gone.
    func reviewAcknowledged() {
        owner.acknowledgementsChanged()
        guard let identity = scripts.identity, identity != acknowledged.server else { return }
        review(acknowledged.takeAll(for: identity))
        reviewInherited()
    }

    /// Looks up what publishers were told.
    func review(_ positions: [ChannelName: Position]) {
        for (channel, position) in positions {
            let query = HistoryQuery(
                channel: channel, settings: HistorySettings(size: 0, timeToLive: 0), since: position, limit: 0)
            read(query) { [self] result in
                switch result {
                case .success(let page):
                    guard page.isFork else { return }
                    self.markLost(position, in: channel) {
                        if case .failure = $0 { self.reviewLater(position, channel) }
                    }
                case .failure: self.reviewLater(position, channel)
                }
            }
        }
    }

    /// The next link asks again.
    private func reviewLater(_ position: Position, _ channel: ChannelName) {
        acknowledged.note(position, in: channel)
        acknowledged.server = nil
    }

    func markLost(
        _ position: Position, in channel: ChannelName, completion: @escaping (Result<Void, PublishRefusal>) -> Void
    ) {
        guard state.takesCommands else { return completion(.failure(.isolated)) }
        guard let identity = scripts.identity, let hash = scripts.hash(of: .markLost) else {
            return completion(.failure(.medium("history is not available: \(scripts.objection ?? "")")))
        }
        envelope.removeAll()
        EnvelopeCodec.writeLoss(origin: owner.node, to: envelope)
        let names = self.names[channel]
        send(.markLost(completion)) {
            RESPWriter.command(
                [
                    Array("EVALSHA".utf8), hash, [UInt8(ascii: "3")], names.meta + channel.bytes,
                    names.stream + channel.bytes, names.beginnings,
                    Self.bytes(position.epoch), Array("\(position.offset)".utf8), newEpoch(),
                    Array("\(RedisScript.metaLifetime)".utf8), names.channel + channel.bytes, Array(envelope.bytes),
                    identity,
                    inheritance, channel.bytes,
                ], to: $0)
        }
    }

    func lostPositions(_ value: RESPValue, _ completion: (Result<Void, PublishRefusal>) -> Void) {
        switch value {
        case .integer(let count):
            if count == 1 { owner.status.lossesNoted &+= 1 }
            completion(.success(()))
        case .error(let text):
            completion(.failure(.medium(text)))
        default: completion(.failure(.medium("Redis sent an unexpected reply")))
        }
    }
}
