import Codec
import Logging
import Reactor

/// What operators see of clients that are refused or sent away: the reason in the log, once a second, and a count by reason.
extension ShardPart {
    /// - Parameters:
    ///   - kind: A word of ours, for `carillon_refusals_total`.
    ///   - reason: A sentence for people. It names the limit or the key that decides.
    final func noteRefusal(
        _ slot: UInt32, _ kind: String, _ reason: @autoclosure () -> String, channel: ChannelName? = nil
    ) {
        guard let silent = context.refusals.note(kind, second: reactor.now.nanoseconds / 1_000_000_000) else { return }
        let session = session(slot)
        var fields: Logger.Metadata = ["kind": "\(kind)"]
        fields["remote"] = session.pointee.peer.address.map { "\($0)" }
        fields["origin"] = extras(slot)?.asked?.origin.map { "\($0)" }
        fields["user"] = credentials(slot)?.user.map { "\($0)" }
        fields["channel"] = channel.map { "\($0)" }
        // Before its request is understood a session has no dialect.
        if session.pointee.phase == .open || session.pointee.phase == .closing {
            fields["dialect"] = "\(session.pointee.dialect.name)"
        }
        if silent > 0 { fields["more_since_last"] = "\(silent)" }
        context.log?.notice("client refused: \(reason())", metadata: fields)
    }

    /// A command is refused.
    final func noteFailure(_ slot: UInt32, _ failure: Failure, _ channel: ChannelName?, _ limit: String?) {
        guard let (kind, reason) = session(slot).pointee.dialect.refusal(of: failure) else { return }
        noteRefusal(slot, kind, "\(reason)\(limit.map { ": \($0)" } ?? "")", channel: channel)
    }
}
