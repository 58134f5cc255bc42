/// Source, target and delta, made with `fossil test-delta-create` of Fossil 2.21 (Debian 12).
enum FossilFixtures {
    static let all: [(String, String, String)] = [
        (#"hello world"#, #"hello world"#, #"B\#nB:hello world19x_VR;"#),
        (
            #"the quick brown fox jumps over the lazy dog"#, #"the quick brown fox jumped over the lazy dog"#,
            #"h\#nO@0,K:ed over the lazy dog1jKbOp;"#
        ),
        (
            #"{"id":1,"price":100.25,"name":"a long name of an item","tags":["a","b"]}"#,
            #"{"id":1,"price":101.5,"name":"a long name of an item","tags":["a","b","c"]}"#,
            #"1B\#nI@0,2:1.m@L,6:,"c"]}35aiMK;"#
        ),
        (
            String(repeating: "0123456789abcdef", count: 8), String(repeating: "0123456789abcdef", count: 9) + "x",
            #"2H\#n20@0,G@1W,1:x1t9QZ2;"#
        ),
        (
            #"první žluťoučký kůň pěl ďábelské ódy"#, #"druhý žluťoučký kůň pěl ďábelské ódy!"#,
            #"m\#n6:druhýf@6,1:!wSiLV;"#
        ),
        (#"abc"#, #""#, #"0\#n0:0;"#),
        (#""#, #"abc"#, #"3\#n3:abc1XObC0;"#),
    ]
}
