import Testing

@testable import Codec

@Suite struct DeflateAgreementTests {
    static let without = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

    static let accepted: [(String, String, UInt8)] = [
        ("permessage-deflate", without, 15),
        ("PerMessage-Deflate", without, 15),
        ("permessage-deflate; client_max_window_bits", without, 15),
        ("permessage-deflate;client_max_window_bits=8", without, 15),
        ("permessage-deflate; client_max_window_bits=\"12\"", without, 15),
        ("permessage-deflate; client_no_context_takeover; server_no_context_takeover", without, 15),
        ("permessage-deflate; server_max_window_bits=15", without + "; server_max_window_bits=15", 15),
        ("permessage-deflate; server_max_window_bits=14", without + "; server_max_window_bits=9", 9),
        ("permessage-deflate; server_max_window_bits=9", without + "; server_max_window_bits=9", 9),
        ("x-webkit-deflate-frame, permessage-deflate", without, 15),
        (" , ,\tpermessage-deflate ; client_max_window_bits , more", without, 15),
        // The second offer is what a client falls back to (RFC 7692 7.1.3).
        ("permessage-deflate; server_max_window_bits=8, permessage-deflate", without, 15),
        (
            "permessage-deflate; unknown, permessage-deflate; server_max_window_bits=10",
            without + "; server_max_window_bits=9", 9
        ),
        ("foo; bar=\"a\\b\"; baz, permessage-deflate", without, 15),
    ]

    @Test(arguments: accepted)
    func takesTheFirstOfferItUnderstands(_ offers: String, _ response: String, _ bits: UInt8) throws {
        let agreement = try #require(DeflateAgreement(offers: offers))
        #expect(agreement.response == response)
        #expect(agreement.serverWindowBits == bits)
    }

    static let declined = [
        "", ",", ";", "=", "permessage-deflate2", "deflate", "permessage-deflate;", "permessage-deflate; =1",
        "permessage-deflate; server_max_window_bits", "permessage-deflate; server_max_window_bits=",
        "permessage-deflate; server_max_window_bits=8", "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16", "permessage-deflate; server_max_window_bits=09",
        "permessage-deflate; server_max_window_bits=+9", "permessage-deflate; server_max_window_bits=-9",
        "permessage-deflate; server_max_window_bits=9.0",
        "permessage-deflate; server_max_window_bits=99999999999999999999",
        "permessage-deflate; client_max_window_bits=0", "permessage-deflate; client_max_window_bits=16",
        "permessage-deflate; client_max_window_bits=\"15", "permessage-deflate; client_max_window_bits=\"1 5\"",
        "permessage-deflate; client_no_context_takeover=1", "permessage-deflate; server_no_context_takeover=true",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
        "permessage-deflate; mux", "permessage-deflate client_max_window_bits",
        "permessage-deflate; a=\"\\", "\"permessage-deflate\"", "perm\u{e9}ssage-deflate",
    ]

    @Test(arguments: declined)
    func declinesWhatItDoesNot(_ offers: String) {
        #expect(DeflateAgreement(offers: offers) == nil)
    }

    @Test func looksAtSixteenExtensions() {
        let others = Array(repeating: "x", count: 15)
        #expect(DeflateAgreement(offers: (others + ["permessage-deflate"]).joined(separator: ",")) != nil)
        #expect(DeflateAgreement(offers: (others + ["y", "permessage-deflate"]).joined(separator: ",")) == nil)
    }
}
