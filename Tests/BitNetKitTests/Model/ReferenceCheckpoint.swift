import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// A checkpoint in one form, with what transformers and numpy expect of it.
struct ReferenceCheckpoint: Sendable, CustomTestStringConvertible {
    /// Model and form, for example `bitnet-tied packed`.
    let name: String
    let path: URL
    let expectedPath: URL
    let hiddenPath: URL?

    var testDescription: String { name }

    struct Expected: Decodable {
        struct Sequence: Decodable {
            let tokens: [Int]
            let last_logits: [Float]?
            let top20: [[[Float]]]?
            let top5: [[[Float]]]?
            let stable: String?
            let logits_std: Float?
            let embedding: [Float]?
            let last_hidden: [Float]?
            let numpy_f64_max_abs_diff: Double?

            /// The largest logits of every position, as pairs of id and value.
            var top: [[[Float]]] { top20 ?? top5 ?? [] }
            /// Whether two independent implementations agree everywhere: no rounding tie flipped.
            var isStable: Bool { stable.map { $0.allSatisfy { $0 == "1" } } ?? false }
        }

        struct Greedy: Decodable {
            let prompt: [Int]
            let greedy: [Int]
            let margins: [Float]
        }

        let sequences: [Sequence]
        let greedy: [Greedy]?
    }

    func expected() throws -> Expected {
        try JSONDecoder().decode(Expected.self, from: Data(contentsOf: expectedPath))
    }

    /// All checkpoints below a folder, in every form that has expected values.
    static func all(in root: URL?) -> [ReferenceCheckpoint] {
        guard let root else { return [] }
        let files = FileManager.default
        let models = (try? files.contentsOfDirectory(atPath: root.path))?.sorted() ?? []
        return models.flatMap { model in
            let folder = root.appendingPathComponent(model)
            let forms = (try? files.contentsOfDirectory(atPath: folder.path))?.sorted() ?? []
            return forms.compactMap { form -> ReferenceCheckpoint? in
                guard form.hasPrefix("expected-"), form.hasSuffix(".json") else { return nil }
                let kind = String(form.dropFirst(9).dropLast(5))
                let path =
                    kind.hasPrefix("gguf-") ? "gguf/\(kind.dropFirst(5)).gguf" : kind
                let hidden = folder.appendingPathComponent("hidden-\(kind).safetensors")
                return ReferenceCheckpoint(
                    name: "\(model) \(kind)", path: folder.appendingPathComponent(path),
                    expectedPath: folder.appendingPathComponent(form),
                    hiddenPath: files.fileExists(atPath: hidden.path) ? hidden : nil)
            }
        }
    }

    /// A model in the types of ik_llama.cpp, of which the same is expected as in I2_S.
    private static func written(byIK names: [String]) -> [ReferenceCheckpoint] {
        guard
            let expected = ReferenceData.url("bitnet-tied/expected-gguf-i2_s-embd-f16.json")
        else { return [] }
        return names.compactMap { name in
            ReferenceData.url("ik/\(name).gguf").map {
                ReferenceCheckpoint(
                    name: "ik \(name)", path: $0, expectedPath: expected, hiddenPath: nil)
            }
        }
    }

    /// The project's own fixtures and, where it is there, all of the reference data.
    static let all =
        all(in: Fixtures.url("reference")) + all(in: ReferenceData.root)
        + written(byIK: ["iq2_bn", "iq2_bn_r4", "iq1_bn"])
    static let languageModels = all.filter { !$0.name.hasPrefix("embedding") }
    static let embeddingModels = all.filter { $0.name.hasPrefix("embedding") }
}

/// Files that are part of the tests.
enum Fixtures {
    static func url(_ path: String) -> URL {
        Bundle.module.bundleURL.appendingPathComponent("Fixtures").appendingPathComponent(path)
    }
}

extension InferenceContext {
    /// Logits of every one of `tokens`.
    func allLogits(_ tokens: [Int]) throws(BitNetError) -> [[Float]] {
        var rows: [[Float]] = []
        try forward(tokens) { _, row in
            rows.append(row.indices.map { row[$0] })
            return true
        }
        return rows
    }
}

func argmax(_ values: [Float]) -> Int {
    values.indices.max { values[$0] < values[$1] || (values[$0] == values[$1] && $0 > $1) } ?? -1
}
