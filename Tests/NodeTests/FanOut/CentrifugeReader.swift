import Codec
import Foundation

@testable import Node

/// A client of the centrifuge dialect in JSON that reads what it is told of one channel, and puts deltas together as SDKs do.
final class CentrifugeReader {
    let rig: ShardRig
    let client: Int32
    let slot: UInt32
    private var received: [UInt8] = []
    /// What the last publication was.
    private var last: [UInt8] = []
    private var commands = 1
    /// The replies to commands, by number.
    private(set) var replies: [Int: [String: Any]] = [:]
    /// The payloads of publications, whole, and whether they came as deltas.
    private(set) var publications: [(data: [UInt8], isDelta: Bool)] = []
    /// What could not be put together.
    private(set) var failures = 0
    private(set) var hasDeltas = false
    private(set) var changes = 0
    private(set) var epochs: [String] = []

    init(_ rig: ShardRig) {
        self.rig = rig
        (client, slot) = rig.logIn()
    }

    /// - Returns: The result, or the reply if it is an error; nil while it is awaited.
    @discardableResult
    func subscribe(_ channel: String, _ more: String = "") -> [String: Any]? {
        commands += 1
        rig.say(client, slot, #"{"id":\#(commands),"subscribe":{"channel":"\#(channel)"\#(more)}}"#)
        rig.confirm(channel)
        read()
        return result(commands)
    }

    func result(_ number: Int) -> [String: Any]? {
        guard let reply = replies[number] else { return nil }
        return reply["subscribe"] as? [String: Any] ?? reply
    }

    func unsubscribe(_ channel: String) {
        commands += 1
        rig.say(client, slot, #"{"id":\#(commands),"unsubscribe":{"channel":"\#(channel)"}}"#)
        read()
    }

    func clear() { publications = [] }

    /// Takes everything that is there.
    func read() {
        received += rig.read(client)
        while let frame = takeFrame() {
            for line in frame.split(separator: 10) {
                guard let object = try? JSONSerialization.jsonObject(with: Data(line)) as? [String: Any] else {
                    continue
                }
                take(object)
            }
        }
    }

    private func takeFrame() -> [UInt8]? {
        guard received.count >= 2 else { return nil }
        var length = Int(received[1] & 0x7F)
        var head = 2
        if length >= 126 {
            let bytes = length == 126 ? 2 : 8
            guard received.count >= 2 + bytes else { return nil }
            length = received[2..<(2 + bytes)].reduce(0) { $0 << 8 | Int($1) }
            head += bytes
        }
        guard received.count >= head + length else { return nil }
        let isText = received[0] == 0x81
        let payload = Array(received[head..<(head + length)])
        received.removeFirst(head + length)
        return isText ? payload : []
    }

    private func take(_ object: [String: Any]) {
        if let id = object["id"] as? Int {
            replies[id] = object
            if let result = object["subscribe"] as? [String: Any] {
                hasDeltas = result["delta"] as? Bool ?? false
                for publication in result["publications"] as? [[String: Any]] ?? [] { take(publication: publication) }
            }
        }
        guard let push = object["push"] as? [String: Any] else { return }
        if push["join"] != nil || push["leave"] != nil { changes += 1 }
        if let publication = push["pub"] as? [String: Any] { take(publication: publication) }
    }

    private func take(publication: [String: Any]) {
        if let epoch = publication["epoch"] as? String { epochs.append(epoch) }
        let isDelta = publication["delta"] as? Bool ?? false
        guard hasDeltas else {
            let text = (publication["data"] as? String) ?? "\(publication["data"] ?? "")"
            return publications.append((Array(text.utf8), false))
        }
        guard let text = publication["data"] as? String else {
            failures += 1
            return
        }
        if isDelta {
            let delta = Array(text.utf8)
            let whole = delta.withUnsafeBytes { delta in last.withUnsafeBytes { FossilDelta.apply(delta, to: $0) } }
            guard let whole else {
                failures += 1
                return
            }
            last = whole
        } else {
            last = Array(text.utf8)
        }
        publications.append((last, isDelta))
    }
}
