import Foundation

/// One program for all parsers: the environment variable FUZZ_TARGET says which. libFuzzer starts itself again when it
/// merges and inherits that, which it would not do with an argument.
@main enum Fuzz {
    /// Takes any bytes; ends the program when something does not hold.
    typealias Target = @Sendable (UnsafeRawBufferPointer) -> Void

    static let targets: [String: Target] = [
        "frames": FrameTarget.run,
        "inflate": InflateTarget.run,
        "offers": OffersTarget.run,
        "http": HTTPTarget.run,
        "query": QueryTarget.run,
        "server_api": ServerAPITarget.run,
        "proxy": ProxyTarget.run,
        "centrifuge": CentrifugeTarget.run,
        "emulation": EmulationTarget.run,
        "handover": HandoverTarget.run,
        "hub": HubTarget.run,
        "messagepack": MessagePackTarget.run,
        "negotiation": NegotiationTarget.run,
        "protobuf": ProtobufTarget.run,
        "delta": DeltaTarget.run,
        "replies": RepliesTarget.run,
        "records": RecordsTarget.run,
        "resp": RESPTarget.run,
        "upstream": UpstreamTarget.run,
        "envelope": EnvelopeTarget.run,
        "configuration": ConfigurationTarget.run,
        "token": TokenTarget.run,
        "jwks": JWKSTarget.run,
    ]

    static let target: Target = {
        let name = ProcessInfo.processInfo.environment["FUZZ_TARGET"] ?? ""
        guard let target = targets[name] else {
            fatalError("FUZZ_TARGET is '\(name)'; right would be \(targets.keys.sorted().joined(separator: ", "))")
        }
        return target
    }()

    static func main() {
        if CommandLine.arguments.dropFirst().first == "--list" {
            return print(targets.keys.sorted().joined(separator: "\n"))
        }
        var count = CommandLine.argc
        var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
        exit(runDriver(&count, &arguments, testOneInput))
    }
}

/// FuzzerInterface.h
@_silgen_name("LLVMFuzzerRunDriver")
private func runDriver(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?>,
    _ one: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
    Fuzz.target(UnsafeRawBufferPointer(start: bytes, count: count))
    return 0
}

/// A property that has to hold for every input.
func expect(_ holds: Bool, _ what: @autoclosure () -> String) {
    guard !holds else { return }
    fatalError("does not hold: \(what())")
}

/// Numbers that depend on the input alone, so that a finding can be run again.
struct InputNumbers: RandomNumberGenerator {
    private var state: UInt64

    /// FNV-1a over the input.
    init(_ bytes: UnsafeRawBufferPointer) {
        state = bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }

    /// SplitMix64.
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}

extension UnsafeRawBufferPointer {
    /// In pieces of 1 to `longest` bytes, each in memory of its own, where a read beyond its end is seen.
    func pieces(longest: Int, _ numbers: inout InputNumbers) -> [[UInt8]] {
        var pieces: [[UInt8]] = []
        var start = 0
        while start < count {
            let end = Swift.min(count, start + Int.random(in: 1...longest, using: &numbers))
            pieces.append(Array(self[start..<end]))
            start = end
        }
        return pieces
    }

    func after(_ start: Int) -> UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: dropFirst(start)) }

    /// The shortest prefixes, a few between, and the whole: where a parser may be asked while bytes come in.
    func cuts(_ numbers: inout InputNumbers) -> [Int] {
        var cuts = Set(0...Swift.min(count, 24))
        for _ in 0..<24 { cuts.insert(Int.random(in: 0...count, using: &numbers)) }
        cuts.insert(count)
        return cuts.sorted()
    }
}
