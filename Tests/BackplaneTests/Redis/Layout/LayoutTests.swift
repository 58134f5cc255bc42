import Codec
import Reactor
import Testing

@testable import Backplane

@Suite struct RedisSlotTests {
    private func slot(_ key: String) -> Int { RedisSlot.of(Array(key.utf8)) }

    @Test func isThatOfTheSpecification() {
        // Redis Cluster specification, and what CLUSTER KEYSLOT says.
        #expect(Array("123456789".utf8).withUnsafeBytes { RedisSlot.checksum($0) } == 0x31C3)
        #expect(slot("foo") == 12182 && slot("bar") == 5061 && slot("") == 0)
        #expect(
            slot("{user1000}.following") == slot("{user1000}.followers") && slot("{user1000}.x") == slot("user1000"))
    }

    /// Four bytes at a time give what one bit after the other gives, whatever is left over.
    @Test func checksumsAreThoseOfTheDefinition() {
        var random = SystemRandomNumberGenerator()
        for count in 0..<70 {
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
            var expected: UInt16 = 0
            for byte in bytes {
                expected ^= UInt16(byte) << 8
                for _ in 0..<8 { expected = expected & 0x8000 == 0 ? expected << 1 : expected << 1 ^ 0x1021 }
            }
            #expect(bytes.withUnsafeBytes { RedisSlot.checksum($0) } == expected, "\(bytes)")
        }
    }

    @Test func onlyTheFirstBracesCount() {
        #expect(slot("foo{bar}{zap}") == slot("bar") && slot("foo{{bar}}zap") == slot("{bar"))
        // Nothing between them, or no end: all of it.
        #expect(slot("foo{}{bar}") != slot("bar") && slot("foo{}{bar}") != slot("foo"))
        #expect(slot("foo}{bar") != slot("foo{bar}"))
    }
}

@Suite struct RedisNamesTests {
    private let node = NodeID(0xAB)
    private let names = [
        "news", "a:b", "{", "}", "{}", "{a}", "a}b{c", "}:c:news", "{1}:c:x", "$all", "$user:{7}", "é", "*",
        String(repeating: "x", count: 255),
    ].map { ChannelName(trusted: Array($0.utf8)) }

    @Test func partitionsAreSpreadEvenly() {
        #expect(
            RedisPartition.tags.count == RedisPartition.count && Set(RedisPartition.tags).count == RedisPartition.count)
        let slots = RedisPartition.tags.map { RedisSlot.of(Array("carillon:{\($0)}:m:x".utf8)) }
        #expect(slots.enumerated().allSatisfy { $0.element / 128 == $0.offset })
        // Channels, too: of 12,800 each partition has about 100.
        var counts = Array(repeating: 0, count: RedisPartition.count)
        for number in 0..<12_800 { counts[RedisPartition.of(ChannelName(trusted: Array("room:\(number)".utf8)))] += 1 }
        #expect(counts.allSatisfy { (50...170).contains($0) })
    }

    /// Keys that a script touches together, and the pub/sub channel.
    @Test func allOfAChannelIsInOneSlot() {
        let all = RedisNames(prefix: "carillon", node: node, layout: .partitioned)
        for channel in names {
            let names = all[channel]
            let text = Array("\(node)".utf8)
            let keys: [[UInt8]] = [
                names.channel + channel.bytes, names.meta + channel.bytes, names.stream + channel.bytes,
                names.key + channel.bytes + Array(" k".utf8), names.beginnings, names.members(channel.bytes, of: node),
                names.presenceMark(of: node), names.presence("pu", channel.bytes), names.presence("pl", channel.bytes),
                names.presence("pc", text), names.presence("pn"), names.presence("pr", text),
            ]
            #expect(Set(keys.map(RedisSlot.of)).count == 1, "\(channel)")
            #expect(Set(keys).count == keys.count, "\(channel)")
        }
    }

    @Test func namesComeBackFromPubSubChannels() {
        for layout in [RedisLayout.flat, .partitioned] {
            let all = RedisNames(prefix: "carillon", node: node, layout: layout)
            for channel in names {
                let said = all.channel(channel).withUnsafeBytes { all.name(in: $0).map { Array($0) } }
                #expect(said == channel.bytes, "\(layout) \(channel)")
            }
            for wrong in [
                "", "carillon", "carillon:", "carillon:beat", "carillon:node:00000000000000ab", "other:c:x",
                "carillon:{", "carillon:{1", "carillon:{1}", "carillon:{1}:", "carillon:{1}:c", "carillon:{1}c:x",
                "carillon:m:x", "carillon:{1}:m:x",
            ] { #expect(Array(wrong.utf8).withUnsafeBytes { all.name(in: $0) == nil }, "\(layout) \(wrong)") }
        }
    }

    @Test func theFlatLayoutIsThatOfTheVersionBefore() {
        let all = RedisNames(prefix: "carillon", node: node, layout: .flat)
        let channel = ChannelName(trusted: Array("news".utf8))
        let names = all[channel]
        let text = { (bytes: [UInt8]) in String(decoding: bytes, as: UTF8.self) }
        #expect(text(all.channel(channel)) == "carillon:c:news" && text(names.meta) == "carillon:m:")
        #expect(text(names.beginnings) == "carillon:m:$beginnings" && text(names.stream) == "carillon:h:")
        #expect(text(names.key) == "carillon:i:" && text(names.presence("pn")) == "carillon:pn")
        #expect(text(names.members(channel.bytes, of: node)) == "carillon:p:news:00000000000000ab")
        #expect(text(names.presenceMark(of: node)) == "carillon:p::00000000000000ab")
        #expect(text(all.beat) == "carillon:beat")
        #expect(text(all.lease(of: node)) == "carillon:lease:00000000000000ab")
        #expect(text(all.directed(node, in: 5)) == "carillon:node:00000000000000ab")
    }

    @Test func everythingHasATagInACluster() {
        let all = RedisNames(prefix: "carillon", node: node, layout: .partitioned, isCluster: true)
        let tag = RedisPartition.tags[5]
        let text = { (bytes: [UInt8]) in String(decoding: bytes, as: UTF8.self) }
        #expect(text(all.beat(in: 5)) == "carillon:{\(tag)}:beat")
        #expect(text(all.own(in: 5)) == "carillon:{\(tag)}:node:00000000000000ab")
        #expect(all.directed(node, in: 5) == all.own(in: 5))
        for partition in 0..<RedisPartition.count {
            let (own, beat) = (all.own(in: partition), all.beat(in: partition))
            #expect(own.withUnsafeBytes { all.isOwn($0) && !all.isBeat($0) })
            #expect(beat.withUnsafeBytes { all.isBeat($0) && !all.isOwn($0) })
            #expect(own.withUnsafeBytes { all.partition(ofPubsub: $0) } == partition)
            #expect(RedisSlot.of(own) == RedisSlot.of(all.beat(in: partition)))
        }
        for wrong in [
            "", "carillon:beat", "carillon:{\(tag)}:c:beat", "carillon:{}:", "carillon:{\(tag)}beat",
            "carillon:{\(tag)}:c:x}:beat",
        ] {
            #expect(!Array(wrong.utf8).withUnsafeBytes { all.isOwn($0) || all.isBeat($0) }, "\(wrong)")
        }
    }
}

