import Foundation
import Synchronization
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Jinja")
struct JinjaTests {
    static let variables: [String: JinjaValue] = [
        "s": .string("Hello World"), "n": .integer(7), "z": .none, "t": .bool(true),
        "l": .list(JinjaList([.integer(1), .integer(2), .integer(3)])),
        "d": .dictionary(JinjaDictionary([("a", .integer(1)), ("items", .integer(5))])),
        "messages": .list(
            JinjaList(
                [("user", " Hi "), ("assistant", "<think>\nx\n</think>\n\nYes")].map { role, text in
                    .dictionary(
                        JinjaDictionary([("role", .string(role)), ("content", .string(text))]))
                })),
    ]

    static func render(_ template: String) throws -> String {
        try JinjaEvaluator.render(
            JinjaParser.parse(template), variables: variables, date: Date(), timeZone: .gmt)
    }

    /// Templates and what jinja2 3.1 makes of them in transformers' settings.
    static let cases: [(String, String)] = [
        ("a{{ s }}b\n", "aHello Worldb"), ("x\n\n", "x\n"),
        ("  {% if t %}\n x\n  {% endif %}\ny", " x\ny"),
        ("a  {% if t %}b{% endif %}  c", "a  b  c"),
        ("a\n  {%- if t -%}\n  b \n {%- endif %}\n c", "ab c"),
        ("a\n   {%+ if t +%}\n b{% endif %}", "a\n   \n b"), ("x\n  {# c #}\n  y", "x\n  y"),
        ("   {{- s -}}   \n z", "Hello Worldz"), ("{% raw %}{{ a }}{% endraw %}x", "{{ a }}x"),
        ("{{ q }}|{{ q is defined }}|{{ q|trim }}|{{ q|length }}|{{ q|list }}", "|False||0|[]"),
        ("{{ d['items'] }}{{ d.a }}", "51"),
        ("{{ 1 + 2 * 3 - 4 / 2 }} {{ 7 // 2 }} {{ -7 // 2 }} {{ -7 % 3 }}", "5.0 3 -4 2"),
        ("{{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} {{ 2 ** -1 }}", "64 4 0.5"),
        ("{{ 'a' ~ 1 ~ none ~ 2.0 ~ [1, 'x'] ~ true }}", "a1None2.0[1, 'x']True"),
        ("{{ 1 < 3 < 2 }}{{ true == 1 }}{{ [1,2] < [1,3] }}", "FalseTrueTrue"),
        ("{{ 'ell' in s }}{{ 'x' not in s }}{{ 2 in l }}{{ 'a' in d }}", "TrueTrueTrueTrue"),
        ("{{ 'é' == 'e\\u0301' }}{{ 'é' in 'cafe\\u0301' }}", "FalseFalse"),
        ("{{ 'y' if t else 'n' }}{{ 'y' if not t }}", "y"),
        ("{{ s[0] }}{{ s[-1] }}{{ s[1:3] }}{{ s[::-1] }}{{ l[100::-2] }}", "HdeldlroW olleH[3, 1]"),
        (
            "{{ 'a,b,,c'.split(',') }}{{ ' a b  c '.split(none, 1) }}",
            "['a', 'b', '', 'c']['a', 'b  c ']"
        ),
        ("{{ 'aaa'.rsplit('aa') }}{{ 'abc'.replace('', '-') }}", "['a', '']-a-b-c-"),
        ("{{ messages[1].content.split('</think>')[-1].lstrip('\\n') }}", "Yes"),
        (
            "{{ {'b': 1, 'a': [2.0, none, 'é\\n']} | tojson }}",
            #"{"b": 1, "a": [2.0, null, "é\n"]}"#
        ),
        ("{{ {'b': [1, {}]} | tojson(indent=2) }}", "{\n  \"b\": [\n    1,\n    {}\n  ]\n}"),
        (
            "{{ messages|selectattr('role','equalto','user')|map(attribute='content')|join }}",
            " Hi "
        ),
        ("{% for i in l if i != 2 %}{{ loop.index }}/{{ loop.length }}{% endfor %}", "1/22/2"),
        ("{% for i in l %}{% if i == 2 %}{% continue %}{% endif %}{{ i }}{% endfor %}", "13"),
        ("{% for i in l %}{% break %}{% else %}none{% endfor %}", "none"),
        ("{% set x = 0 %}{% for i in l %}{% set x = i %}{{ x }}{% endfor %}{{ x }}", "1230"),
        (
            "{% set ns = namespace(a=0) %}{% for i in l %}{% set ns.a = ns.a + i %}{% endfor %}"
                + "{{ ns.a }}", "6"
        ),
        ("{% set x | upper %}ab{% endset %}{{ x }}{% filter upper %}c{% endfilter %}", "ABC"),
        (
            "{% macro f(a, b=2) %}[{{ a }},{{ b }}]{% endmacro %}{{ f(1) }}{{ f(b=1, a=0) }}",
            "[1,2][0,1]"
        ),
        (
            "{% macro w(x) %}<{{ caller(x) }}>{% endmacro %}{% call(a) w('p') %}{{ a }}{% endcall %}",
            "<p>"
        ),
        ("{{ n is odd }}{{ z is none }}{{ q is none }}{{ s is string }}", "TrueTrueFalseTrue"),
        ("{{ 'they\\'re a-b'|title }}{{ 'they\\'re'.title() }}", "They're A-BThey'Re"),
        ("{{ 'a\\n\\nb'|indent(2) }}|{{ ''|default('x', true) }}", "a\n\n  b|x"),
        ("{{ ['b', 'A', 'c']|sort }}{{ [1, 2, 1]|unique|list }}", "['A', 'b', 'c'][1, 2]"),
        ("{{ {'a': {'b': {}}}.a.b }}{{ '}}' }}{{ l.0 }}", "{}}}1"),
        ("{% generation %}x{% endgeneration %}{{ dict(a=1).get('b', 3) }}", "x3"),
        ("{{ 2.5|round }}{{ 1e16 }}{{ 9007199254740994.0 }}", "2.01e+169007199254740994.0"),
    ]

