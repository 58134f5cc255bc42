import Codec

/// A message as it goes into a compressed frame.
func deflated(_ message: [UInt8], level: Int = 3) -> [UInt8] {
    let deflater = Deflater(windowBits: 15, level: level)
    // What comes out is the deflater's until its next call.
    return withExtendedLifetime(deflater) { message.withUnsafeBytes { Array(deflater.deflate($0)) } }
}