@Suite struct LayoutDecisionTests {
    private func at(_ seconds: Double) -> MonotonicTime {
        MonotonicTime(nanoseconds: UInt64((100 + seconds) * 1_000_000_000))
    }

    private func text(_ text: String) -> RESPValue { .bulk(Array(text.utf8)) }

    @Test func usesWhatIsStored() {
        for (stored, layout) in [("1", RedisLayout.flat), ("2", .partitioned)] {
            var decision = LayoutDecision()
            decision.connected()
            check(decision.stored(text(stored), now: at(0)) == .use(layout))
            check(decision.use(layout) == .first && decision.use(layout) == .same)
            #expect(decision.announced == layout.rawValue)
            // Redis has lost it: what is in use is stored again.
            decision.connected()
            check(decision.stored(.bulk(nil), now: at(1)) == .store(layout))
        }
        for wrong in ["", "0", "3", "12", " 2"] {
            var decision = LayoutDecision()
            if case .refuse = decision.stored(text(wrong), now: at(0)) {} else { Issue.record("\(wrong) was taken") }
            #expect(decision.layout == nil)
        }
    }

    @Test func aloneItBegins() {
        var decision = LayoutDecision()
        decision.connected()
        check(!decision.isToCount(), "not before it is known that nothing is stored")
        check(decision.stored(.bulk(nil), now: at(0)) == .askAgain)
        #expect(decision.announced == LayoutDecision.undecided)
        check(decision.isToCount() && !decision.isToCount())
        check(decision.counted(2) == nil)
        check(decision.counted(1) == .store(.partitioned))
        check(decision.stored(.partitioned, .status("OK")) == .use(.partitioned))
        check(decision.counted(1) == nil, "it is decided")
    }

    @Test func somebodyElseWasFaster() {
        var decision = LayoutDecision()
        check(decision.stored(.bulk(nil), now: at(0)) == .askAgain)
        check(decision.isToCount() && decision.counted(1) == .store(.partitioned))
        check(decision.stored(.partitioned, .bulk(nil)) == .askAgain)
        #expect(decision.layout == nil)
        check(decision.stored(text("1"), now: at(0.1)) == .use(.flat))
    }

    @Test func aBeatOfTheVersionBeforeDecides() {
        var decision = LayoutDecision()
        check(decision.stored(.bulk(nil), now: at(0)) == .askAgain)
        check(!decision.heard(LayoutDecision.undecided) && !decision.heard(77))
        check(decision.stored(.bulk(nil), now: at(0.1)) == .askAgain)
        check(!decision.heard(2) && !decision.heard(0) && !decision.heard(2))
        check(decision.stored(.bulk(nil), now: at(0.2)) == .store(.flat))
        check(decision.stored(.flat, .status("OK")) == .use(.flat))
        // From here on another one is news.
        check(decision.heard(2) && !decision.heard(1) && !decision.heard(0))
    }

    @Test func othersThatSayNothingAreNotWaitedForLong() {
        var decision = LayoutDecision()
        check(decision.stored(.bulk(nil), now: at(0)) == .askAgain)
        check(decision.isToCount() && decision.counted(3) == nil)
        check(decision.stored(.bulk(nil), now: at(2.4)) == .askAgain)
        check(decision.stored(.bulk(nil), now: at(2.5)) == .store(.partitioned))
        // Another connection begins to count anew.
        decision.connected()
        check(decision.stored(.bulk(nil), now: at(3)) == .askAgain && decision.isToCount())
    }

    @Test func permissionsOfTheVersionBeforeAreItsLayout() {
        var decision = LayoutDecision()
        check(decision.stored(.error("NOPERM no"), now: at(0)) == .use(.flat))
        #expect(decision.objection == "NOPERM no")
        if case .refuse = decision.stored(.error("ERR x"), now: at(0)) {} else { Issue.record("it was taken") }
        // What cannot be stored is used all the same.
        var other = LayoutDecision()
        check(other.stored(.partitioned, .error("OOM")) == .use(.partitioned))
        #expect(other.objection == "OOM")
    }
}
