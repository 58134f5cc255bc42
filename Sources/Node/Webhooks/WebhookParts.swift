import Backplane
package import Codec

/// In which of the queues of a webhook an event waits: what has one subject has one queue, on all nodes.
package enum WebhookParts {
    package static func of(channel: ChannelName?, session: SessionID?) -> Int {
        let subject = channel?.bytes ?? session.map { Array($0.description.utf8) } ?? []
        // FNV-1a: spread evenly, and the same everywhere.
        var hash: UInt32 = 0x811C_9DC5
        for byte in subject { hash = (hash ^ UInt32(byte)) &* 0x0100_0193 }
        return Int(hash % UInt32(OutboxPart.parts))
    }
}
