import Authentication
import Backplane
import Codec
import Reactor
import Testing

@testable import Node

/// Clients that their application has sent to `/client/?hub=`, with a token that a key of the hub has signed.
@Suite struct HubClientTests {
    private static let key = HubSessionTests.key

    private static func token(
        _ user: String? = "ann", audience: String = "https://x/client/?hub=chat", by key: String = key,
        seconds: Int64 = 60
    ) throws -> String {
        let now = Int64(clamping: WallClock.milliseconds / 1000)
        return try #require(
            AccessKeyToken.signed(
                by: Array(key.utf8), audience: audience, user: user, issuedAt: now, expiresAt: now + seconds))
    }

    /// A client that has greeted; its channels are not confirmed yet.
    private static func greet(_ rig: ShardRig, _ token: String) -> (client: Int32, slot: UInt32) {
        let (client, slot) = rig.open("/client/?hub=chat&access_token=\(token)")
        rig.say(client, slot, HubSessionTests.greeting)
        return (client, slot)
    }

    @Test func aTokenOfTheHubOpensASession() throws {
        let rig = try HubSessionTests.rig {
            $0.authRequired = true; $0.authKeys = [KeySource(.secret(String(repeating: "s", count: 40)))]
        }
        let (client, slot) = Self.greet(rig, try Self.token())
        rig.confirm("chat:all")
        rig.confirm("$user:ann")
        #expect(rig.text(client).hasSuffix("{}\u{1E}"))
        #expect(rig.shard.credentials(slot)?.user == "ann" && rig.shard.credentials(slot)?.expiresAt == nil)
        let negotiated = HubSessionTests.post(
            rig, "/client/negotiate?hub=chat&negotiateVersion=1", "Authorization: Bearer \(try Self.token())\r\n")
        let id = try #require(HubSessionTests.member("connectionToken", of: negotiated))
        let (_, other) = rig.open("/client/?hub=chat&id=\(id)&access_token=\(try Self.token(nil))")
        #expect(rig.shard.session(other).pointee.phase == .open && rig.shard.credentials(other)?.user == nil)
    }

    @Test func everythingElseOpensNothing() throws {
        let rig = try HubSessionTests.rig {
            var other = HubRule(path: "/other")
            other.keys = [Array("another-key-of-32-bytes-or-more-00".utf8)]
            var open = HubRule(path: "/open")
            open.everyone = ShardRig.name("open")
            $0.hubs += [other, open]
        }
        for (name, target) in [
            ("no token", "/client/?hub=chat"), ("nothing", "/client/?hub=chat&access_token="),
            (
                "another hub",
                "/client/?hub=chat&access_token=\(try Self.token(audience: "https://x/client/?hub=other"))"
            ),
            (
                "another key",
                "/client/?hub=chat&access_token=\(try Self.token(by: "another-key-of-32-bytes-or-more-00"))"
            ),
            (
                "a request",
                "/client/?hub=chat&access_token=\(try Self.token(audience: "https://x/api/hubs/chat/:send"))"
            ),
            ("expired", "/client/?hub=chat&access_token=\(try Self.token(seconds: -60))"),
            ("no keys", "/client/?hub=open&access_token=\(try Self.token(audience: "https://x/client/?hub=open"))"),
        ] {
            let (client, _) = rig.open(target)
            #expect(rig.text(client).hasPrefix("HTTP/1.1 401 "), "\(name)")
            #expect(
                HubSessionTests.post(rig, target.replacing("/client/", with: "/client/negotiate")).hasPrefix(
                    "HTTP/1.1 401 "), "\(name)")
        }
        #expect(HubSessionTests.post(rig, "/client/negotiate?hub=nothing").hasPrefix("HTTP/1.1 404 "))
        #expect(rig.shard.context.counters.unauthorized == 14)
        // A token of a client opens the hub's own path to nobody.
        let (client, _) = rig.open("/chat?access_token=\(try Self.token())")
        #expect(rig.text(client).hasPrefix("HTTP/1.1 401 "))
    }

    // MARK: Groups

    private static func add(_ rig: ShardRig, _ channel: String, until: Int64 = 1 << 40) {
        let hub = rig.shard.context.settings.hubs.rules[0]
        _ = rig.backplane.groups.carryOut(
            .add(ShardRig.name(channel), until: until), of: UserGroups(hub: hub.number, user: "ann"), now: 0)
    }

    private static func isIn(_ rig: ShardRig, _ channel: String, _ slot: UInt32) -> Bool {
        guard let known = rig.shard.channels.byName[ShardRig.name(channel)] else { return false }
        return rig.shard.session(slot).pointee.subscriptions.index(of: known.index) != nil
    }

    @Test func groupsOfTheUserAreJoinedBeforeTheClientIsTold() throws {
        let rig = try HubSessionTests.rig()
        Self.add(rig, "chat:a")
        Self.add(rig, "chat:private1")
        Self.add(rig, "other:a")
        let (client, slot) = Self.greet(rig, try Self.token())
        rig.turn()
        rig.confirm("chat:all")
        rig.confirm("$user:ann")
        #expect(!rig.text(client).contains("{}"))
        rig.confirm("chat:a")
        rig.turn()
        #expect(rig.text(client).contains("{}\u{1E}"))
        #expect(
            Self.isIn(rig, "chat:a", slot) && !Self.isIn(rig, "chat:private1", slot) && !Self.isIn(rig, "other:a", slot)
        )
        rig.deliver("1", to: "chat:a")
        rig.turn()
        #expect(rig.text(client).contains(#""arguments":[1]"#))
    }

    @Test func nobodyWaitsForGroupsThatCannotBeRead() throws {
        let rig = try HubSessionTests.rig()
        Self.add(rig, "chat:a")
        rig.backplane.groupFailure = .isolated
        let (client, slot) = Self.greet(rig, try Self.token())
        rig.turn()
        rig.confirm("chat:all")
        rig.confirm("$user:ann")
        rig.ring(.connect, slot)
        rig.turn()
        #expect(rig.text(client).contains("{}\u{1E}") && !Self.isIn(rig, "chat:a", slot))
        // They are joined as soon as somebody knows them.
        rig.shard.received(
            .userGroups(rig.shard.locator(of: slot), [.init(ShardRig.name("chat:a"), until: 1 << 40)]))
        rig.confirm("chat:a")
        rig.turn()
        #expect(Self.isIn(rig, "chat:a", slot))
        // Once.
        rig.shard.received(
            .userGroups(rig.shard.locator(of: slot), [.init(ShardRig.name("chat:b"), until: 1 << 40)]))
        #expect(!Self.isIn(rig, "chat:b", slot))
    }

    // MARK: Commands about the sessions of a hub

    private final class Result: @unchecked Sendable { var value: SessionsActedOn? }

    private static func act(_ rig: ShardRig, _ action: SessionAction, _ selection: SessionSelection) -> Count? {
        let result = Result()
        rig.shard.act(action, on: selection) { result.value = $0 }
        rig.turn()
        return result.value?.done
    }

    @Test func onlySessionsOfTheHubAreMeant() throws {
        let rig = try HubSessionTests.rig {
            var other = HubRule(path: "/other")
            other.everyone = ShardRig.name("other:all")
            $0.hubs.append(other)
        }
        let (_, first) = HubSessionTests.greet(rig)
        let (client, second) = HubSessionTests.greet(rig)
        let (_, raw) = rig.subscribe("chat:a")
        let (_, other) = rig.open("/other")
        let hub = rig.shard.context.settings.hubs.rules[0].number
        rig.say(client, second, HubSessionTests.call("Join", #"["a"]"#))
        rig.turn()
        #expect(Self.isIn(rig, "chat:a", second) && Self.isIn(rig, "chat:a", raw))
        #expect(Self.act(rig, .leaveGroups, SessionSelection(hub: hub)) == 2)
        #expect(
            !Self.isIn(rig, "chat:a", second) && Self.isIn(rig, "chat:a", raw) && Self.isIn(rig, "chat:all", second))
        rig.say(client, second, HubSessionTests.call("Join", #"["a"]"#))
        rig.turn()
        let id = rig.shard.id(of: second).description
        #expect(
            Self.act(rig, .disconnect(code: 4000, reason: ""), .init(except: [id], hub: hub, channel: "chat:a")) == 0)
        #expect(Self.act(rig, .disconnect(code: 4000, reason: ""), .init(hub: hub, channel: "chat:a")) == 1)
        #expect(rig.shard.session(second).pointee.phase != .open && rig.shard.session(raw).pointee.phase == .open)
        #expect(Self.act(rig, .disconnect(code: 4000, reason: ""), .init(hub: hub, channel: "chat:none")) == 0)
        #expect(Self.act(rig, .disconnect(code: 4000, reason: ""), .init(hub: hub)) == 1)
        #expect(rig.shard.session(first).pointee.phase != .open && rig.shard.session(other).pointee.phase == .open)
    }
}
