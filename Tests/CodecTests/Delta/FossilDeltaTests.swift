@testable import Codec
import Testing

@Suite struct FossilDeltaTests {
    static func delta(_ source: [UInt8], _ target: [UInt8], asText: Bool = false) -> [UInt8]? {
        let writer = ByteWriter()
        writer.append("before")
        let isMade = source.withUnsafeBytes { source in
            target.withUnsafeBytes { target in
                FossilDelta.write(from: source, to: target, keepsCharacters: asText, into: writer)
            }
        }
        #expect(writer.bytes.starts(with: "before".utf8))
        guard isMade else {
            #expect(writer.count == 6)
            return nil
        }
        return Array(writer.bytes.dropFirst(6))
    }

    static func apply(_ delta: [UInt8], _ source: [UInt8]) -> [UInt8]? {
        source.withUnsafeBytes { source in delta.withUnsafeBytes { FossilDelta.apply($0, to: source) } }
    }

    static func apply(_ delta: String, _ source: String) -> String? {
        apply(Array(delta.utf8), Array(source.utf8)).map { String(decoding: $0, as: UTF8.self) }
    }

    @Test func numbersAsInTheFormat() {
        for (number, text): (UInt32, String) in [
            (0, "0"), (9, "9"), (10, "A"), (35, "Z"), (36, "_"), (37, "a"), (62, "z"), (63, "~"), (64, "10"),
            (4095, "~~"), (4096, "100"), (.max, "3~~~~~"),
        ] {
            #expect(Written.text { FossilNumber.write(number, to: $0) } == text)
            #expect(FossilNumber.width(number) == text.utf8.count)
            var index = 0
            #expect(Array(text.utf8).withUnsafeBytes { FossilNumber.read($0, &index) } == number)
        }
        for text in ["", "@", "4~~~~~", "1000000"] {
            var index = 0
            #expect(Array(text.utf8).withUnsafeBytes { FossilNumber.read($0, &index) } == nil)
        }
    }

    @Test(arguments: FossilFixtures.all)
    func appliesDeltasOfFossilItself(_ source: String, _ target: String, _ delta: String) {
        #expect(Self.apply(delta, source) == target)
    }

    @Test func deltasOfSimilarTextsAreSmall() throws {
        let source = (0..<100).map { #"{"id":\#($0),"price":\#($0 * 37 % 1000),"name":"item \#($0)"}"# }.joined(
            separator: ",")
        let target = source.replacingFirst("\"price\":74", with: "\"price\":75").replacingFirst(
            "item 90", with: "thing")
        let delta = try #require(Self.delta(Array(source.utf8), Array(target.utf8)))
        #expect(delta.count < 60)
        #expect(Self.apply(delta, Array(source.utf8)) == Array(target.utf8))
    }

    @Test func whatIsNotSmallerIsNoDelta() {
        var numbers = SeededNumbers(state: 1)
        let (one, other) = (numbers.bytes(500), numbers.bytes(500))
        #expect(Self.delta(one, other) == nil)
        #expect(Self.delta([], one) == nil)
        #expect(Self.delta(one, []) == nil)
        #expect(Self.delta(Array("0123456789abcdef".utf8), Array("0123456789abcdef".utf8)) != nil)
        #expect(Self.delta(Array("0123456789abcde".utf8), Array("0123456789abcde".utf8)) == nil)
    }

    @Test func whatIsTooLargeIsNoDelta() {
        let largest = [UInt8](repeating: 7, count: FossilDelta.maximumBytes)
        #expect(Self.delta(largest, largest) != nil)
        #expect(Self.delta(largest + [7], largest) == nil)
        #expect(Self.delta(largest, largest + [7]) == nil)
    }

