import CHiredis
import Codec
import Testing

/// Byte for byte what hiredis would write.
@Suite struct RESPWriterTests {
    static func formatted(_ arguments: [[UInt8]]) -> [UInt8] {
        let copies = arguments.map { argument in
            let copy = UnsafeMutablePointer<CChar>.allocate(capacity: max(argument.count, 1))
            for (index, byte) in argument.enumerated() { copy[index] = CChar(bitPattern: byte) }
            return copy
        }
        defer { copies.forEach { $0.deallocate() } }
        var pointers = copies.map { UnsafePointer<CChar>?.some(UnsafePointer($0)) }
        var target: UnsafeMutablePointer<CChar>?
        let count = redisFormatCommandArgv(&target, Int32(arguments.count), &pointers, arguments.map(\.count))
        guard let target, count > 0 else { return [] }
        defer { redisFreeCommand(target) }
        return Array(UnsafeRawBufferPointer(start: target, count: Int(count)))
    }

    static let commands: [[[UInt8]]] = [
        [Array("PING".utf8)],
        [Array("SET".utf8), Array("k".utf8), []],
        [Array("SET".utf8), Array("a b\r\n*1".utf8), [0, 13, 10, 255]],
        [Array("DEL".utf8)] + (0..<600).map { Array("key:\($0)".utf8) },
        [Array("X".utf8), [UInt8](repeating: 0x24, count: 70_000)],
    ]

    @Test(arguments: commands)
    func commandsOfBytes(_ arguments: [[UInt8]]) {
        #expect(Written.bytes { RESPWriter.command(arguments, to: $0) } == Self.formatted(arguments))
        let piecewise = Written.bytes { writer in
            RESPWriter.begin(arguments.count, to: writer)
            for argument in arguments { RESPWriter.argument(argument, to: writer) }
        }
        #expect(piecewise == Self.formatted(arguments))
    }

    @Test func commandsOfText() {
        let expected = Self.formatted(["CLIENT", "SETNAME", "càrillon", ""].map { Array($0.utf8) })
        #expect(Written.bytes { RESPWriter.command("CLIENT", "SETNAME", "càrillon", "", to: $0) } == expected)
    }

    @Test(arguments: [0, 1, 9, 10, 255, 65_536])
    func publishing(_ count: Int) {
        var numbers = SeededNumbers(state: UInt64(count))
        let payload = numbers.bytes(count)
        let prefix = Array("carillon:c:".utf8)
        let channel = Array("chat:1".utf8)
        let written = Written.bytes { writer in
            payload.withUnsafeBytes { RESPWriter.publish(prefix: prefix, channel: channel, payload: $0, to: writer) }
        }
        #expect(written == Self.formatted([Array("PUBLISH".utf8), prefix + channel, payload]))
        let inPlace = Written.bytes { writer in
            RESPWriter.publish(prefix: prefix, channel: channel, payloadBytes: payload.count, to: writer) {
                $0.append(payload)
            }
        }
        #expect(inPlace == written)
        #expect(written.count <= RESPWriter.maximumBytes(ofPublish: prefix, channel, payloadBytes: payload.count))
    }
}
