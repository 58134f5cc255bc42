/// What a client's reply belongs to, as the client counts its commands. A dialect with ids of another kind adds a case.
package enum ReplyID: Hashable, Sendable {
    /// Nobody waits for a reply: the dialect has none, or the node acts by itself.
    case none
    case number(UInt32)
    /// The client's own word, in UTF-8.
    case text([UInt8])

    /// - Parameter number: 0 is none.
    package init(_ number: UInt32) { self = number == 0 ? .none : .number(number) }

    /// 0 for none, and for one that is no number.
    package var number: UInt32 {
        switch self {
        case .none, .text: 0
        case .number(let number): number
        }
    }

    package var isExpected: Bool { self != .none }
}
