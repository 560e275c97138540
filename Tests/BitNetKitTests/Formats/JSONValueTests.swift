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
            value["a"]?.array.map { Array($0) } == [
                .int(1), .decimal(JSONDecimal(-25, spelling: "-2.5e1")), .bool(true),
                .bool(false), .null, .string("s"),
            ])
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
            "1.", "-", "+1", ".5", "1e", "Inf", "tru", "nul", "\"", "\"\\", "\"\\u12\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"", "\"\\udc00\"", "\"\\x\"", "\"a\nb\"", "[] []",
            "{\"a\":1,\"a\":2}",
            "nan", "-Inf", "'a'", "[1 2]", "{\"a\" 1}", "{1:2}",
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
                    path: "c", key: "s", detail: "expected a whole number, found 'x'"))
        #expect(failure { () throws(BitNetError) in try value.int("d", in: "c") } != nil)
        #expect(failure { () throws(BitNetError) in try value.bool("n", in: "c") } != nil)
        #expect(failure { () throws(BitNetError) in try value.string("n", in: "c") } != nil)
        #expect(failure { () throws(BitNetError) in try value.array("n", in: "c") } != nil)
    }

    @Test(
        "numbers keep the spelling that no other value has",
        arguments: [
            "0", "-1", "9223372036854775807", "9223372036854775808", "1.0", "1.50", "-2.5e1", "1E3",
            "-0", "0.1", "1e+18", "123456789012345678901234567890", "1e400", "4.9e-324", "1e-999",
        ])
    func spelling(_ number: String) throws {
        let value = try parse("[\(number)]").array?.first
        #expect(value?.spelling == number)
        let finite = Double(number).map { $0.isFinite } ?? false
        #expect((value?.double != nil) == finite)
        #expect(value?.double == (finite ? Double(number) : nil))
    }

    @Test("a whole number is one however it is spelled, and never a neighbour of it")
    func wholeNumbers() throws {
        let numbers = [
            ("1e3", 1000), ("-0", 0), ("2.50e1", 25), ("9007199254740993.0", 9_007_199_254_740_993),
            ("1e18", 1_000_000_000_000_000_000), ("0.00e5", 0), ("120e-1", 12),
        ]
        for (text, number) in numbers { #expect(try parse(text).int == number, "\(text)") }
        let others = [
            "9223372036854775808", "9.3e18", "0.5", "1e400", "1e-1", "-9223372036854775809",
        ]
        for text in others { #expect(try parse(text).int == nil, "\(text)") }
    }

    @Test("decimals are compared exactly")
    func decimals() throws {
        let ascending = [
            "-1e30", "-9223372036854775809", "-9223372036854775808", "-1.01", "-1", "-0.001", "0",
            "1e-300", "0.1", "0.10000000000000000001", "0.2", "9.99", "1e1", "10.5",
            "18446744073709551615", "18446744073709551615.5", "1e30",
        ]
        let numbers = try ascending.map { try #require(DecimalNumber($0)) }
        for (index, number) in numbers.enumerated() {
            for (other, second) in numbers.enumerated() {
                #expect((number < second) == (index < other))
                #expect((number == second) == (index == other))
            }
        }
        #expect(DecimalNumber("1.0") == DecimalNumber("10e-1"))
        #expect(DecimalNumber("-0") == DecimalNumber("0.00"))
        for text in ["", "-", "x", "1e", "1e9999", "1.2.3"] { #expect(DecimalNumber(text) == nil) }
    }

    @Test("what Python writes for numbers that are not finite is read, and named where it is used")
    func notFinite() throws {
        let value = try parse(
            "{\n \"a\": NaN,\n \"b\": [Infinity,\n -Infinity], \"c\": 1e999, \"d\": 1\n}")
        #expect(value["d"]?.int == 1)
        #expect(value["a"] == .notFinite(spelling: "NaN", line: 2))
        #expect(
            value["b"]?.array.map { Array($0) } == [
                .notFinite(spelling: "Infinity", line: 3),
                .notFinite(spelling: "-Infinity", line: 4),
            ])
        for (key, found) in [("a", "NaN (line 2)"), ("c", "1e999 (line 4)")] {
            #expect(value[key]?.double == nil && value[key]?.int == nil)
            let error = failure { () throws(BitNetError) in try value.double(key, in: "c.json") }
            #expect(error?.description.contains("expected a number, found \(found)") == true)
        }
    }

    @Test(
        "errors say the line, and which character it is",
        arguments: [
            ("{\n\"a\": \n @}", "line 3 (byte 9): unexpected character '@'"),
            ("[1,\n2 3]", "line 2 "), ("nope", "line 1 (byte 0): unexpected character 'n'"),
            ("[\u{1}]", "unexpected byte 1"), ("[Nan]", "unexpected character 'N'"),
        ])
    func lines(_ text: String, _ detail: String) {
        let error = failure { () throws(BitNetError) in try parse(text) }
        #expect(error?.description.contains(detail) == true)
    }
}
