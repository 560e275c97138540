import Foundation
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Templates and texts can be hostile: time is linear in their length, and what multiplies is
/// refused. What took the square of the length would not end within the limits here.
@Suite("Limits of Jinja")
struct JinjaLimitTests {
    private static let length = 200_000

    private static let prelude =
        "{% set t = 'a' * \(length) %}{% set sp = ' ' * \(length) %}"
        + "{% set m = '\\u0301' * \(length) %}{% set g = 'Σ' * \(length) %}"
        + "{% set nl = '\\n' * \(length) %}"

    private static func render(_ template: String) throws -> String {
        try JinjaEvaluator.render(
            JinjaParser.parse(template), variables: [:], date: Date(), timeZone: .gmt)
    }

    /// Expressions over long runs, and what they give.
    static let runs: [(expression: String, result: String)] = [
        ("t|upper|length", "200000"), ("m|title|length", "200000"), ("g|lower|last", "ς"),
        ("(g ~ m)|lower|length", "400000"), ("sp|trim|length", "0"), ("sp|wordcount", "0"),
        ("t|wordwrap(1)|length", "399999"), ("('-' * 200000)|wordwrap(3)|length", "266666"),
        ("('<' * 200000)|striptags|length", "200000"),
        ("('<!--' * 50000)|striptags|length", "200000"),
        ("('<!-- -->' * 20000)|striptags|length", "0"),
        ("('&' * 200000)|striptags|length", "200000"), ("t.split('a')|length", "200001"),
        ("sp.split()|length", "0"), ("(' a' * 100000).rsplit(none, 5)|length", "6"),
        ("nl.splitlines()|length", "200000"), ("t.replace('', 'b')|length", "400001"),
        ("('ab' * 100000).find('b' * 100000)", "-1"), ("('%%' * 100000) % ()|length", "100000"),
        ("('{{' * 100000).format()|length", "100000"), ("(('%s' * 9999) % (t,))|d('')", "!"),
        ("('\\t' * 20000).expandtabs(100)|length", "2000000"), ("t|e|length", "200000"),
        ("('<' * 200000)|e|length", "800000"), ("[m]|string|length", "200004"),
        ("m|tojson(true)|length", "1200002"), ("('1' * 200000)|int", "0"),
        ("('1_' * 100000)|float", "0.0"), ("t|list|unique|join", "a"), ("t[::-1]|length", "200000"),
        ("'a'.join(t)|length", "399999"), ("t.strip(t)|length", "0"),
        ("nl|indent(1, blank=true)|length", "400000"), ("t.title().swapcase()|length", "200000"),
    ]

    @Test("work on long runs takes time in proportion", .timeLimit(.minutes(3)))
    func longRuns() throws {
        for (expression, result) in Self.runs {
            let template = Self.prelude + "{{ " + expression + " }}"
            if result == "!" {
                #expect(throws: JinjaFailure.self, "\(expression)") { try Self.render(template) }
            } else {
                #expect(try Self.render(template) == result, "\(expression)")
            }
        }
    }

    @Test(
        "what multiplies is refused",
        arguments: [
            "'%1000000000d' % 1", "'%.1000000000f' % 1", "'{:1000000000}'.format(1)",
            "'{:.1000000000f}'.format(1.5)", "t.center(1000000000)", "'a'.zfill(1000000000)",
            "t.ljust(9223372036854775807)", "'\\t'.expandtabs(99999999999)",
            "('\\t' * 200000).expandtabs(1000000)", "t * 1000000", "[t] * 10000000",
            "2 ** 1000000000", "2 ** (2 ** 70)", "(10 ** 4000) ** 2",
            "'%*d' % (-9223372036854775807, 1)",
            "('0x' ~ '1' * 200000)|int(base=16)", "range(100001)", "nl|indent(1000)",
            "range(-9223372036854775807, 9223372036854775807)", "'a' * (2 ** 70)",
            "range(100)|slice(2000000)|list", "[1]|batch(2000000, 1)|list",
            "t|replace('', t)", "t.join(t)", "t|join(t)",
        ])
    func multiplied(_ expression: String) {
        #expect(throws: JinjaFailure.self) {
            try Self.render(Self.prelude + "{{ (" + expression + ")|length }}")
        }
    }

    @Test(
        "loops over long values are stopped", .timeLimit(.minutes(3)),
        arguments: [
            "{{ {t: 1}[t] }}", "{{ t[i] }}", "{{ t == t ~ '' }}", "{{ t.endswith('b') }}",
            "{{ t|length }}", "{{ 'b'.strip(t) }}", "{{ loop.changed(t) }}", "{{ 10 ** 4000 }}",
            "{{ t is lower }}", "{{ range(100000)|last }}", "{{ i in range(100000) }}",
            "{{ ('1' * 4300)|int }}", "{{ '%.4000f' % 5e-324 }}", "{% for j in t %}{% endfor %}",
        ])
    func loops(_ body: String) {
        #expect(throws: JinjaFailure.self) {
            try Self.render(
                Self.prelude + "{% for i in range(100000) %}" + body + "{% endfor %}")
        }
    }

    @Test("templates take time in proportion to their length", .timeLimit(.minutes(3)))
    func templates() {
        let count = Self.length
        let texts = [
            String(repeating: "{ ", count: count), String(repeating: "{%", count: count),
            "{% raw %}" + String(repeating: "{% endraw ", count: count / 4),
            String(repeating: "a    {%- if 1 %}{% endif %}", count: count / 20),
            "{{ '" + String(repeating: "\\n", count: count) + "' }}",
            "{{ " + String(repeating: "1", count: count) + " }}",
            "{{ [" + String(repeating: "1,", count: count) + "]|length }}",
            "{% for " + String(repeating: "a,", count: count) + "b in [] %}{% endfor %}",
            "{{ a" + String(repeating: ".b", count: count) + " }}",
            String(repeating: "{% macro f() %}{% endmacro %}", count: count / 20),
            "{{ f(" + (0..<5000).map { "a\($0)=1" }.joined(separator: ",") + ") }}",
        ]
        for text in texts {
            // Some are malformed; they are refused as fast as the others are read.
            let result = Result { try Self.render(text) }
            if case .failure(let error) = result { #expect(error is JinjaFailure) }
        }
    }
}
