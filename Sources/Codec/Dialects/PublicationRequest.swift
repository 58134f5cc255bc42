/// A publication that came in a request of its own.
package struct PublicationRequest: Equatable, Sendable {
    package let channel: ChannelName
    package let kind: PayloadKind
    package let payload: [UInt8]

    package init(channel: ChannelName, kind: PayloadKind, payload: [UInt8]) {
        self.channel = channel
        self.kind = kind
        self.payload = payload
    }
}
