import Backplane
import Codec
import Reactor
import Testing

@testable import Node

/// What of webhooks needs no clock and no socket.
@Suite struct WebhookTests {
    private let session = SessionID(node: NodeID(1), locator: 2, secret: .init(high: 3, low: 4))

    private func channel(_ name: String) -> ChannelName { ChannelName(trusted: Array(name.utf8)) }

    @Test func urlsThatArePossible() throws {
        let url = try #require(WebhookURL("https://app.example.com:8443/a?key=1"))
        #expect(url.host == "app.example.com" && url.port == 8443 && url.shown == "https://app.example.com:8443/a")
        #expect(WebhookURL("http://a")?.port == 80 && WebhookURL("https://a/")?.port == 443)
        #expect(WebhookURL("http://[::1]:9/")?.host == "::1" && WebhookURL("http://[::1]")?.port == 80)
        #expect(WebhookURL("http://a?b:c@d")?.host == "a")
    }

    @Test(arguments: [
        "", "ftp://a/", "http://", "https:///a", "http://A.example/", "http://user@a/", "http://a:0/",
        "http://a:65536/",
        "http://a:/", "http://a/#b", "http://a b/", "http://[1.2.3.4]/", "http://[::1/", "http://::1/",
        "http://a/\u{e9}",
        "http://a%2eb/", "http://a\\b/",
    ])
    func urlsThatAreNot(_ text: String) { #expect(WebhookURL(text) == nil) }

    @Test func whichEventsConcernIt() throws {
        var hook = Webhook(url: try #require(WebhookURL("http://a/")), secrets: [])
        #expect(hook.concerns(.sessionOpened, nil) && hook.concerns(.published, channel("a")))
        hook.channels = [ChannelPattern("chat:*"), ChannelPattern("news")]
        #expect(hook.concerns(.published, channel("chat:1")) && hook.concerns(.published, channel("news")))
        #expect(!hook.concerns(.published, channel("news:1")) && !hook.concerns(.sessionOpened, nil))
        hook.kinds = [.channelVacated]
        // Both are looked at, so that they alternate.
        #expect(hook.listened == [.channelOccupied, .channelVacated])
        #expect(hook.concerns(.channelOccupied, channel("news")) && !hook.concerns(.published, channel("news")))
    }

    @Test func theSameURLIsTheSameWebhook() throws {
        let url = try #require(WebhookURL("http://a/"))
        let one = Webhook(url: url, secrets: ["one"])
        var other = Webhook(url: url, secrets: ["two"])
        other.kinds = .published
        #expect(one.id == other.id && one.id.utf8.count == 12)
        #expect(Webhook(url: try #require(WebhookURL("http://b/")), secrets: ["one"]).id != one.id)
        #expect(!one.text.contains("one"))
    }

    @Test(arguments: [
        "0.0.0.0", "10.1.2.3", "100.64.0.1", "127.0.0.1", "127.255.255.255", "169.254.169.254", "172.16.0.1",
        "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.168.0.1", "198.18.0.1", "198.19.255.255", "198.51.100.1",
        "203.0.113.9", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255", "::", "::1", "::ffff:10.0.0.1",
        "::ffff:127.0.0.1", "64:ff9b::7f00:1", "100::1", "2001::1", "2001:1ff::1", "2001:db8::1", "2002:7f00:1::",
        "3fff:fff::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fec0::1", "ff02::1",
    ])
    func addressesThatAreNotPublic(_ text: String) throws {
        #expect(!PublicAddress.isOne(try #require(IPAddress(parsing: Array(text.utf8)))))
    }

    @Test(arguments: [
        "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.1",
        "172.15.255.255", "172.32.0.1", "192.0.3.1", "192.167.255.255", "192.169.0.1", "198.17.255.255", "198.20.0.1",
        "223.255.255.255", "2606:4700::1111", "2001:200::1", "2001:4860:4860::8888", "2003::1", "::ffff:1.1.1.1",
    ])
    func addressesThatArePublic(_ text: String) throws {
        #expect(PublicAddress.isOne(try #require(IPAddress(parsing: Array(text.utf8)))))
    }

    @Test func signatures() {
        let secret = String(repeating: "s", count: 32)
        let signature = "sha256=e3aba353fe92fdd67adbc270f0aad1a808ca5689224378bf32895d7afa5bf2b7"
        let body = Array("[]".utf8)
        #expect(WebhookSignature.of(body, time: 1_700_000_000, secrets: [secret]) == signature)
        // While one secret follows another, whoever has either of them finds its own.
        let both = WebhookSignature.of(body, time: 1_700_000_000, secrets: ["new", secret]).split(separator: " ")
        #expect(both.count == 2 && both[1] == signature)
        #expect(both[0] == WebhookSignature.of(body, time: 1_700_000_000, secrets: ["new"]))
    }

    @Test func pausesGrowAndAreBounded() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<20 {
            var backoff = WebhookBackoff()
            var due = WebhookBackoff.first
            for _ in 0..<2000 {
                let pause = backoff.next(using: &random)
                #expect(pause >= due / 2 && pause <= due)
                due = min(WebhookBackoff.longest, due * 2)
            }
            backoff.reset()
            #expect(backoff.next(using: &random) <= WebhookBackoff.first)
        }
    }

    @Test func eventsAreCloudEvents() {
        let writer = ByteWriter()
        let event = NodeEvent(.subscribed, time: 1_764_430_000_050, session: session, channel: channel("a\"b"))
        CloudEvents.write(event, number: 2, node: NodeID(1), to: writer)
        let text = String(decoding: writer.bytes, as: UTF8.self)
        #expect(JSONScanner.isValid(writer.bytes))
        #expect(
            text == #"{"specversion":"1.0","id":"0000000000000001-2","source":"/nodes/0000000000000001","#
                + #""type":"carillon.subscribed","time":"2025-11-29T15:26:40.05Z","subject":"a\"b","datacontenttype":"application/json","data":"#
                + #"{"kind":"subscribed","time":1764430000050,"node":"0000000000000001","session":"\#(session)","channel":"a\"b"}}"#
        )
        #expect(String(decoding: CloudEvents.batch([]), as: UTF8.self) == "[]")
        let two = CloudEvents.batch([Array("{}".utf8), Array("{}".utf8)])
        #expect(String(decoding: two, as: UTF8.self) == "[{},{}]")
    }

    @Test(arguments: [
        ("{}", true), (#"{"a":1}"#, true), ("", false), ("[]", false), ("1", false), ("{}{}", false), ("{", false),
        (" {}", false),
        (#"{"a":"\u{1}"}"#, false),
    ])
    func onlyEventsAreSent(_ entry: String, _ isOne: Bool) {
        #expect(CloudEvents.isEvent(Array(entry.utf8)) == isOne)
        #expect(!CloudEvents.isEvent(Array(#"{"a":""#.utf8) + [0xFF] + Array(#""}"#.utf8)))
    }

    @Test func whatHasOneSubjectHasOnePart() {
        var used: Set<Int> = []
        for number in 0..<1000 {
            let part = WebhookParts.of(channel: channel("room-\(number)"), session: nil)
            #expect(part == WebhookParts.of(channel: channel("room-\(number)"), session: session))
            used.insert(part)
        }
        #expect(used == Set(0..<OutboxPart.parts))
        // These are the same in every version: a cluster may have several.
        #expect(WebhookParts.of(channel: channel("news"), session: nil) == WebhookTests.fnv("news") % 8)
    }

    private static func fnv(_ text: String) -> Int {
        Int(text.utf8.reduce(UInt32(2_166_136_261)) { ($0 ^ UInt32($1)) &* 16_777_619 })
    }
}
