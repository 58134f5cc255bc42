@testable import Codec

/// Protobuf: what the reader takes for a message a second, plain reader does too; the commands in it ask for the same with a hint
/// as without, and what they hand on lies in the message.
enum ProtobufTarget {
    @Sendable static func run(_ input: UnsafeRawBufferPointer) {
        message(input)
        commands(input)
        filter(input)
    }

    private static func message(_ input: UnsafeRawBufferPointer) {
        var reader = ProtobufReader(input)
        var numbers: [UInt32] = []
        let isWhole = reader.fields { field, reader in
            numbers.append(field.number)
            let rest = reader.rest.count
            guard reader.skip(field) else { return false }
            expect(reader.rest.count <= rest, "it steps back")
            return true
        }
        let plain = PlainProtobuf.fields(Array(input))
        expect(isWhole == (plain != nil), "the reader says \(isWhole), the plain one \(plain ?? [])")
        if let plain { expect(plain == numbers, "the reader sees \(numbers), the plain one \(plain)") }
        for number in [UInt64(input.count), UInt64.max >> UInt64(input.count % 64)] {
            let writer = ByteWriter()
            writer.append(varint: number)
            var back = ProtobufReader(writer.bytes)
            expect(back.varint() == number && back.isAtEnd, "\(number) does not come back")
            expect(ProtobufCounter.bytes(number) == writer.count, "\(number) is counted wrong")
        }
    }

    private static func commands(_ input: UnsafeRawBufferPointer) {
        var plain = CentrifugeMachine()
        var hinted = plain
        let said = say(input, to: &plain, hint: nil)
        let other = say(input, to: &hinted, hint: ChannelName(trusted: Array("chat:1".utf8)))
        expect(said == other && plain == hinted, "with a hint it is \(other), without \(said)")
        for (index, intent) in said.enumerated() where intent.hasPrefix("disconnect") {
            expect(index == said.count - 1, "something comes after \(intent)")
        }
        expect(!said.isEmpty, "a message without commands is taken")
    }

    private static func say(
        _ message: UnsafeRawBufferPointer, to machine: inout CentrifugeMachine, hint: ChannelName?
    ) -> [String] {
        var said: [String] = []
        var messages = CentrifugeMessages(message)
        var taken = 0
        while let next = messages.next() {
            taken += 1
            expect(taken <= message.count + 1, "more commands than bytes")
            let received =
                switch next {
                case .command(let command): machine.received(command, as: .protobuf, hint: hint)
                case .malformed: machine.received(.malformed)
                }
            guard let intent = received else { break }
            switch intent {
            case .publish(let publish):
                inside(publish.data, message)
                expect(!publish.data.isEmpty, "nothing is published")
                expect(publish.kind == PayloadKind(of: publish.data), "it is published as \(publish.kind)")
            case .connect(let connect):
                if let data = connect.data {
                    inside(data, message)
                    expect(PayloadKind(of: data) == .json, "the application is asked with what is no JSON")
                }
                for header in connect.headers { expect(!header.name.utf8.contains(10), "a header of two lines") }
                machine.accepted()
                machine.pinged()
            default: break
            }
            CentrifugeTarget.check(names: intent)
            said.append(CentrifugeTarget.text(intent))
        }
        return said
    }

    private static func inside(_ data: UnsafeRawBufferPointer, _ message: UnsafeRawBufferPointer) {
        guard let start = data.baseAddress, let from = message.baseAddress else { return expect(false, "no data") }
        expect(start >= from && start + data.count <= from + message.count, "data lies outside the message")
    }

    /// The first byte: how much of the rest is tags.
    private static func filter(_ input: UnsafeRawBufferPointer) {
        guard let first = input.first else { return }
        let length = min(Int(first), input.count - 1)
        let packed = UnsafeRawBufferPointer(rebasing: input[1..<(1 + length)])
        let tags = PublicationTags(packed: packed)
        if let tags {
            var pairs: [(key: [UInt8], value: [UInt8])] = []
            tags.forEach { pairs.append((Array($0), Array($1))) }
            expect((try? PublicationTags(validating: pairs)) == tags, "tags do not come back")
        }
        let rest = input.after(1 + length)
        var scanner = JSONScanner(rest)
        let isText = UTF8Validator.isValid(rest)
        for filter in [CentrifugeFilter(protobuf: rest)?.filter, isText ? CentrifugeFilter(&scanner)?.filter : nil] {
            guard let filter else { continue }
            expect(filter.nodes.count <= TagFilter.maximumNodes, "\(filter.nodes.count) nodes")
            expect(filter.values.count <= TagFilter.maximumValues, "\(filter.values.count) values")
            expect(filter.bytes.count <= TagFilter.maximumBytes, "\(filter.bytes.count) bytes")
            let isWanted = filter.matches(tags)
            expect(filter.matches(tags) == isWanted, "a filter changes its mind")
        }
    }
}

/// A second, plain reader of Protobuf: the numbers of a message's fields.
struct PlainProtobuf {
    private var rest: ArraySlice<UInt8>

    /// - Returns: Nil when it is no message.
    static func fields(_ bytes: [UInt8]) -> [UInt32]? {
        var reader = PlainProtobuf(rest: bytes[...])
        var numbers: [UInt32] = []
        while !reader.rest.isEmpty {
            guard let (number, type) = reader.key(), reader.skip(number, type, 0) else { return nil }
            numbers.append(number)
        }
        return numbers
    }

    private mutating func number() -> UInt64? {
        var value: UInt64 = 0
        for place in 0..<10 {
            guard let byte = rest.popFirst(), place < 9 || byte < 2 else { return nil }
            value += UInt64(byte % 128) << UInt64(7 * place)
            if byte < 128 { return value }
        }
        return nil
    }

    private mutating func key() -> (UInt32, UInt64)? {
        guard let key = number(), key >= 8, key <= UInt64(UInt32.max) else { return nil }
        return (UInt32(key / 8), key % 8)
    }

    private mutating func skip(_ number: UInt32, _ type: UInt64, _ depth: Int) -> Bool {
        switch type {
        case 0: return self.number() != nil
        case 1: return drop(8)
        case 2: return self.number().map { drop($0) } ?? false
        case 3:
            guard depth < ProtobufReader.maximumGroupDepth else { return false }
            while let (inner, type) = key() {
                if type == 4 { return inner == number }
                guard skip(inner, type, depth + 1) else { return false }
            }
            return false
        case 5: return drop(4)
        default: return false
        }
    }

    private mutating func drop(_ count: UInt64) -> Bool {
        guard count <= UInt64(rest.count) else { return false }
        rest = rest.dropFirst(Int(count))
        return true
    }
}
