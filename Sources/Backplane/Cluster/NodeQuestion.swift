package import Codec

/// A question that came to this node, and how much is known of who put it.
package struct NodeQuestion: Sendable {
    package enum Sender: Sendable {
        /// This node itself.
        case here
        /// A node whose beats are heard.
        case known
        /// It says that it is a node, and no beat of it was heard.
        case stranger
    }

    package let id: UInt64
    package let from: NodeID
    package let sender: Sender
    /// Whether it was put to this node alone, and not to whoever listens.
    package let isDirected: Bool
    package let body: [UInt8]

    package init(id: UInt64, from: NodeID, sender: Sender, isDirected: Bool, body: [UInt8]) {
        self.id = id
        self.from = from
        self.sender = sender
        self.isDirected = isDirected
        self.body = body
    }
}
