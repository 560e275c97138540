import Foundation
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Normal forms")
struct NormalFormTests {
    private static let forms: [NormalForm] = [.nfc, .nfd, .nfkc, .nfkd]

    @Test("they are those of Python's unicodedata")
    func reference() throws {
        let cases = try JSONDecoder().decode(
            [[String]].self, from: TokenizerFixtures.data("normal-forms.json"))
        #expect(cases.count > 150)
        for row in cases {
            for (form, expected) in zip(Self.forms, row.dropFirst()) {
                let found = try form.apply(Array(row[0].utf8))
                #expect(
                    found == Array(expected.utf8),
                    "\(form) of \(row[0].unicodeScalars.map(\.value))")
            }
        }
    }

    @Test("every character alone has Foundation's form")
    func single() throws {
        var compared = 0
        for value in UInt32(0x80)...0x3FFFF {
            guard let scalar = Unicode.Scalar(value) else { continue }
            let text = String(scalar)
            let bytes = Array(text.utf8)
            let nfc = Array(text.precomposedStringWithCanonicalMapping.utf8)
            let nfkd = Array(text.decomposedStringWithCompatibilityMapping.utf8)
            guard try NormalForm.nfc.apply(bytes) != nfc || NormalForm.nfkd.apply(bytes) != nfkd
            else {
                compared += 1
                continue
            }
            Issue.record("U+\(String(value, radix: 16))")
        }
        #expect(compared > 250_000)
    }

    @Test(
        "the work is linear in a run of anything",
        arguments: [
            "\u{301}\u{327}", "\u{301}", "\u{327}\u{301}\u{323}", "\u{344}", "\u{F73}\u{301}",
            "\u{F81}\u{F71}", "\u{1100}\u{1161}\u{11A8}", "\u{11A8}", "\u{FF9E}\u{301}", "é", "ﬁ",
            " é", "a日ж", "\u{FDFA}\u{327}",
        ])
    func linear(_ part: String) throws {
        for form in Self.forms {
            func work(_ count: Int) throws -> Int {
                let effort = Effort()
                let text = "e" + String(repeating: part, count: count)
                _ = try form.apply(Array(text.utf8), effort: effort)
                return effort.total
            }
            // Twice the text, at most twice the work and what is done once.
            #expect(try work(8000) <= 2 * work(4000) + 600)
            #expect(try work(4000) <= 60 * 4000 * part.unicodeScalars.count + 600)
        }
    }

    @Test("long runs of marks keep every mark")
    func longRuns() throws {
        let count = 5000
        let text = "e" + String(repeating: "\u{301}\u{327}", count: count)
        let bytes = try NormalForm.nfd.apply(Array(text.utf8))
        let sorted =
            "e" + String(repeating: "\u{327}", count: count)
            + String(repeating: "\u{301}", count: count)
        #expect(bytes == Array(sorted.utf8))
        // A mark that decomposes; Foundation loses nearly all of these.
        let pairs = try NormalForm.nfd.apply(
            Array(("a" + String(repeating: "\u{344}", count: count)).utf8))
        #expect(
            pairs == Array(("a" + String(repeating: "\u{308}\u{301}", count: count)).utf8))
    }

    @Test("normalisers that multiply a text are refused, with the growth")
    func growth() throws {
        func check(_ steps: [Normalizer.Step]) throws(BitNetError) {
            try Normalizer(steps: steps).checkGrowth()
        }
        let double = Normalizer.Step.replace([0x61], with: [0x61, 0x61])
        try check([Normalizer.Step](repeating: double, count: 8))
        #expect {
            try check([Normalizer.Step](repeating: double, count: 40))
        } throws: {
            "\($0)".contains("1099511627776 bytes for one")
        }
        let alternating: [Normalizer.Step] = [
            .replace([0x61], with: [0x62, 0x62]), .replace([0x62], with: [0x61, 0x61]),
        ]
        #expect(throws: BitNetError.self) {
            try check([[Normalizer.Step]](repeating: alternating, count: 5).flatMap { $0 })
        }
        let spaces = try Expression(#"\s"#)
        let run = [UInt8](repeating: 0x20, count: 20)
        #expect(throws: BitNetError.self) {
            try check([.replaceMatches(spaces, with: run), .replaceMatches(spaces, with: run)])
        }
        #expect(throws: BitNetError.self) {
            try check([.prepend([UInt8](repeating: 0x61, count: 5000), .always)])
        }
        // Many replacements that do not feed one another are fine, as are all forms.
        let words = (0..<200).map { index in
            Normalizer.Step.replace([0xF0, 0x9F, 0x98, UInt8(0x80 + index % 64)], with: run)
        }
        try check(words)
        try check([.form(.nfkc), .lowercase, .form(.nfkd), .strip(left: true, right: true)])
    }
}
