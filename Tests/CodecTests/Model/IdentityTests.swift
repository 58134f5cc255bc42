import Codec
import Testing

@Suite struct IdentityTests {
    @Test(arguments: [0, 1, 0xABCD, UInt64.max])
    func nodesAreSixteenDigits(_ value: UInt64) {
        let text = NodeID(value).description
        #expect(text.utf8.count == 16)
        #expect(NodeID(text) == NodeID(value))
    }

    @Test(arguments: ["", "0", "000000000000000G", "00000000000000AB", "00000000000000001", "-000000000000001"])
    func otherTextIsNoNode(_ text: String) {
        #expect(NodeID(text) == nil)
    }

    @Test func sessionsComeBackFromTheirText() {
        var numbers = SeededNumbers(state: 1)
        for _ in 0..<100 {
            let id = SessionID(
                node: NodeID(numbers.next()), locator: numbers.next(), secret: .random(using: &numbers))
            #expect(id.description.utf8.count == 66)
            #expect(SessionID(id.description) == id)
            #expect(SessionID(id.description.dropLast()) == nil)
            #expect(SessionID(id.description.replacing("-", with: "_")) == nil)
        }
    }
}
