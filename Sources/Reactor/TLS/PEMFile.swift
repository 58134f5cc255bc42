import CLinux
internal import COpenSSL
import Files

/// A file with certificates or a key in PEM form (RFC 7468), read whole.
struct PEMFile {
    let path: String
    private let bytes: [UInt8]

    init(_ path: String) throws(TLSError) {
        self.path = path
        do throws(FileError) { bytes = try FileContents.of(path, limit: TLSContext.fileBytes) } catch {
            throw TLSError(error, file: path)
        }
    }

    /// All certificates in the order of the file, at least one.
    func certificates() throws(TLSError) -> [Certificate] {
        guard let memory = memory() else { throw .library(doing: "read \(path)", reason: OpenSSLError.take()) }
        defer { BIO_free(memory) }
        var found: [Certificate] = []
        ERR_clear_error()
        while let certificate = PEM_read_bio_X509_AUX(memory, nil, nil, nil) {
            found.append(Certificate(owning: certificate))
        }
        // The end of the file shows as one more block that does not begin.
        let code = ERR_peek_last_error()
        let isEnd =
            OpenSSLError.library(of: code) == ERR_LIB_PEM && OpenSSLError.reason(of: code) == PEM_R_NO_START_LINE
        guard isEnd else { throw .damagedCertificate(file: path, reason: OpenSSLError.take()) }
        ERR_clear_error()
        guard !found.isEmpty else { throw .noCertificate(file: path) }
        return found
    }

    /// The first private key of the file; the caller frees it.
    func key() throws(TLSError) -> OpaquePointer {
        guard let memory = memory() else { throw .library(doing: "read \(path)", reason: OpenSSLError.take()) }
        defer { BIO_free(memory) }
        // Without a callback OpenSSL would ask at the terminal.
        var isEncrypted = false
        ERR_clear_error()
        let key = PEM_read_bio_PrivateKey(
            memory, nil,
            { _, _, _, context in
                context?.assumingMemoryBound(to: Bool.self).pointee = true
                return -1
            }, &isEncrypted)
        if let key { return key }
        defer { ERR_clear_error() }
        if isEncrypted { throw .encryptedKey(file: path) }
        guard contains("PRIVATE KEY-----") else { throw .noKey(file: path) }
        throw .damagedKey(file: path, reason: OpenSSLError.take())
    }

    private func memory() -> OpaquePointer? {
        // A copy: memory that is only lent would have to outlive this call.
        bytes.withUnsafeBufferPointer { source in
            guard let copy = BIO_new(BIO_s_mem()) else { return nil }
            if source.count > 0, BIO_write(copy, source.baseAddress, Int32(source.count)) != Int32(source.count) {
                BIO_free(copy)
                return nil
            }
            return copy
        }
    }

    private func contains(_ text: String) -> Bool {
        let wanted = Array(text.utf8)
        return bytes.indices.contains { bytes[$0] == wanted[0] && bytes[$0...].starts(with: wanted) }
    }
}

/// Holds one X509.
final class Certificate {
    let pointer: OpaquePointer

    init(owning pointer: OpaquePointer) { self.pointer = pointer }

    deinit { X509_free(pointer) }

    /// Whether it can be shown to somebody; `now` is in seconds since 1970.
    func check(in file: String, now: Int) throws(TLSError) {
        let certificate = TLSCertificate(pointer)
        if certificate.validFrom > now {
            throw .notYetValid(
                file: file, subject: certificate.subject, from: TLSCertificate.text(of: certificate.validFrom))
        }
        if certificate.validUntil < now {
            throw .expired(
                file: file, subject: certificate.subject, until: TLSCertificate.text(of: certificate.validUntil))
        }
    }
}