    @Test(arguments: [1 as UInt64, 2, 3, 4])
    func whatIsMadeIsAppliedToTheSame(_ seed: UInt64) {
        var numbers = SeededNumbers(state: seed)
        for round in 0..<300 {
            let source = Self.text(Int.random(in: 0...3000, using: &numbers), &numbers)
            let target = Self.changed(source, &numbers)
            for asText in [false, true] {
                guard let delta = Self.delta(source, target, asText: asText) else { continue }
                #expect(delta.count < target.count)
                #expect(Self.apply(delta, source) == target, "round \(round)")
                #expect(Self.delta(source, target, asText: asText) == delta)
                if asText { #expect(String(validating: delta, as: UTF8.self) != nil, "round \(round)") }
            }
        }
    }

    /// Few words, some of them of characters of several bytes: much is found, at every place within a character.
    private static func text(_ words: Int, _ numbers: inout SeededNumbers) -> [UInt8] {
        let all = ["a", "é", "žluťoučký", "日本語", "🙂🙃", "the quick brown fox", "\n", "{\"x\":1}", "0123456789"]
        return (0..<(words / 8)).flatMap { _ in Array((all.randomElement(using: &numbers) ?? "").utf8) }
    }

    private static func changed(_ source: [UInt8], _ numbers: inout SeededNumbers) -> [UInt8] {
        var scalars = Array(String(decoding: source, as: UTF8.self).unicodeScalars)
        for _ in 0..<Int.random(in: 0...6, using: &numbers) {
            let start = Int.random(in: 0...scalars.count, using: &numbers)
            let end = Int.random(in: start...min(scalars.count, start + 40), using: &numbers)
            switch Int.random(in: 0...3, using: &numbers) {
            case 0: scalars.removeSubrange(start..<end)
            case 1:
                scalars.insert(
                    contentsOf: String(decoding: text(40, &numbers), as: UTF8.self).unicodeScalars, at: start)
            case 2:
                scalars.insert(contentsOf: scalars[start..<end], at: Int.random(in: 0...start, using: &numbers))
            default:
                if start < scalars.count {
                    scalars[start] = ["ß", "語", "x"].randomElement(using: &numbers) ?? "x"
                }
            }
        }
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars)
        return Array(String(text).utf8)
    }

    @Test func deltasOfRandomBytes() {
        var numbers = SeededNumbers(state: 9)
        for _ in 0..<300 {
            let source = numbers.bytes(Int.random(in: 0...600, using: &numbers))
            var target = source
            for _ in 0..<Int.random(in: 0...3, using: &numbers) where !target.isEmpty {
                target[Int.random(in: 0..<target.count, using: &numbers)] &+= 1
                target.rotateLeft(by: Int.random(in: 0..<target.count, using: &numbers))
            }
            guard let delta = Self.delta(source, target) else { continue }
            #expect(Self.apply(delta, source) == target)
        }
    }

    /// The same blocks everywhere: every place of the target is one of many in the source.
    @Test func textsThatRepeatThemselvesTakeNoLonger() {
        let zeros = [UInt8](repeating: 0, count: 100_000)
        let almost = (0..<100_000).map { UInt8($0 % 1000 == 0 ? 1 : 0) }
        for (source, target) in [(zeros, zeros), (zeros, almost), (almost, zeros), (almost, almost)] {
            let start = ContinuousClock.now
            let delta = Self.delta(source, target)
            #expect(ContinuousClock.now - start < .seconds(20))
            #expect(delta.flatMap { Self.apply($0, source) } == target)
        }
    }

    @Test(
        arguments: [
            "", "5", "5\n", "\n5:hello3;", "5\n5:hello", "5\n5:hell", "5\n6:hello;", "5\n5@0,", "5\n5@0,0;", "5\n5@0",
            "5\n5@0;", "5\n~~~~~@0,0;", "5\n3~~~~~@3~~~~~,0;", "5\n4~~~~~@0,0;", "3~~~~~\n", "5\n5?0,0;", "5\n5@7,0;",
            "5\n5@3~~~~~,0;", "4\n5@0,1umDGk;", "6\n5@0,1umDGk;", "5\n5@0,1umDGk;x", "5\n5@0,1umDGk", "-1\n0;", "0\n1;",
            "100000\n5:hello0;",
        ])
    func whatIsNoDeltaIsRefused(_ delta: String) {
        #expect(Self.apply(delta, "hello world") == nil)
    }

    @Test func anEmptyTextIsOne() { #expect(Self.apply("0\n0;", "hello") == "") }

    @Test func brokenDeltasEndNobody() throws {
        var numbers = SeededNumbers(state: 5)
        let source = Self.text(2000, &numbers)
        let delta = try #require(Self.delta(source, Self.changed(source, &numbers)))
        for count in 0..<delta.count { #expect(Self.apply(Array(delta.prefix(count)), source) == nil) }
        for _ in 0..<20_000 {
            var broken = delta
            for _ in 0..<Int.random(in: 1...3, using: &numbers) {
                let digits = Array("0123~zZ@:;,\n".utf8)
                broken[Int.random(in: 0..<broken.count, using: &numbers)] = digits.randomElement(using: &numbers) ?? 0
            }
            if let made = Self.apply(broken, source) { #expect(made.count <= FossilDelta.maximumBytes) }
        }
    }
}

extension String {
    fileprivate func replacingFirst(_ part: String, with other: String) -> String {
        guard let range = firstRange(of: part) else { return self }
        return replacingCharacters(in: range, by: other)
    }

    private func replacingCharacters(in range: Range<Index>, by other: String) -> String {
        self[..<range.lowerBound] + other + self[range.upperBound...]
    }
}

extension Array {
    fileprivate mutating func rotateLeft(by count: Int) { self = Array(self[count...] + self[..<count]) }
}
