/// How messages to clients are packed, and what does it: at most two deflaters, made when the first client asks for them.
package final class Packing {
    package struct Settings: Equatable, Sendable {
        package var isOn = true
        /// Shorter payloads stay as they are, in bytes.
        package var minimumBytes = 256
        /// 1 (fast) to 9 (small).
        package var level = 3

        package init() {}
    }

    package let settings: Settings
    private lazy var full = Deflater(windowBits: DeflateAgreement.fullWindow, level: settings.level)
    private lazy var small = Deflater(windowBits: DeflateAgreement.smallWindow, level: settings.level)

    package init(_ settings: Settings) { self.settings = settings }

    /// Packs the frame written from `start` on, as its subscribers take it.
    func pack(_ compression: Variant.Compression, from start: Int, in writer: ByteWriter) {
        switch compression {
        case .none: break
        case .full: writer.compressFrame(at: start, with: full, minimumBytes: settings.minimumBytes)
        case .small: writer.compressFrame(at: start, with: small, minimumBytes: settings.minimumBytes)
        }
    }
}
