internal import COpenSSL

/// What a key consists of, by OpenSSL's names (an array of `OSSL_PARAM`). The memory is overwritten before it is given back.
struct KeyParameters: ~Copyable {
    private var list: [OSSL_PARAM] = []
    private var memory: [UnsafeMutableRawBufferPointer] = []

    deinit {
        for bytes in memory {
            OPENSSL_cleanse(bytes.baseAddress, bytes.count)
            bytes.deallocate()
        }
    }

    /// A number that is not negative, its bytes from the greatest to the smallest. OpenSSL takes it in the machine's order.
    mutating func add(_ name: StaticString, number: [UInt8]) {
        #if _endian(little)
            let own = copy(number.reversed())
        #else
            let own = copy(number)
        #endif
        list.append(OSSL_PARAM_construct_BN(Self.pointer(name), own.bindMemory(to: UInt8.self).baseAddress, own.count))
    }

    mutating func add(_ name: StaticString, bytes: [UInt8]) {
        let own = copy(bytes)
        list.append(OSSL_PARAM_construct_octet_string(Self.pointer(name), own.baseAddress, own.count))
    }

    /// OpenSSL reads some texts up to the zero behind them, whatever size they are said to have: the name of a curve is one.
    mutating func add(_ name: StaticString, text: String) {
        let own = copy(Array(text.utf8) + [0])
        list.append(
            OSSL_PARAM_construct_utf8_string(
                Self.pointer(name), own.bindMemory(to: CChar.self).baseAddress, own.count - 1))
    }

    /// The array with its end, which is valid during the call.
    borrowing func withList<Result>(_ body: (UnsafeMutablePointer<OSSL_PARAM>?) -> Result) -> Result {
        var whole = list + [OSSL_PARAM_construct_end()]
        return whole.withUnsafeMutableBufferPointer { body($0.baseAddress) }
    }

    private mutating func copy(_ bytes: [UInt8]) -> UnsafeMutableRawBufferPointer {
        let own = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
        own.copyBytes(from: bytes)
        memory.append(own)
        return own
    }

    /// A literal lies in the program itself and stays.
    private static func pointer(_ name: StaticString) -> UnsafePointer<CChar> {
        UnsafeRawPointer(name.utf8Start).assumingMemoryBound(to: CChar.self)
    }
}