    @Test("constructs of chat templates mean what they mean in jinja2", arguments: cases)
    func meaning(_ template: String, _ expected: String) throws {
        #expect(try Self.render(template) == expected)
    }

    @Test(
        "what jinja2 refuses, and what is not supported, is an error",
        arguments: [
            "{{ q.x }}", "{{ q + 1 }}", "{{ q() }}", "{{ s.nope() }}", "{{ l.append(1) }}",
            "{% do l %}", "{{ s", "{% if t %}", "{% endif %}", "{# a", "{{ (1 }}", "{{ 1) }}",
            "{{ n|xyz }}", "{{ n is xyz }}", "{{ 1 / 0 }}", "{{ 1 // 0 }}", "{{ 'a' + 1 }}",
            "{% break %}",
            "{% set d.a = 1 %}", "{{ raise_exception('x') }}", "{{ range(1000000) }}",
            "{{ l[::0] }}", "{% block a %}{% endblock %}", "{{ 1 < 'a' }}", "{{ d }}{% import x %}",
            "{% for a, b in [1] %}{% endfor %}", "{{ namespace(a=1) }}",
        ])
    func refusal(_ template: String) {
        #expect(throws: JinjaFailure.self) { try Self.render(template) }
    }

    @Test(
        "work, size and depth are bounded",
        arguments: [
            "{{ 'a' * 1000000000 }}", "{{ [0] * 1000000000 }}",
            "{{ 'ab'|replace('', 'x' * 30000000) }}",
            "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
            "{% set ns = namespace(x='a') %}{% for a in range(99) %}"
                + "{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
            "{% set ns = namespace(x=[]) %}{% for a in range(9999) %}{% set ns.x = [ns.x] %}{% endfor %}",
            "{% set ns = namespace(x=[1]) %}{% for a in range(60) %}"
                + "{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
            "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
            "{{ " + String(repeating: "(", count: 100_000),
            "{{ " + String(repeating: "-", count: 100_000) + "1 }}",
            "{{ " + String(repeating: "not ", count: 100_000) + "1 }}",
            "{{ 1" + String(repeating: " + 1", count: 100_000) + " }}",
            "{{ s" + String(repeating: "|trim", count: 100_000) + " }}",
            "{{ s" + String(repeating: "[0]", count: 100_000) + " }}",
            String(repeating: "{% if t %}", count: 100_000),
            "{{ 'a\\nb'|indent(1000000000) }}", "{{ [[1]]|tojson(indent='x' * 30000000) }}",
            "{{ 1" + String(repeating: " if 1 else 1", count: 10_000) + " }}",
        ])
    func bounds(_ template: String) throws {
        #expect(throws: JinjaFailure.self) { try Self.onSmallStack { try Self.render(template) } }
    }

