import Foundation
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Templates and texts can be hostile: time is linear in their length, and what multiplies is
/// refused.
@Suite("Limits of Jinja")
struct JinjaLimitTests {
    private static func prelude(_ length: Int) -> String {
        "{% set N = \(length) %}{% set t = 'a' * N %}{% set sp = ' ' * N %}"
            + "{% set m = '\\u0301' * N %}{% set g = 'Σ' * N %}{% set nl = '\\n' * N %}"
    }

    private static let length = 200_000

    private static func render(_ template: String) throws -> String {
        try JinjaEvaluator.render(
            JinjaParser.parse(template), variables: [:], date: Date(), timeZone: .gmt)
    }

    /// Expressions over runs of N characters that give `factor * N + rest`.
    static let runs: [(expression: String, factor: Int, rest: Int)] = [
        ("t|upper|length", 1, 0),
        ("m|title|length", 1, 0),
        ("g|lower|replace('σ', '')|length", 0, 1),
        ("(g ~ m)|lower|length", 2, 0),
        ("sp|trim|length", 0, 0),
        ("sp|wordcount", 0, 0),
        ("t|wordwrap(1)|length", 2, -1),
        ("('<' * N)|striptags|length", 1, 0),
        ("('<!--' * N)|striptags|length", 4, 0),
        ("('<!-- -->' * N)|striptags|length", 0, 0),
        ("('&' * N)|striptags|length", 1, 0),
        ("t.split('a')|length", 1, 1),
        ("sp.split()|length", 0, 0),
        ("(' a' * N).rsplit(none, 5)|length", 0, 6),
        ("nl.splitlines()|length", 1, 0),
        ("t.replace('', 'b')|length", 2, 1),
        ("('ab' * N).find('b' * N)", 0, -1),
        ("(('%%' * N) % ())|length", 1, 0),
        ("('{{' * N).format()|length", 1, 0),
        ("('\\t' * N).expandtabs(9)|length", 9, 0),
        ("('<' * N)|e|length", 4, 0),
        ("[m]|string|length", 1, 4),
        ("m|tojson(true)|length", 6, 2),
        ("('1_' * N)|float|int", 0, 0),
        ("t|list|unique|list|length", 0, 1),
        ("t[::-1]|length", 1, 0),
        ("'a'.join(t)|length", 2, -1),
        ("t.strip(t)|length", 0, 0),
        ("nl|indent(1, blank=true)|length", 2, 0),
        ("t.title().swapcase()|length", 1, 0),
    ]

    // Far from the limit: the square of the length would be 40 billion steps for one expression.
    @Test(
        "work on runs of one character takes time in proportion to their length",
        .timeLimit(.minutes(10)))
    func longRuns() throws {
        for (expression, factor, rest) in Self.runs {
            let length = Self.length
            let template = Self.prelude(length) + "{{ " + expression + " }}"
            #expect(try Self.render(template) == "\(factor * length + rest)", "\(expression)")
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
            try Self.render(Self.prelude(Self.length) + "{{ (" + expression + ")|length }}")
        }
    }

    @Test(
        "loops over long values are stopped", .timeLimit(.minutes(10)),
        arguments: [
            "{{ {t: 1}[t] }}", "{{ t[i] }}", "{{ loop.changed(t) }}", "{{ 10 ** 4000 }}",
            "{{ range(100000)|last }}", "{{ '%.4000f' % 5e-324 }}",
        ])
    func loops(_ body: String) {
        #expect(throws: JinjaFailure.self) {
            try Self.render(
                Self.prelude(Self.length) + "{% for i in range(100000) %}" + body + "{% endfor %}")
        }
    }

    @Test("templates take time in proportion to their length", .timeLimit(.minutes(10)))
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
