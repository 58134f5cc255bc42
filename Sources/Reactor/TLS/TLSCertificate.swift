import CLinux
internal import COpenSSL
import Glibc

/// What people want to know of a certificate.
package struct TLSCertificate: Equatable, Sendable, CustomStringConvertible {
    /// `CN=example.org, O=Example`
    package let subject: String
    package let issuer: String
    /// Seconds since 1970.
    package let validFrom: Int
    /// Seconds since 1970.
    package let validUntil: Int

    init(_ certificate: OpaquePointer) {
        subject = Self.text(of: X509_get_subject_name(certificate))
        issuer = Self.text(of: X509_get_issuer_name(certificate))
        validFrom = Self.seconds(X509_get0_notBefore(certificate))
        validUntil = Self.seconds(X509_get0_notAfter(certificate))
    }

    /// `of CN=example.org, signed by CN=Example CA, good until 2026-01-31 12:00:00 UTC`
    package var description: String {
        "of \(subject), signed by \(issuer), good until \(Self.text(of: validUntil))"
    }

    private static func text(of name: OpaquePointer?) -> String {
        guard let name, let memory = BIO_new(BIO_s_mem()) else { return "" }
        defer { BIO_free(memory) }
        guard carillon_X509_NAME_print(memory, name) >= 0 else { return "" }
        var start: UnsafeMutablePointer<CChar>?
        let count = carillon_BIO_get_mem_data(memory, &start)
        guard let start, count > 0 else { return "" }
        // Longer ones exist only to fill logs.
        return String(decoding: UnsafeRawBufferPointer(start: start, count: min(count, 256)), as: UTF8.self)
    }

    /// A time that cannot be read counts as 1970: expired.
    private static func seconds(_ time: UnsafePointer<ASN1_TIME>?) -> Int {
        var fields = tm()
        guard ASN1_TIME_to_tm(time, &fields) == 1 else { return 0 }
        return timegm(&fields)
    }

    /// `2026-01-31 12:00:00 UTC`
    package static func text(of seconds: Int) -> String {
        var time = time_t(seconds)
        var fields = tm()
        guard gmtime_r(&time, &fields) != nil else { return "\(seconds) s after 1970" }
        func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
        return "\(Int(fields.tm_year) + 1900)-\(two(fields.tm_mon + 1))-\(two(fields.tm_mday)) "
            + "\(two(fields.tm_hour)):\(two(fields.tm_min)):\(two(fields.tm_sec)) UTC"
    }
}
