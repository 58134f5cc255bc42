/// A client asks, before it connects, how it may.
package struct Negotiation: Equatable, Sendable {
    /// The hub's number.
    package let hub: UInt16
    /// In which version it is answered.
    package let version: UInt64

    package init(hub: UInt16, version: UInt64) {
        self.hub = hub
        self.version = version
    }
}
