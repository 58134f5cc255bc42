@testable import Node

/// YAML configurations: any bytes are a configuration or errors with a place, the same each time.
enum ConfigurationTarget {
    @Sendable static func run(_ input: UnsafeRawBufferPointer) {
        // The program reads the file as UTF-8 before this.
        guard let text = String(validating: input, as: UTF8.self) else { return }
        let environment = ["SECRET": "hunter2hunter2", "NAME": "edge"]
        do {
            let configuration = try ConfigurationReader.read(text, source: "c.yaml", environment: environment)
            check(configuration)
            let again = try ConfigurationReader.read(text, source: "c.yaml", environment: environment)
            expect(again == configuration, "read again it is another configuration")
        } catch {
            expect(!error.problems.isEmpty, "refused without a reason")
            for problem in error.problems {
                expect(!problem.message.isEmpty && problem.source == "c.yaml", "an error without a place")
                if let line = problem.line { expect((0...(input.count + 2)).contains(line), "line \(line)") }
            }
        }
    }

    /// What is right one by one and together stays within the bounds the keys have.
    private static func check(_ configuration: Configuration) {
        expect(configuration.contradictions.isEmpty, "it contradicts itself")
        expect((125...(16 << 20)).contains(configuration.messageBytes), "messages of \(configuration.messageBytes)")
        expect(configuration.fragments > 0 && configuration.pongTimeout < configuration.pingInterval, "limits")
        expect(
            !configuration.authRequired || !configuration.authKeys.isEmpty || configuration.connectHookURL != nil,
            "auth")
        expect(!configuration.effective.isEmpty, "nothing is shown")
    }
}
