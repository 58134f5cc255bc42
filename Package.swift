// swift-tools-version: 6.2
// The dependency direction, readable top to bottom: nothing points up.
import PackageDescription

let settings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    // A warning nobody mends is a warning nobody reads.
    .treatAllWarnings(as: .error),
    // `any` is written where a call is dynamic, because in the data plane that costs.
    .enableUpcomingFeature("ExistentialAny"),
    // What a module's interface exposes of another one is said at the import.
    .enableUpcomingFeature("InternalImportsByDefault"),
    // A member is only visible where its module is imported, so that no dependency is accidental.
    .enableUpcomingFeature("MemberImportVisibility"),
    // Overlapping accesses are found by the tests, which are debug builds and check each one; the data plane would pay
    // for the check with a sixth of its time (docs/decisions/0005-exclusivity.md).
    .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release)),
]

// The optimised program has Swift's runtime inside, so that it runs where there is no toolchain, and looks up every function
// when it starts, after which the table of them is read-only (docs/decisions/0024-packages.md). One module that is compiled
// for the static runtime tells the linker what that consists of.
let alone = BuildSettingCondition.when(platforms: [.linux], configuration: .release)
let withRuntime: [SwiftSetting] = [.unsafeFlags(["-static-stdlib"], alone)]
let linksRuntime: [LinkerSetting] = [.unsafeFlags(["-static-stdlib", "-Xlinker", "-z", "-Xlinker", "now"], alone)]

// What `carillon --version` says it was built from. A build outside of a git repository, such as that of the container,
// may say it by the variable. Only Sources/CVersion is compiled again when it changes.
let commit =
    Context.environment["CARILLON_COMMIT"]
    ?? Context.gitInformation.map { git in
        git.currentCommit.prefix(12) + (git.hasUncommittedChanges ? "+" : "")
    } ?? "unknown"

// The files of Sources/Node/Admin/Page, which AdminPage.swift serves.
let page = [
    "api.js", "ask.js", "channel.js", "channels.js", "chart.js", "configuration.js", "connection.js",
    "connections.js", "dom.js", "facts.js", "flow.js", "format.js", "icon.svg", "index.html", "limits.js",
    "links.js", "list.js", "main.js", "node.js", "nodes.js", "overview.js", "page.css", "payload.js",
    "place.js", "table.js", "views.css", "watch.js",
]

let package = Package(
    name: "carillon",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "carillon", targets: ["carillon"])
    ],
    dependencies: [
        // Why each of these: docs/decisions/0002-dependencies.md
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.14.0"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.30.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.10.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.0"),
    ],
    targets: [
        // The executable: argument parsing only.
        .executableTarget(
            name: "carillon",
            dependencies: [
                "Node", "Authentication", "Client", "Codec", "Reactor", "Files", "Bench", "Sizing", "CLinux",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ],
            swiftSettings: settings + withRuntime, linkerSettings: linksRuntime),

        // Load and measurement: clients of our own, by the thousand, on the same reactor.
        .target(
            name: "Bench", dependencies: ["Client", "Reactor", "Codec"], path: "Benchmarks/Bench",
            swiftSettings: settings),
        .target(name: "Client", dependencies: ["Reactor", "Codec"], swiftSettings: settings),

        // How large a cluster has to be: measured constants and arithmetic.
        .target(name: "Sizing", swiftSettings: settings),

        // Everything a client or an operator touches.
        .target(
            name: "Node",
            dependencies: [
                "Authentication", "Backplane", "Reactor", "Codec", "Files", "CVersion",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HummingbirdTLS", package: "hummingbird"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
                .product(name: "Yams", package: "Yams"),
            ],
            // The page of the admin port is part of the program: a node serves it without a file system.
            resources: page.map { .embedInCode("Admin/Page/\($0)") }, swiftSettings: settings),

        // Tokens: who somebody is, and which keys say so. Control plane, but for one call per connection.
        .target(
            name: "Authentication",
            dependencies: [
                "Codec", "Files", "COpenSSL",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ],
            swiftSettings: settings),

        // One node's link to the others.
        .target(name: "Backplane", dependencies: ["Reactor", "Codec"], swiftSettings: settings),

        // Sockets and time. Knows no protocol.
        .target(name: "Reactor", dependencies: ["Files", "CLinux", "COpenSSL"], swiftSettings: settings),

        // Bytes <-> meaning. Pure: no sockets, clocks, locks or logs.
        .target(name: "Codec", dependencies: ["CHiredis", "COpenSSL", "CZlib"], swiftSettings: settings),

        // Files that an operator names: keys, certificates, the configuration.
        .target(name: "Files", swiftSettings: settings),

        // The commit, which only the build knows.
        .target(name: "CVersion", cSettings: [.define("CARILLON_COMMIT", to: "\"\(commit)\"")]),

        // The system: module maps and shim headers, nothing else.
        .systemLibrary(name: "CLinux"),
        .systemLibrary(name: "CHiredis", providers: [.apt(["libhiredis-dev"])]),
        .systemLibrary(name: "COpenSSL", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(name: "CZlib", providers: [.apt(["zlib1g-dev"])]),

        .testTarget(name: "FilesTests", dependencies: ["Files"], swiftSettings: settings),
        .testTarget(name: "ReactorTests", dependencies: ["Reactor", "Files", "COpenSSL"], swiftSettings: settings),
        .testTarget(name: "CodecTests", dependencies: ["Codec", "CZlib"], swiftSettings: settings),
        .testTarget(
            name: "AuthenticationTests",
            dependencies: ["Authentication", "Codec", "COpenSSL", .product(name: "Logging", package: "swift-log")],
            exclude: ["Fixtures"], swiftSettings: settings),
        .testTarget(name: "BackplaneTests", dependencies: ["Backplane", "Reactor", "Codec"], swiftSettings: settings),
        .testTarget(
            name: "NodeTests", dependencies: ["Node", "Authentication", "Backplane", "Reactor", "Codec"],
            swiftSettings: settings),
        .testTarget(name: "SizingTests", dependencies: ["Sizing"], swiftSettings: settings),
        .testTarget(name: "ClientTests", dependencies: ["Client", "Reactor", "Codec"], swiftSettings: settings),
    ]
)

// For scripts/fuzz.py: our own modules under libFuzzer and AddressSanitizer, and the program that feeds them.
if Context.environment["CARILLON_FUZZ"] != nil {
    let sanitizers = ["-sanitize=fuzzer,address"]
    package.targets.append(
        .executableTarget(
            name: "fuzz", dependencies: ["Node", "Authentication", "Backplane", "Reactor", "Codec"],
            path: "Tests/Fuzz/Targets",
            swiftSettings: settings, linkerSettings: [.unsafeFlags(sanitizers)]))
    for target in package.targets where target.type != .system {
        target.swiftSettings?.append(.unsafeFlags(sanitizers + ["-O"]))
    }
}
