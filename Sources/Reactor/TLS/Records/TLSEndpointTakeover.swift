internal import COpenSSL

/// From OpenSSL's records to ours, at the end of a handshake.
extension TLSEndpoint {
    /// Whether the records of a connection are ours. OpenSSL's `SSL` is gone then.
    var hasOwnRecords: Bool { state.pointee.records != nil }

    /// Makes the records ours where everything is as they know it: TLS 1.3, a cipher of `TLSCipher`, nothing half done.
    /// Everything else stays with OpenSSL.
    func takeOver() {
        guard let takeover = state.pointee.takeover else { return }
        defer {
            endTakeover()
            // A record is read at once from here on, not its header first.
            if let ssl = state.pointee.ssl { SSL_set_read_ahead(ssl, 1) }
        }
        guard let ssl = state.pointee.ssl, SSL_is_server(ssl) == 1, SSL_version(ssl) == TLS1_3_VERSION,
            // Nothing was read that OpenSSL did not ask for, so that nothing is lost with it.
            SSL_has_pending(ssl) == 0, SSL_get_shutdown(ssl) == 0,
            SSL_get_key_update_type(ssl) == SSL_KEY_UPDATE_NONE,
            SSL_get_early_data_status(ssl) == SSL_EARLY_DATA_NOT_SENT
                || SSL_get_early_data_status(ssl) == SSL_EARLY_DATA_REJECTED,
            // A client that wants short records gets them from OpenSSL (RFC 6066 4).
            SSL_SESSION_get_max_fragment_length(SSL_get_session(ssl)) == UInt8(TLSEXT_max_fragment_length_DISABLED),
            let cipher = TLSCipher(suite: SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl))),
            let agreed = negotiated, let made = takeover.pointee.records(cipher, agreed)
        else { return }
        let records = UnsafeMutablePointer<TLSRecords>.allocate(capacity: 1)
        records.initialize(to: made)
        state.pointee.records = records
        // As if it had said goodbye, because one without is not to be resumed.
        SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN)
        state.pointee.ssl = nil
        SSL_free(ssl)
        ERR_clear_error()
    }

    /// Forgets what was gathered.
    func endTakeover() {
        guard let takeover = state.pointee.takeover else { return }
        takeover.pointee.wipe()
        takeover.deinitialize(count: 1)
        takeover.deallocate()
        state.pointee.takeover = nil
    }
}
