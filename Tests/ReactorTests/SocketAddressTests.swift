import Testing

@testable import Reactor

@Suite struct SocketAddressTests {
    @Test(arguments: [
        "127.0.0.1:8000", "0.0.0.0:0", "255.255.255.255:65535", "[::1]:80", "[2001:db8::7]:65535",
        "unix:/run/carillon.sock",
    ])
    func isWrittenAsItWasRead(text: String) throws {
        #expect(try SocketAddress(parsing: text).description == text)
    }

    @Test(arguments: [
        "", ":", "8000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:-1", "127.0.0.1:65536", "127.0.0.1:8000 ",
        " 127.0.0.1:1",
        "127.0.0:1", "127.0.0.256:1", "::1:80", "[::1]", "[::1:80", "localhost:80", "unix:", "127.0.0.1:0x50",
        "127.0.0.1:+80",
    ])
    func whatIsNoAddressIsRefused(text: String) {
        let error = #expect(throws: SocketAddress.ParseError.self) { try SocketAddress(parsing: text) }
        // Whoever reads it at night wants to see what was read, or what would be right.
        #expect(error.map { $0.description.count > 15 } ?? false, "\(text)")
    }

    @Test func unixPathsAreBounded() throws {
        let longest = "/" + String(repeating: "a", count: SocketAddress.maximumPathBytes - 1)
        #expect(try SocketAddress(parsing: "unix:" + longest) == .unix(longest))
        #expect(throws: SocketAddress.ParseError.self) { try SocketAddress(parsing: "unix:" + longest + "a") }
    }

    @Test(arguments: [
        ("127.0.0.1:1", true), ("127.9.9.9:1", true), ("128.0.0.1:1", false), ("0.0.0.0:1", false), ("[::1]:1", true),
        ("[::]:1", false), ("[::ffff:127.0.0.1]:1", true), ("[::ffff:10.0.0.1]:1", false), ("[2001:db8::1]:1", false),
        ("unix:/tmp/a", true),
    ])
    func loopback(text: String, isLoopback: Bool) throws {
        #expect(try SocketAddress(parsing: text).isLoopback == isLoopback)
    }

    @Test func namesAreLookedUp() throws {
        let found = try SocketAddress.resolve(host: "localhost", port: 80)
        #expect(!found.isEmpty)
        #expect(found.allSatisfy { $0.isLoopback && $0.port == 80 })
        #expect(throws: SystemError.self) { try SocketAddress.resolve(host: "no-such-name.invalid", port: 80) }
    }
}
