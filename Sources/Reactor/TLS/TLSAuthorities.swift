import CLinux
internal import COpenSSL
import Files
import Glibc

/// Certificates whose signatures are believed.
struct TLSAuthorities {
    private let file: String
    private let certificates: [Certificate]

    init(_ file: String) throws(TLSError) {
        self.file = file
        certificates = try PEMFile(file).certificates()
    }

    /// Trusts them, and when `naming`, tells clients whose certificates are wanted.
    func trust(in context: OpaquePointer, naming: Bool = false) throws(TLSError) {
        guard let store = SSL_CTX_get_cert_store(context) else {
            throw .library(doing: "open the store of authorities", reason: OpenSSLError.take())
        }
        ERR_clear_error()
        for certificate in certificates {
            guard X509_STORE_add_cert(store, certificate.pointer) == 1,
                !naming || SSL_CTX_add_client_CA(context, certificate.pointer) == 1
            else { throw .refused(file: file, reason: OpenSSLError.take()) }
        }
    }

    /// Trusts whom the system trusts; SSL_CERT_FILE and SSL_CERT_DIR of the environment are heeded.
    static func trustSystem(in context: OpaquePointer) throws(TLSError) {
        let file = path(X509_get_default_cert_file_env(), X509_get_default_cert_file())
        let directory = path(X509_get_default_cert_dir_env(), X509_get_default_cert_dir())
        // OpenSSL is content with neither, and then refuses everybody.
        guard access(file, R_OK) == 0 || hasEntries(directory) else {
            throw .noSystemAuthorities(file: file, directory: directory)
        }
        // OpenSSL would wait for somebody to write into a pipe.
        if let kind = FileKind.of(file), kind != .regular { throw .notRegular(file: file, kind) }
        ERR_clear_error()
        guard SSL_CTX_set_default_verify_paths(context) == 1 else {
            throw .library(doing: "read the system's authorities", reason: OpenSSLError.take())
        }
        ERR_clear_error()
    }

    private static func path(_ variable: UnsafePointer<CChar>?, _ usual: UnsafePointer<CChar>?) -> String {
        if let variable, let value = getenv(variable) { return String(cString: value) }
        return usual.map { String(cString: $0) } ?? ""
    }

    private static func hasEntries(_ path: String) -> Bool {
        guard let directory = opendir(path) else { return false }
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            // `.` and `..` are everywhere.
            if entry.pointee.d_name.0 != CChar(UInt8(ascii: ".")) { return true }
        }
        return false
    }
}
