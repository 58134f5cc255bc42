import CLinux
import Glibc

/// A system call that failed, in words an operator can act on.
package struct SystemError: Error, Equatable, Sendable, CustomStringConvertible {
    /// What was tried, with its object: `bind 0.0.0.0:80`.
    package let call: String
    /// The `errno`.
    package let code: Int32

    package init(call: String, code: Int32) {
        self.call = call
        self.code = code
    }

    package var description: String { "\(call): \(Self.text(of: code))" }

    /// `permission denied (EACCES)`
    package static func text(of code: Int32) -> String {
        let text = String(cString: strerror(code))
        let lowered = text.prefix(1).lowercased() + text.dropFirst()
        guard let name = names[code] else { return "\(lowered) (errno \(code))" }
        return "\(lowered) (\(name))"
    }

    private static let names: [Int32: String] = [
        EACCES: "EACCES", EPERM: "EPERM", EADDRINUSE: "EADDRINUSE", EADDRNOTAVAIL: "EADDRNOTAVAIL",
        ECONNREFUSED: "ECONNREFUSED", ECONNRESET: "ECONNRESET", ECONNABORTED: "ECONNABORTED", EPIPE: "EPIPE",
        ETIMEDOUT: "ETIMEDOUT", EHOSTUNREACH: "EHOSTUNREACH", ENETUNREACH: "ENETUNREACH", EMFILE: "EMFILE",
        ENFILE: "ENFILE", ENOENT: "ENOENT", ENOMEM: "ENOMEM", ENOBUFS: "ENOBUFS", EINVAL: "EINVAL",
        EAFNOSUPPORT: "EAFNOSUPPORT", ENOTSOCK: "ENOTSOCK", EBADF: "EBADF", EISCONN: "EISCONN",
        ENAMETOOLONG: "ENAMETOOLONG", EROFS: "EROFS", ENOTDIR: "ENOTDIR",
    ]
}
