import Backplane
import Testing

@testable import Node

/// Entries of `backplane.redis.shards`.
@Suite struct RedisShardURLTests {
    @Test func aServerAtAFixedAddress() throws {
        let url = try RedisShardURL("rediss://ann:pa%40ss@redis-1:7000/3#a")
        #expect(url.server.endpoint == .tcp(host: "redis-1", port: 7000) && url.server.isEncrypted)
        #expect(url.server.user == "ann" && url.server.password == "pa@ss" && url.server.database == 3)
        #expect(url.name == "a" && url.sentinels.isEmpty && url.text == "redis-1:7000#a")
        #expect(try RedisShardURL("redis://redis-1").name == "redis-1:6379")
    }

    @Test func aServerBehindSentinels() throws {
        let url = try RedisShardURL("redis-sentinel://:secret@s1:26379,s2,[::1]:5/2#mymaster")
        #expect(url.sentinels.map(\.description) == ["s1:26379", "s2:26379", "[::1]:5"])
        #expect(url.name == "mymaster" && url.server.password == "secret" && url.server.database == 2)
        #expect(!url.text.contains("secret"))
    }

    @Test(arguments: [
        "", "http://a", "redis://", "redis://a:0", "redis://a#", "redis://a#two words", "redis://a#a,b",
        "redis://a#\u{e9}", "redis-sentinel://a", "redis-sentinel://#m", "redis-sentinel://a,#m",
        "redis-sentinel://a:99999#m", "redis://user@a#m", "redis://a/x#m",
    ])
    func whatIsNoEntryIsRefusedAndNotRepeated(text: String) {
        #expect(throws: ValueError.self) { try RedisShardURL(text) }
    }
}
