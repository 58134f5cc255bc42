import ArgumentParser
import Foundation

struct SubscribeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "subscribe",
        abstract: "placeholder")
    func run() async throws {}
}
