/// A client asks, before it connects, how it may.
package struct Negotiation: Equatable, Sendable {
    /// The hub's number.
    package let hub: UInt16
    /// In which version it is answered.
    package let version: UInt64
    /// It would come back to a connection that was cut; where it is answered, whether it may.
    package var isResumable: Bool

    package init(hub: UInt16, version: UInt64, isResumable: Bool = false) {
        self.hub = hub
        self.version = version
        self.isResumable = isResumable
    }
}
