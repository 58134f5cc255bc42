/// What outlives the node of a session, so that another one can go on with it.
package struct SessionRecord: Equatable, Sendable {
    /// Whose session it is, and what is spoken with it: compared as a whole.
    package var owner: [UInt8]
    /// How often the session has gone to another node. What an earlier node says of it does not count any more.
    package var generation: UInt64
    /// What the nodes agree on.
    package var body: [UInt8]

    package init(owner: [UInt8], generation: UInt64, body: [UInt8]) {
        self.owner = owner
        self.generation = generation
        self.body = body
    }

    /// How long a record is kept, in milliseconds, unless it is written again.
    package static let lifetime: Int64 = 300_000
    /// How long it is known when something was sent that no history has, in milliseconds: longer than any record.
    package static let markLifetime: Int64 = 360_000
}

/// What a node wants with the record of a session.
package enum SessionRecordRequest: Equatable, Sendable {
    /// Another node may go on with the session from here.
    case keep(SessionRecord)
    /// No other node may go on with it until it is kept again.
    case withdraw(generation: UInt64)
    /// The session is over.
    case remove(generation: UInt64)
    /// This node goes on with it, if it is the owner's. Once only: then the record is withdrawn, and the generation is the next.
    case take(owner: [UInt8])
}

package enum SessionRecordAnswer: Equatable, Sendable {
    case done
    /// A later node has the session.
    case outdated
    /// There is no record, or it is another owner's.
    case nothing
    /// - age: How long ago it was written, in milliseconds.
    case taken(SessionRecord, age: Int64)
}
