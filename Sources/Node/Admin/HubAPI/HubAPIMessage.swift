import Codec
import HTTPTypes

/// What is sent: `{"target":"said","arguments":["ann",1]}`.
struct HubAPIMessage: Equatable {
    let target: [UInt8]
    /// As calls of clients are kept: one argument that is no list is itself, everything else is the list of arguments.
    let payload: [UInt8]

    init(_ body: [UInt8], messageBytes: Int) throws(APIError) {
        do throws(ServerAPIError) {
            let fields = try ServerAPIFields(body, known: ["target", "arguments", "rawBytes", "rawOnly"])
            guard !fields.isSet("rawBytes"), !fields.isSet("rawOnly") else {
                throw .badRequest("rawBytes and rawOnly are not served")
            }
            guard let target = try fields.text("target"), EventName.isValid(target) else {
                throw .badRequest(
                    "'target' has to be a text of 1 to \(EventName.maximumBytes) bytes without control characters")
            }
            let arguments = try fields.list("arguments") ?? []
            if arguments.count == 1, let only = arguments.first, only.first != UInt8(ascii: "[") {
                payload = only
            } else {
                payload = fields.value("arguments") ?? Array("[]".utf8)
            }
            self.target = target
        } catch {
            throw .badRequest("invalid_message", error.message)
        }
        guard payload.count <= messageBytes else {
            throw APIError(
                status: .contentTooLarge, code: "message_too_large",
                message: "the arguments have \(payload.count) bytes, limits.message_bytes is \(messageBytes)")
        }
    }
}
