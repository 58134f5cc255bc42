import HTTPTypes
import Codec

/// The body of `POST /api/v1/publish`, read with the codec's scanner so that `data` is passed on byte for byte.
struct PublishRequest {
    enum Target: Equatable {
        case channels([ChannelName])
        case user(ChannelName)
        case connection(SessionID)
        case all
    }

    var target: Target
    var kind: PayloadKind
    var payload: [UInt8]
    var except: [SessionID] = []
    var idempotencyKey: [UInt8]?
    var tags: PublicationTags?
    var event: [UInt8]?

    /// Where it goes, each by the name of its channel.
    var channels: [ChannelName] {
        switch target {
        case .channels(let names): names
        case .user(let name): [name]
        case .connection(let id): [.connection(id)]
        case .all: [.all]
        }
    }

    var order: PublishOrder {
        let extras =
            except.isEmpty && idempotencyKey == nil && tags == nil && event == nil
            ? nil : Publication.Extras(idempotencyKey: idempotencyKey, event: event, except: except, tags: tags)
        return PublishOrder(channels: channels, kind: kind, payload: payload, extras: extras)
    }

    /// Channels one call may name.
    static let maximumChannels = 1000
    static let maximumKeyBytes = 255

    /// Reads and checks a body.
    static func parse(_ body: [UInt8], messageBytes: Int) throws(APIError) -> PublishRequest {
        var fields = Fields()
        let failure = body.withUnsafeBytes { bytes -> APIError? in fields.read(bytes) }
        if let failure { throw failure }
        return try fields.checked(messageBytes: messageBytes)
    }

    /// The members as they come.
    private struct Fields {
        var targets: [(key: String, target: Target)] = []
        var payloads: [(key: String, kind: PayloadKind, bytes: [UInt8])] = []
        var except: [SessionID] = []
        var idempotencyKey: [UInt8]?
        var tags: PublicationTags?
        var event: [UInt8]?

        static let known = [
            "channel", "channels", "user", "connection", "all", "data", "text", "base64", "except", "idempotency_key",
            "tags", "event",
        ]

        /// Reads the members.
        ///
        /// - Returns: What is wrong.
        mutating func read(_ bytes: UnsafeRawBufferPointer) -> APIError? {
            guard UTF8Validator.isValid(bytes) else {
                return .badRequest("invalid_json", "the body is not valid UTF-8")
            }
            var scanner = JSONScanner(bytes)
            guard scanner.next == UInt8(ascii: "{") else {
                return .badRequest(
                    "invalid_json", "the body has to be a JSON object, as in {\"channel\":\"news\",\"data\":{\"n\":1}}")
            }
            var failure: APIError?
            let isWhole = scanner.members { key, scanner in
                failure = take(String(decoding: key, as: UTF8.self), &scanner)
                return failure == nil
            }
            if let failure { return failure }
            guard isWhole, scanner.isAtEnd else {
                return .badRequest("invalid_json", "the body is not valid JSON, from byte \(scanner.index) on")
            }
            return nil
        }

