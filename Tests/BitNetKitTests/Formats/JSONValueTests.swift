import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("JSON")
struct JSONValueTests {
    private func parse(_ text: String) throws(BitNetError) -> JSONValue {
        try JSONValue(parsing: ByteRegion(Array(text.utf8), path: "x.json"))
    }

    @Test("values keep their kind")
    func kinds() throws {
        let value = try parse(
            #" {"a": [1, -2.5e1, true, false, null, "s"], "big": 9223372036854775807, "f": 1.0} "#)
        #expect(
            value["a"]
                == .array([.int(1), .double(-25), .bool(true), .bool(false), .null, .string("s")]))
        #expect(value["big"]?.int == Int.max)
        #expect(value["f"] == .double(1))
        #expect(value["f"]?.int == 1)
        #expect(try parse("18446744073709551616").int == nil)
        #expect(try parse("0").int == 0)
        #expect(try parse("1").bool == nil)
        #expect(try parse("\u{FEFF}{}").object?.members.isEmpty == true)
    }

    @Test("escapes and surrogate pairs are decoded")
    func strings() throws {
        let value = try parse(#""\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00é""#)
        #expect(value.string?.utf8.elementsEqual("\"\\/\u{8}\u{c}\n\r\té😀é".utf8) == true)
    }

    @Test("keys that differ only in normalisation stay apart, in order")
    func normalisation() throws {
        let value = try parse(#"{"e\u0301": 1, "\u00e9": 2}"#)
        #expect(value.object?.members.count == 2)
        #expect(value["e\u{301}"]?.int == 1)
        #expect(value["\u{e9}"]?.int == 2)
    }

    @Test(
        "what is not JSON is a malformed file",
        arguments: [
            "", " ", "{", "[", "[1", "[1,", "[1,]", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{a:1}",
            "01",
            "1.", "-", "+1", ".5", "1e", "1e999", "tru", "nul", "\"", "\"\\", "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\\x\"", "\"a\nb\"", "[] []",
            "{\"a\":1,\"a\":2}",
            "NaN", "'a'", "[1 2]", "{\"a\" 1}", "{1:2}",
        ])
    func malformed(text: String) {
        #expect(failure { () throws(BitNetError) in try parse(text) }?.isMalformedFile == true)
    }

    @Test("bytes that are not UTF-8 are a malformed file")
    func invalidUTF8() {
        let region = ByteRegion([0x22, 0xC3, 0x28, 0x22], path: "x.json")
        #expect(
            failure { () throws(BitNetError) in try JSONValue(parsing: region) }?.isMalformedFile
                == true)
    }

    @Test("deep nesting is an error, not a crash", arguments: ["[", "{\"a\":", "[{\"a\":"])
    func nesting(unit: String) {
        let text = String(repeating: unit, count: 100_000)
        #expect(failure { () throws(BitNetError) in try parse(text) }?.isMalformedFile == true)
        let allowed = String(repeating: "[", count: 128) + String(repeating: "]", count: 128)
        #expect(failure { () throws(BitNetError) in try parse(allowed) } == nil)
        #expect(failure { () throws(BitNetError) in try parse("[" + allowed + "]") } != nil)
    }

    @Test("typed access tells an absent key from a key of the wrong type")
    func typedAccess() throws {
        let value = try parse(#"{"n": 1, "s": "x", "z": null, "d": 1.5, "b": true, "o": {"k": 2}}"#)
        #expect(try value.int("n", in: "c") == 1)
        #expect(try value.int("z", in: "c") == nil)
        #expect(try value.int("absent", in: "c") == nil)
        #expect(try value.double("n", in: "c") == 1)
        #expect(try value.double("d", in: "c") == 1.5)
        #expect(try value.bool("b", in: "c") == true)
        #expect(try value.object("o", in: "c")?.int("k", in: "c") == 2)
        let error = failure { () throws(BitNetError) in try value.int("s", in: "c") }
        #expect(
            error
                == .invalidMetadata(
                    path: "c", key: "s", detail: "expected a whole number, found a string"))
        #expect(failure { () throws(BitNetError) in try value.int("d", in: "c") } != nil)
        #expect(failure { () throws(BitNetError) in try value.bool("n", in: "c") } != nil)
        #expect(failure { () throws(BitNetError) in try value.string("n", in: "c") } != nil)
        #expect(failure { () throws(BitNetError) in try value.array("n", in: "c") } != nil)
    }
}
