import CLinux
import Glibc

extension SendRing.Unavailable {
    /// What a system call says, with what an operator can do about it.
    init(call: String, code: Int32) {
        self.init(call: call, code: code, sysctl: Self.sysctl())
    }

    /// - Parameter sysctl: The value of kernel.io_uring_disabled; nil where the kernel has none, or does not show it.
    init(call: String, code: Int32, sysctl: String?) {
        let said = "\(call): \(SystemError.text(of: code))"
        switch code {
        case EPERM where sysctl == "1" || sysctl == "2":
            reason = "\(said), because the sysctl kernel.io_uring_disabled is \(sysctl ?? "")"
        case EPERM, EACCES:
            reason = "\(said). A seccomp profile or a security module forbids it"
        case ENOSYS:
            reason = "\(said). This kernel has no io_uring, or a seccomp profile hides it"
        case EINVAL:
            reason = "\(said). It needs Linux 6.1 or later"
        case ENOMEM:
            reason = "\(said). The limit of locked memory or that of the control group is too low"
        default:
            reason = said
        }
    }

    private static func sysctl() -> String? {
        let file = open("/proc/sys/kernel/io_uring_disabled", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var digit: UInt8 = 0
        guard read(file, &digit, 1) == 1 else { return nil }
        return String(UnicodeScalar(digit))
    }
}