        mutating func take(_ key: String, _ scanner: inout JSONScanner) -> APIError? {
            // A field that is null is not set; only `data` may be null and set.
            if scanner.next == UInt8(ascii: "n"), key != "data", Self.known.contains(key) {
                return scanner.skipValue() ? nil : wrong(key, "JSON")
            }
            switch key {
            case "channel":
                guard let text = scanner.text() else { return wrong(key, "text") }
                guard case .success(let name) = Self.channel(text) else { return Self.channelError(text) }
                targets.append((key, .channels([name])))
            case "channels":
                guard let raw = scanner.value(), let texts = Self.texts(raw) else {
                    return wrong(key, "a list of texts")
                }
                guard !texts.isEmpty, texts.count <= maximumChannels else {
                    return wrong(key, "a list of 1 to \(maximumChannels) channels")
                }
                var names: [ChannelName] = []
                for text in texts {
                    guard case .success(let name) = Self.channel(text) else { return Self.channelError(text) }
                    names.append(name)
                }
                targets.append((key, .channels(names)))
            case "user":
                guard let text = scanner.text(), let name = ChannelName.user(String(decoding: text, as: UTF8.self))
                else { return wrong(key, "the id of a user, 1 to \(ChannelName.maximumUserBytes) bytes") }
                targets.append((key, .user(name)))
            case "connection":
                guard let text = scanner.text(), let id = SessionID(named: String(decoding: text, as: UTF8.self)) else {
                    return wrong(key, "the id of a connection")
                }
                targets.append((key, .connection(id)))
            case "all":
                guard scanner.boolean() == true else { return wrong(key, "true") }
                targets.append((key, .all))
            case "data":
                guard let raw = scanner.value() else {
                    return .badRequest("invalid_json", "the body is not valid JSON, from byte \(scanner.index) on")
                }
                payloads.append((key, .json, Array(raw)))
            case "text":
                guard let text = scanner.text() else { return wrong(key, "text") }
                payloads.append((key, .text, text))
            case "base64":
                guard let text = scanner.text(), let bytes = Base64.decode(text) else { return wrong(key, "base64") }
                payloads.append((key, .binary, bytes))
            case "except":
                guard let raw = scanner.value(), let texts = Self.texts(raw), texts.count <= maximumChannels else {
                    return wrong(key, "a list of connection ids")
                }
                for text in texts {
                    guard let id = SessionID(String(decoding: text, as: UTF8.self)) else {
                        return wrong(key, "a list of connection ids")
                    }
                    except.append(id)
                }
            case "idempotency_key":
                guard let text = scanner.text(), (1...maximumKeyBytes).contains(text.count) else {
                    return wrong(key, "a text of 1 to \(maximumKeyBytes) bytes")
                }
                idempotencyKey = text
            case "event":
                guard let text = scanner.text(), EventName.isValid(text) else {
                    return wrong(key, "a text of 1 to \(EventName.maximumBytes) bytes without control characters")
                }
                event = text
            case "tags":
                switch PublicationTags.read(&scanner) {
                case .success(let read)?: tags = read
                case .failure(let error)?: return .badRequest("invalid_field", "'tags': \(error)")
                case nil: return wrong(key, "an object of texts")
                }
            default:
                let nearest = Nearest.name(to: key, among: Self.known).map { "; did you mean '\($0)'?" }
                return .badRequest(
                    "unknown_field",
                    "unknown field '\(key.prefix(64))'\(nearest ?? "; known are \(Self.known.joined(separator: ", "))")"
                )
            }
            return nil
        }

        func checked(messageBytes: Int) throws(APIError) -> PublishRequest {
            // Beside another payload it is not set either.
            let payloads =
                payloads.count < 2 ? payloads : payloads.filter { $0.key != "data" || $0.bytes != Array("null".utf8) }
            guard targets.count == 1 else {
                throw .badRequest(
                    "target", "name exactly one target: channel, channels, user, connection or \"all\": true")
            }
            guard payloads.count == 1 else {
                throw .badRequest("payload", "give exactly one payload: data (JSON), text or base64 (binary)")
            }
            guard payloads[0].bytes.count <= messageBytes else {
                throw APIError(
                    status: .contentTooLarge, code: "message_too_large",
                    message: "the message has \(payloads[0].bytes.count) bytes, limits.message_bytes is \(messageBytes)"
                )
            }
            return PublishRequest(
                target: targets[0].target, kind: payloads[0].kind, payload: payloads[0].bytes, except: except,
                idempotencyKey: idempotencyKey, tags: tags, event: event)
        }

        private func wrong(_ key: String, _ right: String) -> APIError {
            .badRequest("invalid_field", "'\(key)' has to be \(right)")
        }

        private static func channel(_ text: [UInt8]) -> Result<ChannelName, ChannelNameError> {
            do { return .success(try ChannelName(validating: text)) } catch { return .failure(error) }
        }

        private static func channelError(_ text: [UInt8]) -> APIError {
            .badRequest("invalid_channel", "\(ChannelName.objection(to: text)!)")
        }

        private static func texts(_ raw: UnsafeRawBufferPointer) -> [[UInt8]]? {
            var scanner = JSONScanner(raw)
            return scanner.texts()
        }
    }
}
