/// Divides numbered things among servers by rendezvous hashing ("highest random weight", Thaler and Ravishankar 1998): each thing goes to the
/// server with the greatest hash of both. Who is added takes its share from all others, and what the others keep stays where it is.
package enum Rendezvous {
    /// - Parameter servers: What they are called; their order does not matter.
    /// - Returns: For each thing the index of its server.
    package static func owners(of things: Int, among servers: [[UInt8]]) -> [Int] {
        let seeds = servers.map(hash)
        return (0..<things).map { thing in
            var best = 0
            for candidate in seeds.indices.dropFirst() {
                let (weight, most) = (mix(seeds[candidate], thing), mix(seeds[best], thing))
                // Of equal weights the name decides, so that the order of the list never does.
                if weight > most || weight == most && servers[best].lexicographicallyPrecedes(servers[candidate]) {
                    best = candidate
                }
            }
            return best
        }
    }

    /// FNV-1a, 64 bits.
    private static func hash(_ bytes: [UInt8]) -> UInt64 {
        bytes.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64(truncatingIfNeeded: $1)) &* 0x0000_0100_0000_01B3 }
    }

    /// The finalizer of SplitMix64 (Steele, Lea and Flood 2014), so that neighbouring numbers have nothing in common.
    private static func mix(_ seed: UInt64, _ number: Int) -> UInt64 {
        var word = seed &+ UInt64(truncatingIfNeeded: number &+ 1) &* 0x9E37_79B9_7F4A_7C15
        word = (word ^ word >> 30) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ word >> 27) &* 0x94D0_49BB_1331_11EB
        return word ^ word >> 31
    }
}
