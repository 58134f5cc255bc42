import Foundation
import Testing

@testable import Node

@Suite struct ConfigurationOriginsTests {
    private func origins(
        _ text: String?, _ environment: [String: String] = [:]
    ) throws -> [String: ConfigurationOrigin] {
        let configuration = try ConfigurationReader.read(text, source: "dir/c.yaml", environment: environment)
        let all = configuration.effectiveWithPlaces
        #expect(all.map(\.key) == configuration.effective.map(\.path))
        return Dictionary(all.map { ($0.key, $0) }) { first, _ in first }
    }

    @Test func saysWhereEachValueIsFrom() throws {
        let all = try origins(
            """
            node: { name: edge-1 }
            limits:
              sessions: 500
              publish_rate: 7
            client.listen: "127.0.0.1:9000"
            admin: { token: "${TOKEN}" }
            channels:
              - { match: "*" }
            """,
            [
                "TOKEN": "very-secret-token", "CARILLON_LIMITS_SESSIONS": "600",
                "CARILLON_CLIENT_ORIGINS": "http://a.example",
            ])
        #expect(
            all["node.name"]
                == ConfigurationOrigin(key: "node.name", value: "edge-1", origin: .file, place: "dir/c.yaml:1"))
        #expect(all["limits.publish_rate"]?.place == "dir/c.yaml:4")
        #expect(all["client.listen"]?.place == "dir/c.yaml:5")
        #expect(all["channels"]?.place == "dir/c.yaml:7")
        #expect(
            all["limits.sessions"]
                == ConfigurationOrigin(
                    key: "limits.sessions", value: "600", origin: .environment, place: "CARILLON_LIMITS_SESSIONS"))
        #expect(all["client.origins"]?.place == "CARILLON_CLIENT_ORIGINS")
        #expect(all["admin.token"]?.value == "(secret)" && all["admin.token"]?.place == "dir/c.yaml:6")
        #expect(all["limits.subscribe_rate"]?.origin == .standard && all["limits.subscribe_rate"]?.place == nil)
    }

    @Test func withoutAFileEverythingIsADefault() throws {
        #expect(try origins(nil).values.allSatisfy { $0.origin == .standard && $0.place == nil })
    }

    @Test func aDefaultHasANullPlace() throws {
        let origin = ConfigurationOrigin(key: "a", value: "b", origin: .standard, place: nil)
        let text = String(decoding: try JSON.encoder.encode(origin), as: UTF8.self)
        #expect(text == #"{"key":"a","origin":"default","value":"b","where":null}"#)
    }
}
