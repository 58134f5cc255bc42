import Foundation
import Glibc
import Testing

@testable import Files

/// Nothing here waits: a test that hangs has found what it looks for.
@Suite struct FileContentsTests {
    private let folder: URL
    private static let limit = 100_000

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "files-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    private func path(_ name: String) -> String { folder.appending(path: name).path }

    private func write(_ count: Int, to name: String) throws -> [UInt8] {
        let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 / 7) }
        try Data(bytes).write(to: folder.appending(path: name))
        return bytes
    }

    private func failure(_ path: String) -> FileError? {
        do throws(FileError) {
            _ = try FileContents.of(path, limit: Self.limit)
            return nil
        } catch {
            return error
        }
    }

    /// A descriptor that is open while `body` runs.
    private func withDescriptor(_ descriptor: Int32, _ body: (Int32) throws -> Void) throws {
        try #require(descriptor >= 0)
        defer { close(descriptor) }
        try body(descriptor)
    }

    @Test(arguments: [0, 1, 65_535, 65_536, 65_537, 100_000])
    func aFileIsReadWhole(_ count: Int) throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let bytes = try write(count, to: "file")
        #expect(try FileContents.of(path("file"), limit: Self.limit) == bytes)
        // As Kubernetes puts secrets into a container.
        #expect(symlink("file", path("link")) == 0)
        #expect(try FileContents.of(path("link"), limit: Self.limit) == bytes)
    }

    @Test func aFileMayHaveNoSize() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        #expect(try !FileContents.of("/proc/self/status", limit: Self.limit).isEmpty)
        // Its size says nothing of how much there is to read.
        #expect(throws: FileError.tooLarge(limit: 10)) { try FileContents.of("/proc/self/status", limit: 10) }
    }

    @Test func whatIsNoRegularFileIsRefusedAtOnce() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        #expect(mkfifo(path("pipe"), 0o600) == 0)
        #expect(failure(path("pipe")) == .notRegular(.pipe))
        #expect(symlink("pipe", path("link")) == 0)
        #expect(failure(path("link")) == .notRegular(.pipe))
        #expect(failure(folder.path) == .notRegular(.directory))
        #expect(failure("/dev/zero") == .notRegular(.characterDevice))
        let listening = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        try withDescriptor(listening) { listening in
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            // Short enough for an address, wherever temporary files are.
            let name = "/tmp/carillon-files-\(getpid()).socket"
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: name.utf8) }
            let bound = withUnsafePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(listening, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
                }
            }
            defer { unlink(name) }
            #expect(bound == 0)
            #expect(failure(name) == .notRegular(.socket))
        }
    }

    @Test func whatCannotBeReadIsSaid() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        #expect(failure(path("none")) == .system(code: ENOENT))
        #expect(failure(path("none/none")) == .system(code: ENOENT))
        #expect(symlink("circle", path("circle")) == 0)
        #expect(failure(path("circle")) == .system(code: ELOOP))
        _ = try write(Self.limit + 1, to: "large")
        #expect(failure(path("large")) == .tooLarge(limit: Self.limit))
        _ = try write(10, to: "file")
        #expect(failure(path("file/none")) == .system(code: ENOTDIR))
        #expect(chmod(path("file"), 0) == 0)
        // Root reads everything.
        #expect(failure(path("file")) == (geteuid() == 0 ? nil : .system(code: EACCES)))
        #expect(FileError.system(code: ENOENT).description == "No such file or directory")
        #expect(FileError.notRegular(.pipe).description == "it is a pipe, not a regular file")
        #expect(FileError.tooLarge(limit: 7).description == "it has more than 7 bytes")
    }

    @Test func anOpenFileIsReadFromItsBeginningEachTime() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        let bytes = try write(70_000, to: "file")
        try withDescriptor(open(path("file"), O_RDONLY)) { descriptor in
            for waits in [true, false] {
                let read = try FileContents.of(descriptor: descriptor, limit: Self.limit, waits: waits)
                #expect(read == bytes)
            }
            #expect(throws: FileError.tooLarge(limit: 7)) {
                try FileContents.of(descriptor: descriptor, limit: 7, waits: true)
            }
        }
        try withDescriptor(open(folder.path, O_RDONLY)) { descriptor in
            #expect(throws: FileError.notRegular(.directory)) {
                try FileContents.of(descriptor: descriptor, limit: 7, waits: true)
            }
        }
        #expect(throws: FileError.system(code: EBADF)) {
            try FileContents.of(descriptor: -1, limit: 7, waits: true)
        }
    }

    @Test func anOpenPipeIsReadToItsEndOnlyByWhoeverWaits() throws {
        defer { try? FileManager.default.removeItem(at: folder) }
        var ends: [Int32] = [-1, -1]
        #expect(pipe(&ends) == 0)
        let writer = ends[1]
        // What is read does not wait by itself.
        #expect(fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0)
        try withDescriptor(ends[0]) { reader in
            #expect(throws: FileError.notRegular(.pipe)) {
                try FileContents.of(descriptor: reader, limit: Self.limit, waits: false)
            }
            #expect(Glibc.write(writer, "first ", 6) == 6)
            let second = Thread {
                // When the first part has been read.
                var unread: Int32 = 1
                while ioctl(writer, UInt(FIONREAD), &unread) == 0, unread > 0 { sched_yield() }
                _ = Glibc.write(writer, "second", 6)
                close(writer)
            }
            second.start()
            let read = try FileContents.of(descriptor: reader, limit: Self.limit, waits: true)
            #expect(String(decoding: read, as: UTF8.self) == "first second")
        }
    }
}
