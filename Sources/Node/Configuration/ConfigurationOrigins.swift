/// Where the value of a key comes from.
package struct ConfigurationPlace: Equatable, Sendable {
    /// The file, or the environment variable.
    package let source: String
    /// Nil for a variable.
    package let line: Int?
    package let isVariable: Bool
}

/// A key with its value, and where that was said.
package struct ConfigurationOrigin: Encodable, Equatable, Sendable {
    package enum Origin: String, Encodable, Sendable {
        case standard = "default"
        case file
        case environment
    }

    package let key: String
    /// Secrets are left out.
    package let value: String
    package let origin: Origin
    /// `carillon.yaml:12`, or the name of a variable; nil for a default.
    package let place: String?

    private enum CodingKeys: String, CodingKey {
        case key, value, origin
        case place = "where"
    }

    /// A default has a place too, which is none.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(key, forKey: .key)
        try container.encode(value, forKey: .value)
        try container.encode(origin, forKey: .origin)
        try container.encode(place, forKey: .place)
    }
}

extension Configuration {
    /// What the node runs with and where each value was said, in the order of the documentation.
    package var effectiveWithPlaces: [ConfigurationOrigin] {
        effective.map { path, value in
            guard let place = places[path] else {
                return ConfigurationOrigin(key: path, value: value, origin: .standard, place: nil)
            }
            let line = place.line.map { ":\($0)" } ?? ""
            return ConfigurationOrigin(
                key: path, value: value, origin: place.isVariable ? .environment : .file, place: place.source + line)
        }
    }
}
