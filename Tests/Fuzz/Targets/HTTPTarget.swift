import Codec

/// Request heads: a verdict does not change when more bytes come, a head keeps the limits, and written again it is the
/// same head.
enum HTTPTarget {
    private static let small: HTTPLimits = {
        var limits = HTTPLimits()
        limits.totalBytes = 300
        limits.fields = 4
        limits.fieldBytes = 100
        limits.targetBytes = 60
        return limits
    }()

    @Sendable static func run(_ input: UnsafeRawBufferPointer) {
        var numbers = InputNumbers(input)
        for limits in [HTTPLimits(), small] {
            let whole = RequestHeadParser.parse(input, limits: limits)
            for cut in input.cuts(&numbers) {
                let prefix = Array(input.prefix(cut))
                check(prefix.withUnsafeBytes { RequestHeadParser.parse($0, limits: limits) }, whole, cut, limits)
            }
            if case .head(let head, let consumed) = whole { check(head, consumed, input, limits) }
        }
    }

    /// What a prefix says, against what all says.
    private static func check(
        _ part: RequestHeadParser.Parsed, _ whole: RequestHeadParser.Parsed, _ cut: Int, _ limits: HTTPLimits
    ) {
        switch (part, whole) {
        case (.incomplete, .incomplete), (.incomplete, .failure):
            expect(cut < limits.totalBytes, "a head of \(cut) bytes is still waited for")
        case (.failure, .failure): break
        case (.incomplete, .head(_, let consumed)): expect(cut < consumed, "a head that is here is waited for")
        case (.head(let part, let taken), .head(let head, let consumed)):
            expect(taken == consumed && isSame(part, head), "the first \(cut) bytes are another head")
        default: expect(false, "the first \(cut) bytes say \(part), all say \(whole)")
        }
    }

    private static func check(
        _ head: RequestHead, _ consumed: Int, _ input: UnsafeRawBufferPointer, _ limits: HTTPLimits
    ) {
        expect(consumed <= min(input.count, limits.totalBytes), "more was taken than may be")
        expect(head.headers.count <= limits.fields && head.target.utf8.count <= limits.targetBytes, "the limits")
        for field in head.headers {
            expect(field.name == field.name.lowercased() && !field.name.isEmpty, "the name '\(field.name)'")
            expect(!field.value.utf8.contains { $0 == 0x0D || $0 == 0x0A || $0 == 0 }, "a value with a line end")
            expect(
                field.value.utf8.first != 0x20 && field.value.utf8.last != 0x20, "a value with white space around it")
        }
        expect(head.path.utf8.first == UInt8(ascii: "/"), "the path '\(head.path)'")
        if case .success(let accepted) = Handshake.check(head) {
            expect(head.method == "GET" && head.header("upgrade") != nil && !head.hasBody, "an upgrade that is none")
            if let offers = accepted.extensions { _ = DeflateAgreement(offers: offers) }
        }
        // Values that are not UTF-8 cannot be written again as they were.
        guard String(validating: input.prefix(consumed), as: UTF8.self) != nil else { return }
        var text = "\(head.method) \(head.target) \(head.version.rawValue)\r\n"
        for field in head.headers { text += "\(field.name): \(field.value)\r\n" }
        let again = Array((text + "\r\n").utf8).withUnsafeBytes { bytes in
            // Written again it may be longer, by a space for each colon.
            var roomy = HTTPLimits()
            roomy.totalBytes *= 2
            roomy.fieldBytes += 2
            return RequestHeadParser.parse(bytes, limits: roomy)
        }
        guard case .head(let copy, _) = again else { return expect(false, "written again it is \(again)") }
        expect(isSame(copy, head), "written again it is another head")
    }

    private static func isSame(_ left: RequestHead, _ right: RequestHead) -> Bool {
        left.method == right.method && left.target == right.target && left.path == right.path
            && left.version == right.version && left.headers == right.headers
            && left.query.elementsEqual(right.query) { $0 == $1 }
    }
}
