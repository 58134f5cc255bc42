import Foundation
import Testing

@testable import Node

/// What docs/operations.md names is what there is.
@Suite struct OperationsTests {
    private static let page: String = {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        return (try? String(contentsOf: root.appending(path: "docs/operations.md"), encoding: .utf8)) ?? ""
    }()

    @Test func namesEveryKey() {
        #expect(Self.page.contains(ConfigurationText.table))
    }

    @Test func namesEveryMetric() {
        for (name, _, _) in ShardCounters.described {
            #expect(Self.page.contains("`carillon_\(name)_total`"), "\(name)")
        }
    }

    @Test func namesEveryRoute() {
        for (method, path) in Routes.all { #expect(Self.page.contains("`\(method) \(path)"), "\(method) \(path)") }
    }
}
