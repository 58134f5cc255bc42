/// Where clients of the Azure SignalR Service connect to a hub: `https://HOST/client/?hub=NAME`. Every hub with keys is there too, beside its
/// own path, so that an application can send its clients here without a change.
package enum HubAddress {
    /// With a slash behind it or without one.
    package static let path = "/client"

    /// What is asked for below the path, without a slash in front; nil when it is another path.
    static func rest(of requested: String) -> Substring.UTF8View? {
        let bytes = requested.utf8
        guard bytes.starts(with: path.utf8) else { return nil }
        let rest = bytes.dropFirst(path.utf8.count)
        if rest.isEmpty { return rest }
        return rest.first == UInt8(ascii: "/") ? rest.dropFirst() : nil
    }

    /// Which hub a request names; nil when it names none.
    static func hub(of head: RequestHead) -> String? {
        head.query.first { $0.name.utf8.elementsEqual("hub".utf8) }?.value
    }

    /// Whether an address is that of a hub's clients. The scheme and the host are not compared, because a proxy changes them.
    ///
    /// - Parameter address: The audience of a token: a URL with the hub in its query, once.
    package static func isClientAddress(_ address: String, of hub: HubRule) -> Bool {
        let bytes = Array(address.utf8)
        guard let host = start(ofHost: bytes), let slash = bytes[host...].firstIndex(of: UInt8(ascii: "/")),
            let question = bytes[host...].firstIndex(of: UInt8(ascii: "?")), question > slash,
            let decoded = PercentDecoding.decode(bytes[slash..<question], plusIsSpace: false),
            rest(of: decoded)?.isEmpty == true
        else { return false }
        var names: [String] = []
        for pair in bytes[(question + 1)...].split(separator: UInt8(ascii: "&")) where pair.starts(with: "hub=".utf8) {
            guard let name = PercentDecoding.decode(pair.dropFirst(4), plusIsSpace: true) else { return false }
            names.append(name)
        }
        guard names.count == 1, let name = names.first else { return false }
        return hub.isCalled(name.utf8)
    }

    /// Behind `://`, with something in front of it and no slash.
    private static func start(ofHost bytes: [UInt8]) -> Int? {
        guard let colon = bytes.firstIndex(of: UInt8(ascii: ":")), colon > 0,
            bytes[colon...].starts(with: "://".utf8)
        else { return nil }
        return bytes.index(colon, offsetBy: 3)
    }
}
