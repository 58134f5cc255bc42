import Codec
import Glibc
import Reactor

/// How members come in: TCP, TLS where the target wants it, the WebSocket's handshake, the dialect's greeting.
extension ClientSwarm {
    private static let statusLine = Array("HTTP/1.1 101".utf8)
    private static let blankLine = Array("\r\n\r\n".utf8)

    /// Begins to connect everybody; `settled` is called once.
    package func connect() { pump() }

    func pump() {
        while !isClosing, underWay < configuration.inFlight, started < configuration.members {
            let index = started
            started += 1
            underWay += 1
            begin(index)
        }
        while !isClosing, underWay < configuration.inFlight, let index = returning.popLast() {
            underWay += 1
            begin(index)
        }
        if started == configuration.members, underWay == 0, !isSettled {
            isSettled = true
            settled?()
        }
    }

    private func begin(_ index: Int) {
        let target = target(of: index)
        do {
            guard let address = target.addresses.first else {
                throw SystemError(call: "connect to \(target.authority)", code: EADDRNOTAVAIL)
            }
            let descriptor = try Socket.connect(
                to: address,
                from: sources.source(of: index / configuration.targets.count, to: address))
            members[index].stream = Stream(descriptor: descriptor)
            members[index].phase = .connecting
            // On loopback the connection stands already: then waiting for writability would only cost.
            let isSent = try target.isEncrypted ? false : sendRequest(index)
            try reactor.register(
                descriptor, for: isSent ? .readable : .writable, handler: handler, slot: UInt32(index), generation: 0)
        } catch {
            fail(index, "\(error)")
        }
    }

    /// Members are spread over the targets in turn. Where a target sends its members away, they spread over the others.
    private func target(of index: Int) -> Target { configuration.targets[targetIndex(of: index)] }

    private func targetIndex(of index: Int) -> Int {
        let count = configuration.targets.count
        let moves = Int(members[index].moves)
        guard moves > 0, count > 1 else { return index % count }
        let step = 1 + index / count % (count - 1)
        return (index + moves * step) % count
    }

    /// The server asked a member to come back: it does, to another target.
    func comeBack(_ index: Int) {
        members[index].stream.close()
        members[index].release()
        members[index].stream = Stream(descriptor: -1)
        members[index].phase = .closed
        members[index].moves = max(1, members[index].moves &+ 1)
        status.open -= 1
        status.away += 1
        returning.append(index)
        // Not from inside `read`, which goes on with this member.
        reactor.post { self.pump() }
    }

    /// - Returns: False when the connection does not stand yet.
    private func sendRequest(_ index: Int) throws(SystemError) -> Bool {
        let result = request(of: index).withUnsafeBytes { members[index].stream.send($0) }
        switch result {
        case .bytes:
            members[index].phase = .shaking
            return true
        case .wouldBlock: return false
        case .failed(let code):
            throw SystemError(call: "connect to \(target(of: index).authority)", code: code)
        }
    }

    private func request(of index: Int) -> [UInt8] {
        guard let numbers = configuration.numbers, !numbers.isEmpty else { return requests[targetIndex(of: index)] }
        let number = numbers.lowerBound + (configuration.firstNumber + index) % numbers.count
        let writer = ByteWriter()
        handshake.writeRequest(to: target(of: index).numbered(number), in: writer)
        return Array(writer.bytes)
    }

    func connected(_ index: Int) {
        let target = target(of: index)
        do {
            let error = Socket.pendingError(members[index].descriptor)
            guard error == 0 else { throw SystemError(call: "connect to \(target.authority)", code: error) }
            if target.isEncrypted { return try encrypt(index, target) }
            guard try sendRequest(index) else { return }
            watch(index, for: .readable)
        } catch {
            fail(index, "\(error)")
        }
    }

    private func encrypt(_ index: Int, _ target: Target) throws(TLSError) {
        guard let tls = configuration.tls else {
            return fail(index, "\(target.authority) wants TLS, and there is none")
        }
        members[index].stream = try Stream(
            descriptor: members[index].descriptor, context: tls, serverName: target.host)
        members[index].phase = .securing
        // A handshake is several messages of its own, which must not wait for each other.
        Socket.setNoDelay(members[index].descriptor)
        secure(index)
    }

    /// Goes on with the TLS handshake.
    func secure(_ index: Int) {
        switch members[index].stream.handshake() {
        case .wantsRead: watch(index, for: .readable)
        case .wantsWrite: watch(index, for: .writable)
        case .failed(let failure): fail(index, failure.description)
        case .done:
            watch(index, for: .readable)
            do {
                // The socket's buffer is empty.
                guard try sendRequest(index) else { return fail(index, "the request could not be sent") }
            } catch {
                fail(index, "\(error)")
            }
        }
    }

    /// Reads what may be the reply to the request.
    ///
    /// - Returns: How many bytes the reply took; nil when it is not whole, or the member is gone.
    func shake(_ index: Int, _ bytes: UnsafeRawBufferPointer) -> Int? {
        switch check(bytes) {
        case .incomplete:
            members[index].keep(bytes)
            return nil
        case .refused(let reason):
            fail(index, reason)
            return nil
        case .opened(_, false) where handshake.offersCompression:
            fail(index, "the server does not agree to permessage-deflate")
            return nil
        case .opened(let consumed, _):
            greet(index)
            return members[index].descriptor >= 0 ? consumed : nil
        }
    }

    private func check(_ bytes: UnsafeRawBufferPointer) -> ClientHandshake.Reply {
        // The quick way for a reply that came alone and whole; otherwise the thorough one.
        let isQuick =
            !handshake.offersCompression && bytes.starts(with: Self.statusLine)
            && bytes.suffix(4).elementsEqual(Self.blankLine) && contains(bytes, expectedAccept)
        return isQuick ? .opened(consumed: bytes.count, isCompressed: false) : handshake.check(bytes)
    }

    private func contains(_ bytes: UnsafeRawBufferPointer, _ text: [UInt8]) -> Bool {
        var at = 0
        while bytes.count - at >= text.count {
            guard let found = memchr(bytes.baseAddress! + at, Int32(text[0]), bytes.count - at - text.count + 1)
            else { return false }
            if memcmp(found, text, text.count) == 0 { return true }
            at = UnsafeRawPointer(found) - bytes.baseAddress! + 1
        }
        return false
    }

    private func greet(_ index: Int) {
        guard let greeting else { return opened(index) }
        members[index].phase = .greeting
        guard case .bytes = greeting.withUnsafeBytes({ members[index].stream.send($0) }) else {
            return fail(index, "the greeting could not be sent")
        }
    }

    func opened(_ index: Int) {
        members[index].phase = .open
        status.open += 1
        if members[index].moves > 0 {
            status.away -= 1
            status.returned += 1
        }
        underWay -= 1
        pump()
    }
}
