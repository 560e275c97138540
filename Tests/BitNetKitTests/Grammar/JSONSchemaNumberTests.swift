import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Numbers of JSON schemas")
struct JSONSchemaNumberTests {
    @Test(
        "are written as the schema spells them",
        arguments: [
            "9223372036854775807", "9223372036854775808", "-9223372036854775809",
            "18446744073709551615", "12345678901234567890123456789012345678901234567890", "1.0",
            "1.10", "1e5", "1E+5", "1e-7", "0.1", "-0", "-0.0", "100000000000000000000000.5",
            "3.141592653589793238462643383279", "1e400", "5e-324", "1e-400", "0",
        ])
    func spelling(_ number: String) throws {
        for schema in [
            #"{"const":\#(number)}"#, #"{"enum":["x",\#(number)]}"#,
            #"{"const":\#(number),"type":"number"}"#,
        ] {
            let grammar = try Grammar(jsonSchema: schema)
            #expect(try grammar.accepts(number), "\(schema)")
            #expect(try !grammar.accepts(number + "0"))
        }
        let nested = try Grammar(jsonSchema: #"{"const":{"a":[\#(number),{"b":\#(number)}]}}"#)
        #expect(try nested.accepts(#"{"a":[\#(number),{"b":\#(number)}]}"#))
    }

    @Test(
        "whether a number is whole does not depend on its size",
        arguments: [
            ("9223372036854775809", true), ("1e20", true), ("1.50e1", true), ("1.0", true),
            ("10000000000000000000000.5", false), ("1e-1", false), ("1.5", false),
        ])
    func wholeness(_ number: String, _ isWhole: Bool) throws {
        let grammar = try? Grammar(jsonSchema: #"{"type":"integer","const":\#(number)}"#)
        #expect((grammar != nil) == isWhole)
        if let grammar { #expect(try grammar.accepts(number)) }
    }

    @Test("what is no number of JSON is refused with its line", arguments: ["NaN", "-Infinity"])
    func notFinite(_ word: String) {
        for schema in [
            "{\n\n\"const\": [\(word)]}", "{\n\"type\": \"integer\",\n\"minimum\": \(word)}",
        ] {
            #expect {
                try Grammar(jsonSchema: schema)
            } throws: {
                "\($0)".contains("\(word) (line 3)")
            }
        }
        #expect(throws: Never.self) { try Grammar(jsonSchema: "{\"default\": \(word)}") }
    }

    /// Whether a whole number is in bounds, said again in Swift's own numbers.
    private struct Bounds {
        var minimum: Int?
        var maximum: Int?
        var isOpen = false
        var multiple: Int?

        var schema: String {
            var keywords = [#""type":"integer""#]
            if let minimum {
                keywords.append("\"\(isOpen ? "exclusiveMinimum" : "minimum")\":\(minimum)")
            }
            if let maximum {
                keywords.append("\"\(isOpen ? "exclusiveMaximum" : "maximum")\":\(maximum)")
            }
            if let multiple { keywords.append("\"multipleOf\":\(multiple)") }
            return "{" + keywords.joined(separator: ",") + "}"
        }

        func contains(_ value: Int) -> Bool {
            if let minimum, value < minimum || isOpen && value == minimum { return false }
            if let maximum, value > maximum || isOpen && value == maximum { return false }
            return multiple.map { value % $0 == 0 } ?? true
        }
    }

    @Test("are exactly those in the bounds, by trying every one", arguments: 0..<40)
    func integers(_ seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        let size = [12, 150, 1100].randomElement(using: &generator) ?? 12
        var bounds = Bounds()
        if Int.random(in: 0..<4, using: &generator) > 0 {
            bounds.minimum = Int.random(in: -size...size, using: &generator)
        }
        if Int.random(in: 0..<4, using: &generator) > 0 {
            bounds.maximum = Int.random(in: -size...size, using: &generator)
        }
        bounds.isOpen = Bool.random(using: &generator)
        if Bool.random(using: &generator) || bounds.minimum == nil && bounds.maximum == nil {
            bounds.multiple = [1, 2, 3, 7, 10, 12, 25, 100, 360].randomElement(using: &generator)
        }
        let range = -1200...1200
        guard let grammar = try? Grammar(jsonSchema: bounds.schema) else {
            #expect(!range.contains { bounds.contains($0) }, "\(bounds.schema)")
            return
        }
        var checker = try GrammarChecker(grammar)
        let wrong = try range.filter { value in
            try checker.accepts("\(value)") != bounds.contains(value)
        }
        #expect(wrong.isEmpty, "\(bounds.schema)")
        for text in ["", "-", "-0", "007", "1.0", "1e1", "+1"] {
            #expect(try !grammar.accepts(text), "\(text)")
        }
    }

    @Test(
        "bounds of any length are exact",
        arguments: [
            (
                #""minimum":9223372036854775808,"maximum":18446744073709551615"#,
                ["9223372036854775808", "18446744073709551615", "10000000000000000000"],
                ["9223372036854775807", "18446744073709551616", "0", "-9223372036854775808"]
            ),
            (
                #""exclusiveMinimum":1e25,"maximum":10000000000000000000000003"#,
                ["10000000000000000000000001", "10000000000000000000000003"],
                ["10000000000000000000000000", "10000000000000000000000004", "1"]
            ),
            (
                #""minimum":-100000000000000000001,"exclusiveMaximum":-99999999999999999998"#,
                ["-100000000000000000001", "-99999999999999999999"],
                ["-100000000000000000002", "-99999999999999999998", "99999999999999999999"]
            ),
            (#""minimum":2.5,"maximum":4.0"#, ["3", "4"], ["2", "5"]),
            (#""minimum":-2.5,"maximum":-1e-3"#, ["-1", "-2"], ["-3", "0"]),
            (#""minimum":5,"exclusiveMinimum":5"#, ["6"], ["5"]),
            (#""minimum":5,"exclusiveMinimum":true"#, ["6"], ["5"]),
            (#""maximum":1e308"#, ["0", "-999999999999999999", "999999999999999999"], ["1.5"]),
            (#""minimum":0,"maximum":0"#, ["0"], ["1", "-1", "-0"]),
            (#""multipleOf":2.5,"minimum":0,"maximum":12"#, ["0", "5", "10"], ["2", "3", "12"]),
            (#""multipleOf":0.1,"maximum":3,"minimum":1"#, ["1", "2", "3"], ["0", "4"]),
            (#""multipleOf":1000,"minimum":1"#, ["1000", "123000"], ["0", "100", "1500"]),
            (#""multipleOf":9973,"minimum":0"#, ["0", "9973", "19946"], ["9972", "9974"]),
        ])
    func longBounds(_ keywords: String, _ valid: [String], _ invalid: [String]) throws {
        let grammar = try Grammar(jsonSchema: #"{"type":"integer",\#(keywords)}"#)
        for text in valid { #expect(try grammar.accepts(text), "\(text)") }
        for text in invalid { #expect(try !grammar.accepts(text), "\(text)") }
    }

    @Test("numbers with a fraction are compared digit by digit")
    func fractions() throws {
        let texts = (0..<16).flatMap { whole in
            ["", ".0", ".4", ".5", ".50", ".05", ".49", ".51", ".999"].flatMap { fraction in
                ["", "-"].map { "\($0)\(whole)\(fraction)" }
            }
        }
        for (low, high) in [(0.5, 12.25), (-3.05, 0.5), (-11.5, -2), (0, 1), (3, 3.5)] {
            let closed = try Grammar(
                jsonSchema: #"{"type":"number","minimum":\#(low),"maximum":\#(high)}"#)
            let open = try Grammar(
                jsonSchema: #"{"exclusiveMinimum":\#(low),"exclusiveMaximum":\#(high)}"#)
            var closedChecker = try GrammarChecker(closed)
            var openChecker = try GrammarChecker(open)
            for text in texts {
                let value = try #require(Double(text))
                let isMinusZero = value == 0 && text.hasPrefix("-")
                let isInClosed = try closedChecker.accepts(text)
                let isInOpen = try openChecker.accepts(text)
                #expect(isInClosed == (value >= low && value <= high && !isMinusZero), "\(text)")
                #expect(isInOpen == (value > low && value < high && !isMinusZero), "\(text)")
            }
        }
        let cents = try Grammar(jsonSchema: #"{"type":"number","multipleOf":0.05,"minimum":0}"#)
        for text in ["0", "1.05", "1.1", "1.10", "29"] { #expect(try cents.accepts(text)) }
        for text in ["1.01", "1.055", "-1"] { #expect(try !cents.accepts(text)) }
    }

    @Test(
        "bounds that nothing is in, and those that are no numbers, are refused",
        arguments: [
            (#""minimum":3,"maximum":2"#, "no integer is in the bounds"),
            (#""minimum":1,"maximum":4,"multipleOf":5"#, "no integer is in the bounds"),
            (#""exclusiveMinimum":1,"exclusiveMaximum":2"#, "no integer"),
            (#""minimum":"3""#, "minimum is a string"), (#""multipleOf":0"#, "greater than 0"),
            (#""multipleOf":-2"#, "greater than 0"), (#""multipleOf":10000019"#, "multipleOf"),
            (#""minimum":1e999"#, "digits"), (#""minimum":1e99999"#, "digits"),
            (#""multipleOf":999983"#, "too many rules"), (#""maxLength":3"#, "'maxLength'"),
        ])
    func refusals(_ keywords: String, _ detail: String) {
        #expect {
            try Grammar(jsonSchema: #"{"type":"integer",\#(keywords)}"#)
        } throws: { error in
            "\(error)".hasPrefix("grammar: ") && "\(error)".contains(detail)
        }
    }
}
