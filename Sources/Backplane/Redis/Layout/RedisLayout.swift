/// How keys and channels in Redis are named. One cluster has one layout; its number is at `PREFIX:layout` and in beats.
package enum RedisLayout: UInt8, Sendable {
    /// That of the version before: a kind and a name. Used as long as a node of that version may be there.
    case flat = 1
    /// Each name has its partition in front.
    case partitioned = 2

    /// What is stored, and said in beats.
    package init?(stored text: [UInt8]) {
        switch text {
        case Array("1".utf8): self = .flat
        case Array("2".utf8): self = .partitioned
        default: return nil
        }
    }

    package var stored: [UInt8] { Array("\(rawValue)".utf8) }
}