    /// Runs `body` on the smallest stack that a thread has; without optimisation frames are larger.
    private static func onSmallStack<Value: Sendable>(
        _ body: @escaping @Sendable () throws -> Value
    ) throws -> Value {
        let done = DispatchSemaphore(value: 0)
        let box = Box<Value>()
        let thread = Thread {
            box.result.withLock { $0 = Result { try body() } }
            done.signal()
        }
        #if DEBUG
            thread.stackSize = 1 << 20
        #else
            thread.stackSize = 512 << 10
        #endif
        thread.start()
        done.wait()
        return try #require(box.result.withLock { $0 }).get()
    }

    /// What a thread leaves behind.
    private final class Box<Value: Sendable>: Sendable {
        let result = Mutex<Result<Value, any Error>?>(nil)
    }

    @Test("what is as large as allowed renders on a small stack too")
    func largest() throws {
        let chain = "{{ 1" + String(repeating: " + 1", count: 62) + " }}"
        let branches = { @Sendable (inner: String) in
            String(repeating: "{% if t %}", count: 35) + inner
                + String(repeating: "{% endif %}", count: 35)
        }
        #expect(try Self.onSmallStack { try Self.render(branches(chain)) } == "63")
        let macro =
            "{% macro f(k) %}{{ f(k + 1) if k < 20 else 'end' }}{% endmacro %}{{ f(0) }}"
        #expect(try Self.onSmallStack { try Self.render(macro) } == "end")
    }

    @Test("no mutation of a template crashes", arguments: 0..<8)
    func fuzz(_ seed: UInt64) throws {
        var generator = SplitMix64(seed: seed)
        let sources = Self.cases.map { Array($0.0.unicodeScalars) }
        let parts = [
            "{{", "}}", "{%", "%}", "-", "(", ")", "[", "|", ".", "'", " if ", "endfor", "9",
        ]
        var rendered = 0
        for _ in 0..<250 {
            var scalars = sources[Int.random(in: 0..<sources.count, using: &generator)]
            for _ in 0..<Int.random(in: 1...3, using: &generator) where !scalars.isEmpty {
                let place = Int.random(in: 0..<scalars.count, using: &generator)
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: scalars.remove(at: place)
                case 1: scalars.removeSubrange(place...)
                case 2: scalars.swapAt(place, Int.random(in: 0..<scalars.count, using: &generator))
                default:
                    let part = parts[Int.random(in: 0..<parts.count, using: &generator)]
                    scalars.insert(contentsOf: part.unicodeScalars, at: place)
                }
            }
            var text = String.UnicodeScalarView()
            text.append(contentsOf: scalars)
            if (try? Self.render(String(text))) != nil { rendered += 1 }
        }
        #expect(rendered > 0 && rendered < 250)
    }
}
