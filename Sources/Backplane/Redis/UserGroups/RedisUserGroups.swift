import Codec
import Reactor

/// A request about groups of a user, until Redis has answered it.
package final class UserGroupCall {
    let user: UserGroups
    let request: UserGroups.Request
    let completion: UserGroups.Completion

    init(_ user: UserGroups, _ request: UserGroups.Request, _ completion: @escaping UserGroups.Completion) {
        self.user = user
        self.request = request
        self.completion = completion
    }

    var calls: RedisScript? { if case .add = request { .joinGroup } else { nil } }
}

/// Groups of a user are where the user's channel is.
extension RedisBackplane {
    package func userGroups(
        _ request: UserGroups.Request, of user: UserGroups, completion: @escaping UserGroups.Completion
    ) {
        send(UserGroupCall(user, request, completion))
    }

    func send(_ call: UserGroupCall) {
        // Names of users that are too long have no channel, and no client has them.
        guard let channel = ChannelName.user(call.user.user.text) else { return call.completion(.success([])) }
        if isDeferred(channel, { [self] in send(call) }) { return }
        let server = topology.server(for: channel)
        guard server.state.takesCommands else { return call.completion(.failure(.isolated)) }
        let key = names[channel].userGroups(call.user)
        let now = Int64(clamping: wallClock() / 1000)
        let command: [[UInt8]]
        switch call.request {
        case .add(let channel, let until):
            guard let hash = server.scripts.hash(of: .joinGroup) else {
                return call.completion(
                    .failure(.medium("scripts are not available: \(server.scripts.objection ?? "they are missing")")))
            }
            command = [
                Array("EVALSHA".utf8), hash, Array("1".utf8), key, channel.bytes, Array("\(until)".utf8),
                Array("\(now)".utf8), Array("\(UserGroups.maximum)".utf8),
            ]
        case .remove(let channel): command = [Array("ZREM".utf8), key, channel.bytes]
        case .removeAll: command = [Array("DEL".utf8), key]
        case .list:
            // Redis is not believed beyond the number that there may be.
            command = ["ZRANGEBYSCORE", nil, "(\(now)", "+inf", "WITHSCORES", "LIMIT", "0", "\(UserGroups.maximum)"].map
            {
                $0.map { Array($0.utf8) } ?? key
            }
        }
        server.send(.userGroups(call)) { RESPWriter.command(command, to: $0) }
    }

    /// What Redis said; all of it is checked.
    func answered(_ call: UserGroupCall, _ value: RESPValue) {
        switch (call.request, value) {
        case (_, .error(let text)): call.completion(.failure(.medium(text)))
        case (.list, .array(let elements)): call.completion(.success(memberships(elements)))
        case (.add, .integer(let givenUp)):
            status.groupsGivenUp &+= UInt64(clamping: givenUp)
            call.completion(.success([]))
        case (.remove, .integer), (.removeAll, .integer): call.completion(.success([]))
        default:
            status.badMessages &+= 1
            call.completion(.failure(.medium("Redis sent an unexpected reply")))
        }
    }

    private func memberships(_ elements: [RESPValue]) -> [UserGroups.Membership] {
        var found: [UserGroups.Membership] = []
        for index in stride(from: 0, to: elements.count - 1, by: 2) {
            guard case .bulk(let name?) = elements[index], case .bulk(let score?) = elements[index + 1],
                let channel = try? ChannelName(validating: name), !channel.isReserved,
                let until = Double(String(decoding: score, as: UTF8.self)), until >= 0, until < 1e15
            else {
                status.badMessages &+= 1
                continue
            }
            // trap-ok: it is between 0 and 10^15
            found.append(.init(channel, until: Int64(until)))
        }
        return found
    }
}
