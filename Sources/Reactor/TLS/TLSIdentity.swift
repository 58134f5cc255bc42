internal import COpenSSL

/// A certificate with those that signed it, and its private key, from files.
struct TLSIdentity {
    let certificates: String
    let key: String

    /// Checks everything and gives it to a context.
    ///
    /// - Returns: The first certificate, which is the identity's own.
    func install(in context: OpaquePointer, now: Int) throws(TLSError) -> TLSCertificate {
        let chain = try PEMFile(certificates).certificates()
        for certificate in chain { try certificate.check(in: certificates, now: now) }
        let privateKey = try PEMFile(key).key()
        defer { EVP_PKEY_free(privateKey) }
        let own = chain[0].pointer
        ERR_clear_error()
        guard X509_check_private_key(own, privateKey) == 1 else {
            ERR_clear_error()
            throw .keyMismatch(certificate: certificates, key: key)
        }
        guard SSL_CTX_use_certificate(context, own) == 1 else {
            throw .refused(file: certificates, reason: OpenSSLError.take())
        }
        guard SSL_CTX_use_PrivateKey(context, privateKey) == 1 else {
            throw .refused(file: key, reason: OpenSSLError.take())
        }
        for certificate in chain.dropFirst() {
            guard carillon_SSL_CTX_add1_chain_cert(context, certificate.pointer) == 1 else {
                throw .refused(file: certificates, reason: OpenSSLError.take())
            }
        }
        return TLSCertificate(own)
    }
}
