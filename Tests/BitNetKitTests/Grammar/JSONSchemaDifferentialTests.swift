import Foundation
import Testing

@testable import BitNetKit
@testable import TernaryCompute

/// Random schemas against jsonschema; see `Tests/Differential/random_schemas.py`, and
/// BITNET_SCHEMA_CASES for others than those of the fixture.
@Suite("Random JSON schemas")
struct JSONSchemaDifferentialTests {
    private struct Case: Decodable {
        let schema: String
        let valid: [String]
        let invalid: [String]
    }

    @Test("take the texts that jsonschema finds valid, and no others")
    func random() throws {
        let environment = ProcessInfo.processInfo.environment["BITNET_SCHEMA_CASES"]
        let url =
            environment.map { URL(fileURLWithPath: $0) } ?? Fixtures.url("schemas-random.jsonl")
        var (compared, refused, count) = (0, 0, 0)
        for line in try Data(contentsOf: url).split(separator: UInt8(ascii: "\n")) {
            let item = try JSONDecoder().decode(Case.self, from: Data(line))
            count += 1
            let grammar: Grammar
            do throws(BitNetError) { grammar = try Grammar(jsonSchema: item.schema) } catch {
                // Bounds that leave nothing over are refused, also where nobody needs the value.
                #expect(
                    item.valid.isEmpty || "\(error)".contains("is in the bounds"),
                    "\(item.schema): \(error)")
                refused += 1
                continue
            }
            for text in item.valid {
                #expect(try grammar.accepts(text), "\(text) in \(item.schema)")
            }
            for text in item.invalid {
                #expect(try !grammar.accepts(text), "\(text) in \(item.schema)")
            }
            compared += item.valid.count + item.invalid.count
        }
        #expect(count > 100 && compared > 10 * count && refused < count / 5)
        print("\(compared) texts of \(count) schemas compared, \(refused) schemas refused")
    }
}
