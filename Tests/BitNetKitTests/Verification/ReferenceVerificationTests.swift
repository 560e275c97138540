import Foundation
import TestSupport
import Testing

@testable import BitNetKit
@testable import TernaryCompute

/// Every reference checkpoint, and what is known of it.
@Suite("Verifying reference checkpoints", .enabled(if: ReferenceData.isAvailable))
struct ReferenceVerificationTests {
    /// By model: graph, layers, trits, and matrices that are master weights in the forms that have
    /// them.
    private static let known: [String: (graph: String, trits: String, masters: Int)] = [
        "1bitllm-style": ("bitnet, 1 layer,", "163,840 trits", 7),
        "bitnet-tied": ("bitnet, 2 layers,", "1,179,648 trits", 14),
        "bitnet-untied": ("bitnet, 2 layers,", "204,800 trits", 14),
        "embedding-qwen3": ("qwen3, 1 layer,", "196,608 trits", 7),
        "ik": ("bitnet, 2 layers,", "1,179,648 trits", 14),
        "llama-bitlinear": ("llama, 2 layers,", "786,432 trits", 14),
        "llama-rmsnorm": ("llama, 2 layers,", "61,440 trits", 14),
    ]

    /// All checkpoints of the reference data; the models of the package's own fixtures are among
    /// them.
    private static let all = ReferenceCheckpoint.all.filter { checkpoint in
        guard let root = ReferenceData.root else { return false }
        return checkpoint.path.path.hasPrefix(root.path)
    }

    @Test(
        "every one is whole; random weights leave open what only a text would tell", arguments: all)
    func known(checkpoint: ReferenceCheckpoint) async throws {
        let (model, form) = try #require(
            checkpoint.name.firstIndex(of: " ").map {
                (String(checkpoint.name[..<$0]), checkpoint.name[$0...].dropFirst())
            })
        let known = try #require(Self.known[model], "\(model) is new: say what is known of it")
        let options = LoadOptions(threads: 1, instructionSet: "scalar")
        let record = try await BitNetModel.load(checkpoint.path, options: options).record()
        let result = try await ModelVerification.verify(
            checkpoint.path, options: LoadOptions(threads: 2), against: record)
        for check in ModelVerification.Check.allCases {
            let expected: ModelVerification.Outcome =
                check == .activation || check == .scale ? .undecided : .passed
            #expect(result[check]?.outcome == expected, "\(check.rawValue): \(result)")
        }
        #expect(result[.structure]?.detail.hasPrefix(known.graph) == true)
        let isMaster = form == "online"
        #expect(
            result[.codes]?.detail
                == known.trits
                + (isMaster ? "; \(known.masters) matrices are master weights" : ""))
        // Losses are those of chance, whatever the activation function.
        let losses = result[.activation]?.figures ?? [:]
        // Vocabularies are of 300 tokens and more.
        #expect(losses.count == 3 && losses.values.allSatisfy { $0 > log(300) * 0.75 })
        #expect(result.fingerprint == record)
    }

    @Test("there are checkpoints, of every model that is known")
    func complete() {
        #expect(
            Set(Self.all.compactMap { $0.name.split(separator: " ").first }.map(String.init))
                == Set(Self.known.keys))
    }
}
