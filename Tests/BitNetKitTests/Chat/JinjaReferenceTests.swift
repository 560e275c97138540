import Foundation
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// Templates of `Fixtures/jinja.json`, each with what jinja2 3.1.6 makes of it in transformers'
/// environment: whatever jinja2's documentation shows for expressions and statements, every filter
/// and test over values of every kind, every operator, every method of strings.
@Suite("Jinja against jinja2")
struct JinjaReferenceTests {
    struct File: Decodable {
        let prelude: String
        /// Templates and their output; nil where jinja2 refuses them.
        let cases: [[String?]]
        /// What jinja2 renders and this evaluator refuses, by its name.
        let refused: [String]
    }

    static func file() throws -> File {
        let url = Bundle.module.bundleURL.appendingPathComponent("Fixtures/jinja.json")
        return try JSONDecoder().decode(File.self, from: Data(contentsOf: url))
    }

    /// What a template writes at half past eight on 26 July 2024; nil where it is refused.
    private func render(_ template: String) -> String? {
        do throws(JinjaFailure) {
            return try JinjaEvaluator.render(
                JinjaParser.parse(template), variables: [:],
                date: Date(timeIntervalSince1970: 1_721_982_600), timeZone: .gmt)
        } catch {
            #expect(!error.detail.isEmpty && error.line > 0)
            return nil
        }
    }

    @Test("every template gives what it gives in jinja2, or an error where jinja2 has one")
    func cases() throws {
        let file = try Self.file()
        #expect(file.cases.count > 2000)
        for pair in file.cases {
            let template = try #require(pair[0])
            let text = render(file.prelude + template)
            #expect(text.map { Array($0.utf8) } == pair[1].map { Array($0.utf8) }, "\(template)")
        }
    }

    @Test("what is not supported is refused, never rendered otherwise")
    func refused() throws {
        let file = try Self.file()
        #expect(file.refused.count > 20)
        for template in file.refused {
            #expect(render(file.prelude + template) == nil, "\(template)")
        }
    }

    @Test(
        "those of the file that BITNET_TEMPLATE_CASES names",
        .enabled(if: ProcessInfo.processInfo.environment["BITNET_TEMPLATE_CASES"] != nil))
    func more() throws {
        let path = try #require(ProcessInfo.processInfo.environment["BITNET_TEMPLATE_CASES"])
        var (same, refused) = (0, 0)
        for line in try Data(contentsOf: URL(fileURLWithPath: path)).split(separator: 10) {
            let pair = try JSONDecoder().decode([String?].self, from: Data(line))
            let template = try #require(pair[0])
            let text = render(template)
            if text == nil, pair[1] != nil {
                refused += 1
            } else if text.map({ Array($0.utf8) }) == pair[1].map({ Array($0.utf8) }) {
                same += 1
            } else {
                let expected = pair[1]?.debugDescription ?? "an error"
                Issue.record("\(text?.debugDescription ?? ""), not \(expected): \(template)")
            }
        }
        print("\(same) the same, \(refused) refused that jinja2 renders")
    }
}
