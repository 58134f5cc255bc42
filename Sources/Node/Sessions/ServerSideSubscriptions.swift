import Codec

/// What one reactor remembers of commands that applications give about its sessions. On the reactor.
///
/// The memberships themselves are the shard's, as all others are: here is only who has to be told what when a membership
/// that an application asked for begins, and who waits for that.
final class ServerSideSubscriptions {
    /// A subscription that an application made.
    struct Given {
        /// One JSON value for the client.
        let data: [UInt8]?
        /// Where it begins, once that is known.
        var position: Position?
        /// Tells it from a later one of the same session to the same channel.
        fileprivate(set) var number: UInt64 = 0

        init(data: [UInt8]?) { self.data = data }
    }

    typealias Completion = (SessionRefusal?) -> Void

    private var given: [SubscriptionKey: Given] = [:]
    private var lastNumber: UInt64 = 0
    private var waiting: [SubscriptionKey: [Completion]] = [:]
    /// What is to be done with sessions that are just connecting, once they are: each is called once, with whether they are.
    private var deferred: [UInt32: [(_ isOpen: Bool) -> Void]] = [:]

    /// Most reactors never have any.
    var isEmpty: Bool { given.isEmpty && waiting.isEmpty && deferred.isEmpty }

    // MARK: Subscriptions

    func give(_ subscription: Given, _ key: SubscriptionKey, _ completion: @escaping Completion) {
        lastNumber &+= 1
        given[key] = subscription
        given[key]?.number = lastNumber
        whenSettled(key, completion)
    }

    func given(_ key: SubscriptionKey) -> Given? { given.isEmpty ? nil : given[key] }

    func begins(at position: Position?, _ key: SubscriptionKey) { given[key]?.position = position }

    /// Calls back when a subscription that is not confirmed yet is confirmed, or has ended.
    func whenSettled(_ key: SubscriptionKey, _ completion: @escaping Completion) {
        waiting[key, default: []].append(completion)
    }

    /// A subscription is confirmed, or is over: those who wait for it are told.
    func settle(_ key: SubscriptionKey, _ refusal: SessionRefusal?) {
        if refusal != nil { given[key] = nil }
        guard let completions = waiting.removeValue(forKey: key) else { return }
        for completion in completions { completion(refusal) }
    }

    // MARK: Sessions that connect

    func whenOpen(_ slot: UInt32, _ work: @escaping (_ isOpen: Bool) -> Void) {
        deferred[slot, default: []].append(work)
    }

    /// A session is open, or is over.
    func settle(_ slot: UInt32, isOpen: Bool) {
        guard !deferred.isEmpty, let work = deferred.removeValue(forKey: slot) else { return }
        for each in work { each(isOpen) }
    }
}

/// What becomes of one command on one reactor: counts until every session is settled, or time is up. On the reactor.
final class ActionTally {
    private(set) var result = SessionsActedOn()
    private var open = 0
    private var isBegun = false
    private var completion: ((SessionsActedOn) -> Void)?

    init(_ completion: @escaping (SessionsActedOn) -> Void) { self.completion = completion }

    /// Whether somebody still waits: what is done afterwards is not wanted any more.
    var isOpen: Bool { completion != nil }

    /// One more session is meant.
    ///
    /// - Returns: To be called once, with what became of it.
    func expect() -> ServerSideSubscriptions.Completion {
        open += 1
        var isSettled = false
        return { [self] refusal in
            guard !isSettled else { return }
            isSettled = true
            open -= 1
            result.note(refusal)
            finishIfSettled()
        }
    }

    /// All sessions that are meant are known.
    func begun() {
        isBegun = true
        finishIfSettled()
    }

    /// Nobody waits any longer. Those who are not settled count as refused.
    func timeIsUp() {
        for _ in 0..<open { result.note(.temporary) }
        finish()
    }

    private func finishIfSettled() {
        if isBegun, open == 0 { finish() }
    }

    private func finish() {
        let completion = completion
        self.completion = nil
        completion?(result)
    }
}

/// One session's subscription to one channel.
struct SubscriptionKey: Hashable {
    let slot: UInt32
    let channel: UInt32

    init(_ slot: UInt32, _ channel: ShardChannel) {
        self.slot = slot
        self.channel = channel.index
    }
}
