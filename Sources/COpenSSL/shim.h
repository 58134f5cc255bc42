#pragma once
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/params.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

// What OpenSSL spells as macros, for Swift, which sees functions and plain numbers only. The names are OpenSSL's own
// behind `carillon_`.

static inline int carillon_SSL_CTX_set_min_proto_version(SSL_CTX *context, int version) {
    return (int)SSL_CTX_set_min_proto_version(context, version);
}
static inline int carillon_SSL_CTX_set_max_proto_version(SSL_CTX *context, int version) {
    return (int)SSL_CTX_set_max_proto_version(context, version);
}
static inline void carillon_SSL_CTX_set_mode(SSL_CTX *context, long mode) { SSL_CTX_set_mode(context, mode); }
static inline void carillon_SSL_CTX_set_read_ahead(SSL_CTX *context, int on) { SSL_CTX_set_read_ahead(context, on); }
static inline void carillon_SSL_CTX_set_session_cache_mode(SSL_CTX *context, long mode) {
    SSL_CTX_set_session_cache_mode(context, mode);
}
static inline int carillon_SSL_CTX_add1_chain_cert(SSL_CTX *context, X509 *certificate) {
    return (int)SSL_CTX_add1_chain_cert(context, certificate);
}
static inline int carillon_SSL_set_tlsext_host_name(SSL *ssl, const char *name) {
    return (int)SSL_set_tlsext_host_name(ssl, name);
}
static inline X509 *carillon_SSL_get0_peer_certificate(const SSL *ssl) { return SSL_get0_peer_certificate(ssl); }
static inline int carillon_SSL_session_reused(const SSL *ssl) { return SSL_session_reused(ssl); }

/// Options of every context: no renegotiation, no compression, our order of ciphers (but ChaCha20 for clients that
/// prefer it, which have no AES in hardware).
static const uint64_t carillon_ssl_options = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION
    | SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA;

/// What EVP_PKEY_fromdata is to take out of the parameters.
static const int carillon_EVP_PKEY_PUBLIC_KEY = EVP_PKEY_PUBLIC_KEY;
static const int carillon_EVP_PKEY_KEYPAIR = EVP_PKEY_KEYPAIR;

static inline void carillon_BIO_set_retry_read(BIO *bio) { BIO_set_retry_read(bio); }
static inline void carillon_BIO_set_retry_write(BIO *bio) { BIO_set_retry_write(bio); }
static inline void carillon_BIO_clear_retry_flags(BIO *bio) { BIO_clear_retry_flags(bio); }

/// A name on one line, `CN=example.org, O=Example`: control characters escaped, UTF-8 as it is.
static inline int carillon_X509_NAME_print(BIO *bio, const X509_NAME *name) {
    return X509_NAME_print_ex(bio, name, 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB & ~XN_FLAG_SPC_EQ);
}
static inline long carillon_BIO_get_mem_data(BIO *bio, char **start) { return BIO_get_mem_data(bio, start); }

/// Room for what is made at once: four records of 16 KiB, and one more that updates a key.
#define CARILLON_RECORD_SCRATCH (4 * (16384 + 22) + 32)

/// What a thread encrypts and decrypts records with: a context for each of three ciphers and both directions, and which
/// keys are in it.
struct carillon_record_tools {
    EVP_CIPHER_CTX *contexts[6];
    uint64_t identities[6];
    unsigned char *scratch;
};
typedef struct carillon_record_tools *carillon_record_tools_pointer;

static inline carillon_record_tools_pointer carillon_record_tools(void) {
    static __thread struct carillon_record_tools tools;
    return &tools;
}
static inline EVP_CIPHER_CTX *carillon_record_tools_context(carillon_record_tools_pointer tools, int index) {
    return tools->contexts[index];
}
static inline uint64_t carillon_record_tools_identity(carillon_record_tools_pointer tools, int index) {
    return tools->identities[index];
}
static inline void carillon_record_tools_set(
    carillon_record_tools_pointer tools, int index, EVP_CIPHER_CTX *context, uint64_t identity) {
    tools->contexts[index] = context;
    tools->identities[index] = identity;
}
static inline void *carillon_record_tools_scratch(carillon_record_tools_pointer tools) {
    if (!tools->scratch) tools->scratch = (unsigned char *)OPENSSL_malloc(CARILLON_RECORD_SCRATCH);
    return tools->scratch;
}

/// 16 KiB for gathering what goes into one record; every thread has its own.
static inline void *carillon_record_scratch(void) {
    static __thread unsigned char scratch[16384];
    return scratch;
}
