@testable import Codec

/// What clients offer about compression: an agreement is one that the RFC has, and agreeing to our own reply, sent back
/// as an offer, comes to the same.
enum OffersTarget {
    @Sendable static func run(_ input: UnsafeRawBufferPointer) {
        let header = String(decoding: input, as: UTF8.self)
        for element in ExtensionList.parse(header) {
            expect(FieldText.isToken(Array(element.name.utf8)), "the name '\(element.name)' is no token")
            for (name, value) in element.parameters {
                expect(FieldText.isToken(Array(name.utf8)), "the parameter '\(name)' is no token")
                if let value { expect(FieldText.isToken(Array(value.utf8)), "the value '\(value)' is no token") }
            }
        }
        guard let agreement = DeflateAgreement(offers: header) else { return }
        expect([9, 15].contains(agreement.serverWindowBits), "a window of \(agreement.serverWindowBits) bits")
        expect(header.lowercased().contains("permessage-deflate"), "agreed to what was not offered")
        expect(agreement.response.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F }, "the reply is no header value")
        expect(DeflateAgreement(offers: agreement.response) == agreement, "the reply is another agreement")
        // What comes behind the offer that was taken does not matter.
        expect(DeflateAgreement(offers: header + ", x; y=z") == agreement, "a later offer counts")
    }
}
