import Foundation
import Testing

@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Settings that contradict each other are not resolved without a word")
struct ContradictorySettingTests {
    private static let keys = ["hidden_act", "hidden_activation", "activation_function"]

    /// The architectures, each with the key that its class in transformers reads and the function
    /// that the class has where that is missing.
    private static let classes: [(URL, key: String, Activation)] = [
        (TinyModel.bitnetFolder, "hidden_act", .squaredReLU),
        (TinyModel.llamaFolder, "hidden_act", .silu),
        (Fixtures.url("gemma3"), "hidden_activation", .gelu),
    ]

    private func warnings(
        _ url: URL, _ change: (inout EditableFolder) -> Void
    ) throws -> (warnings: [String], activation: Activation) {
        let folder = try TemporaryFolder()
        var model = try EditableFolder(url)
        change(&model)
        let loaded = try BitNetModel(loading: try model.write(to: folder))
        return (
            loaded.warnings.filter { $0.contains("activation") || $0.contains("hidden_act") },
            loaded.configuration.activation
        )
    }

    @Test("the function is that of the key that the class reads, and another key is warned of")
    func folders() throws {
        let names = ["silu", "relu2", "gelu_pytorch_tanh", "swish", "mish"]
        for (url, key, usual) in Self.classes {
            for other in Self.keys where other != key {
                for name in names {
                    for isStated in [true, false] {
                        let (found, activation) = try warnings(url) { model in
                            for key in Self.keys { model.config[key] = nil }
                            if isStated { model.config[key] = usual.rawValue }
                            model.config[other] = name
                        }
                        #expect(activation == usual)
                        let isSame = Activation(name: name) == usual
                        #expect(found.count == (isSame ? 0 : 1), "\(url.path) \(other) \(name)")
                        guard let warning = found.first else { continue }
                        for word in [other, "'\(name)'", key, "'\(usual.rawValue)'"] {
                            #expect(warning.contains(word), "\(word) in \(warning)")
                        }
                    }
                }
            }
        }
    }

    @Test("null and an equal function under another key are nothing to warn of")
    func harmless() throws {
        for (url, key, usual) in Self.classes {
            let (found, activation) = try warnings(url) { model in
                for key in Self.keys { model.config[key] = NSNull() }
                model.config[key] = usual.rawValue
            }
            #expect(found.isEmpty && activation == usual)
        }
    }

    @Test("a conversion and an inspection warn too")
    func others() throws {
        let folder = try TemporaryFolder()
        let target = try TemporaryFolder()
        var model = try EditableFolder(TinyModel.bitnetFolder)
        model.config["hidden_activation"] = "silu"
        let path = try model.write(to: folder)
        let report = try BitNetConverter.convert(
            from: path, to: URL(fileURLWithPath: target.file("m.gguf")))
        #expect(report.warnings.contains { $0.contains("hidden_activation is 'silu'") })
        let inspection = try ModelInspection.inspect(path)
        #expect(inspection.warnings.contains { $0.contains("hidden_activation is 'silu'") })
    }

    @Test("a GGUF file that names two functions is refused, with both")
    func files() throws {
        for (first, second) in [(0, 1), (1, 2), (0, 2)] {
            let keys = [Self.keys[first], Self.keys[second]]
            let error = try failure(of: TinyModel.bitnetGGUF) { model in
                model["bitnet.\(keys[0])"] = .string("silu")
                model["bitnet.\(keys[1])"] = .string("relu2")
            }
            for word in keys + ["'silu'", "'relu2'"] {
                #expect(error?.description.contains(word) == true, "\(word)")
            }
            let same = try failure(of: TinyModel.bitnetGGUF) { model in
                model["bitnet.\(keys[0])"] = .string("silu")
                model["bitnet.\(keys[1])"] = .string("swish")
            }
            #expect(same == nil)
        }
    }
}
