import Codec
import Reactor

/// Keeping our scripts at Redis, and what happens when it does not have one.
extension RedisServer {
    /// Leaves the scripts at Redis again.
    func loadScripts() {
        scripts.loading.began(after: replies.appended, now: home.now)
        output.removeAll()
        for script in wantedScripts {
            RESPWriter.command("SCRIPT", "LOAD", script.source(isSharded: isSharded), to: output)
            replies.append(.script(script))
        }
        commands.write(output.bytes)
    }

    /// Once a second: what Redis did not keep is loaded again after a while.
    func scriptTick() {
        guard state.takesCommands, scripts.loading.isDue(now: home.now) else { return }
        loadScripts()
    }

    /// A reply to `EVALSHA` came.
    ///
    /// - Returns: Whether Redis does not have the script: then the reply is dealt with.
    func isScriptMissing(_ script: RedisScript, _ expected: ReplyQueue.Expected, _ value: RESPValue) -> Bool {
        guard case .error(let text) = value, text.hasPrefix("NOSCRIPT") else {
            if scripts.loading.worked(script) {
                receiver?.happened(.info, "Redis at \(addressText) keeps scripts again: history and presence work")
            }
            return false
        }
        switch scripts.loading.missed(script, number: replies.answered, isRepeat: replies.wasRepeat, now: home.now) {
        case .load:
            loadScripts()
            sendAgain(expected)
        case .again: sendAgain(expected)
        case .refuse:
            // Until it was loaded again, nobody uses it.
            scripts.forgot(script)
            if scripts.loading.isNews() {
                receiver?.happened(
                    .error,
                    "Redis at \(addressText) answers NOSCRIPT right after SCRIPT LOAD: publications to channels with history, and presence, are refused until it keeps scripts; they are loaded again now and then"
                )
            }
            giveUp(expected, text)
        }
        return true
    }

    /// The command was not carried out, and the scripts are loaded before it comes again.
    private func sendAgain(_ expected: ReplyQueue.Expected) {
        let before = replies.appended
        switch expected {
        case .keep(let batch):
            // Others of these channels may be under way, and come back too: nothing newer goes before them.
            pacing.hold(until: replies.appended)
            keep(batch)
        case .read(let query, let completion): read(query, completion: completion)
        case .userGroups(let call): owner.send(call)
        case .outbox(let call): owner.send(call)
        case .presence(.present(let query)): owner.read(query)
        case .presence(.occupancy(let reply)):
            owner.unanswered(reply)
            return owner.tellOccupancy()
        case .presence(let reply):
            owner.unanswered(reply)
            return owner.tellMore()
        case .revocation(.kept(let revocation, let limit, let completion)):
            owner.keep(revocation, limit: limit, at: self, completion: completion)
        default: return giveUp(expected, "NOSCRIPT")
        }
        if replies.appended > before { replies.markRepeat() }
    }

    private func giveUp(_ expected: ReplyQueue.Expected, _ text: String) {
        switch expected {
        case .keep(let batch): for waiting in batch { owner.refuse(waiting.ticket, .medium(text)) }
        case .read(_, let completion): completion(.failure(.medium(text)))
        case .markLost(let completion): completion(.failure(.medium(text)))
        case .presence(let reply): owner.refused(reply, text)
        case .revocation(let reply): reply.failed(.medium(text))
        case .userGroups(let call): call.completion(.failure(.medium(text)))
        case .outbox(let call): call.completion(.failure(.medium(text)))
        case .session(let call): call.completion(.failure(.medium(text)))
        case .call(_, let completion): completion(.error(text))
        default: break
        }
    }

    /// Calls a script whose answer is the caller's business alone; nil when there is none.
    func call(
        _ script: RedisScript, keys: [[UInt8]], _ arguments: [[UInt8]], _ completion: @escaping (RESPValue?) -> Void
    ) {
        guard state.isRunning, commands.isOpen, let hash = scripts.hash(of: script) else { return completion(nil) }
        send(.call(script, completion)) {
            RESPWriter.command(
                [Array("EVALSHA".utf8), hash, Array("\(keys.count)".utf8)] + keys + arguments, to: $0)
        }
    }

    /// The scripts that this server is to have.
    var wantedScripts: [RedisScript] {
        RedisScript.allCases.filter { owner.mover != nil || !RedisScript.moving.contains($0) }
    }
}
