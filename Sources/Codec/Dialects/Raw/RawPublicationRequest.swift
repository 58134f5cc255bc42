/// `POST /publish?channel=NAME`: the body is the payload, byte for byte, and its type says which kind of payload it is.
extension RawDialect {
    static func publicationRequest(_ head: RequestHead, _ body: [UInt8]) throws(HTTPError) -> PublicationRequest {
        let channels = try OpeningRequest(head).channels
        guard let channel = channels.first else {
            throw HTTPError(
                status: 400, code: "channel_missing", message: "no channel is named: use \(head.path)?channel=NAME")
        }
        guard channels.count == 1 else {
            throw HTTPError(
                status: 400, code: "too_many_channels", message: "a request publishes to one channel, and names it once"
            )
        }
        let kind = kind(of: head)
        switch kind {
        case .binary: break
        case .text:
            guard body.withUnsafeBytes({ UTF8Validator.isValid($0) }) else {
                throw HTTPError(
                    status: 400, code: "invalid_text",
                    message: "a text has to be UTF-8: send other bytes with Content-Type: application/octet-stream")
            }
        case .json:
            guard body.withUnsafeBytes({ UTF8Validator.isValid($0) && JSONScanner.isValid($0) }) else {
                throw HTTPError(
                    status: 400, code: "invalid_json",
                    message: "the body is not one JSON value in UTF-8, and Content-Type says that it is")
            }
        }
        return PublicationRequest(channel: channel, kind: kind, payload: body)
    }

    /// By the media type. Without one, a body is just bytes (RFC 9110 8.3). What `curl -d` says of its text is the type of a form.
    private static func kind(of head: RequestHead) -> PayloadKind {
        guard let type = head.header("content-type") else { return .binary }
        let end = type.utf8.firstIndex(of: UInt8(ascii: ";")) ?? type.utf8.endIndex
        let media = FieldText.trimmed(type.utf8[..<end])
        func isMedia(_ lower: StaticString) -> Bool { FieldText.isSame(media, lower: lower.description.utf8) }
        if isMedia("application/json") || FieldText.isSame(media.suffix(5), lower: "+json".utf8) { return .json }
        let isText = FieldText.isSame(media.prefix(5), lower: "text/".utf8)
        return isText || isMedia("application/x-www-form-urlencoded") ? .text : .binary
    }
}
