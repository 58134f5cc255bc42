/// `POST {hub}/negotiate` (TransportProtocols.md, "POST [endpoint-base]/negotiate").
extension SignalRDialect {
    /// The newest version there is an answer in.
    private static let newest: UInt64 = 1

    /// - Throws: The refusal of a version that is no number.
    static func negotiation(_ head: RequestHead, at hub: UInt16) throws(HTTPError) -> Negotiation {
        let asked = head.query.first { $0.name.utf8.elementsEqual("negotiateVersion".utf8) }?.value
        guard let version = UInt64(asked ?? "0") else {
            throw .badRequest("negotiateVersion has to be a number from 0 on")
        }
        let wish = head.query.first { $0.name.utf8.elementsEqual("useStatefulReconnect".utf8) }?.value
        // The first version has no field for it.
        let isResumable = version > 0 && wish?.utf8.elementsEqual("true".utf8) == true
        return Negotiation(hub: hub, version: min(version, newest), isResumable: isResumable)
    }

    /// The answer. Clients that did not ask for a way back to a connection that was cut are not offered one: some refuse that.
    ///
    /// - Parameters:
    ///   - id: What others may know of the connection.
    ///   - token: What opens it.
    static func answer(_ negotiation: Negotiation, id: [UInt8], token: [UInt8], to writer: ByteWriter) {
        writer.append(#"{"negotiateVersion":"#)
        writer.append(decimal: negotiation.version)
        writer.append(#","connectionId":"#)
        // The first version has one name for both.
        JSONWriter.writeString(negotiation.version == 0 ? token : id, to: writer)
        if negotiation.version > 0 {
            writer.append(#","connectionToken":"#)
            JSONWriter.writeString(token, to: writer)
        }
        if negotiation.isResumable { writer.append(#","useStatefulReconnect":true"#) }
        // Text comes first, because one client takes the first that is listed.
        writer.append(#","availableTransports":[{"transport":"WebSockets","transferFormats":["Text","Binary"]}"#)
        writer.append(#",{"transport":"ServerSentEvents","transferFormats":["Text"]}"#)
        writer.append(#",{"transport":"LongPolling","transferFormats":["Text","Binary"]}]}"#)
    }
}
