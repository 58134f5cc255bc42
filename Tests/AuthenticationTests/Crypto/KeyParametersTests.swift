import COpenSSL
import Testing

@testable import Authentication

/// What OpenSSL is given of a key.
@Suite struct KeyParametersTests {
    /// OpenSSL takes the name of a curve for a C string. Without a zero behind it, whether a key could be read depended on what the memory
    /// held before.
    @Test func textsEndWithAZero() {
        var parameters = KeyParameters()
        parameters.add("group", text: "secp384r1")
        let text = parameters.withList { list -> [UInt8]? in
            guard let first = list?.pointee, let data = first.data else { return nil }
            return Array(UnsafeRawBufferPointer(start: data, count: first.data_size + 1))
        }
        #expect(text == Array("secp384r1".utf8) + [0])
    }
}
