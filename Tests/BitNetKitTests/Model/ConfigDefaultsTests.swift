import Foundation
import Testing

@testable import BitNetFiles
@testable import BitNetKit
@testable import TernaryCompute

/// `Fixtures/config-defaults.jsonl` is written by `Tests/Differential/config_defaults.py`.
@Suite("Keys that config.json does not have")
struct ConfigDefaultsTests {
    private struct Case {
        let config: JSONValue
        /// Nil where the class refuses the configuration.
        let reads: JSONValue?
    }

    private static func cases() throws -> [Case] {
        let file = Fixtures.url("config-defaults.jsonl")
        let lines = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
        return try lines.dropFirst().map { line in
            let value = try parse(String(line))
            let config = try #require(value["config"])
            return Case(config: config, reads: value["reads"].flatMap { $0 == .null ? nil : $0 })
        }
    }

    private static func parse(_ text: String) throws -> JSONValue {
        try JSONValue(parsing: ByteRegion(Array(text.utf8), path: "config.json"))
    }

    private static func configuration(
        _ config: JSONValue
    ) throws(BitNetError) -> ModelConfiguration {
        try ModelConfiguration(huggingFace: config, name: "model", path: "config.json")
    }

    /// What the configuration says, in the words of the table.
    private static func words(_ c: ModelConfiguration) -> [String: JSONValue] {
        let activations: [Activation: String] = [
            .squaredReLU: "relu2", .silu: "silu", .gelu: "gelu_pytorch_tanh",
        ]
        var words: [String: JSONValue] = [
            "vocabularySize": .int(c.vocabularySize), "hiddenSize": .int(c.hiddenSize),
            "feedForwardSize": .int(c.feedForwardSize), "layerCount": .int(c.layerCount),
            "headCount": .int(c.headCount), "keyValueHeadCount": .int(c.keyValueHeadCount),
            "headDimension": .int(c.headDimension), "contextLength": .int(c.contextLength),
            "normEpsilon": .double(Double(c.normEpsilon)), "ropeBase": .double(Double(c.ropeBase)),
            "activation": .string(activations[c.activation] ?? ""), "isTied": .bool(c.isLMHeadTied),
            "ends": list(c.endTokens),
            "begin": list(c.beginToken.map { [$0] } ?? []),
        ]
        words["originalContext"] = c.ropeScaling.map { .int($0.originalContextLength) }
        words["queryScalar"] = c.queryScalar.map { .double(Double($0)) }
        words["sliding"] = c.slidingAttention.map { list($0.layers) }
        words["window"] = c.slidingAttention.map { .int($0.window) }
        words["slidingBase"] = c.slidingAttention.map { .double(Double($0.ropeBase)) }
        return words
    }

    private static func list(_ values: [some CustomStringConvertible]) -> JSONValue {
        let text = "[" + values.map(\.description).joined(separator: ",") + "]"
        return (try? JSONValue(parsing: ByteRegion(Array(text.utf8)))) ?? .null
    }

    private static func isSame(_ a: JSONValue?, _ b: JSONValue) -> Bool {
        if let x = a?.double, let y = b.double { return Float(x) == Float(y) }
        return a == b
    }

    private static func compare(_ c: ModelConfiguration, _ reads: JSONValue, _ config: JSONValue) {
        let found = words(c)
        let members = (reads.object?.members).map { Array($0) } ?? []
        #expect(Set(found.keys) == Set(members.map(\.key)), "\(config.shown)")
        for member in members {
            #expect(
                isSame(found[member.key], member.value), "\(member.key) of \(config.shown)")
        }
    }

    @Test("configurations are those of the classes of transformers")
    func classes() throws {
        var counts = (read: 0, refused: 0)
        for test in try Self.cases() {
            let result = Result { () throws(BitNetError) in try Self.configuration(test.config) }
            switch (result, test.reads) {
            case (.success(let c), .some(let reads)):
                Self.compare(c, reads, test.config)
                counts.read += 1
            case (.failure(let error), nil):
                let names = test.config.object?.members.map(\.key) ?? []
                let name = error.key?.split(separator: ".").first.map(String.init) ?? ""
                #expect(names.contains(name), "\(error)")
                counts.refused += 1
            case (.success, nil): Issue.record("\(test.config.shown) is read")
            case (.failure(let error), _): Issue.record("\(test.config.shown): \(error)")
            }
        }
        #expect(counts.read > 90 && counts.refused > 40)
    }

    @Test("1bitLLM's class has the defaults of Llama's")
    func bitnet1bitLLM() throws {
        let llama = try #require(try Self.cases().first { $0.config.shown.contains("Llama") })
        for type in [
            #""model_type": "llama""#, #""model_type": "bitnet", "weight_bits": 1"#, #""x": 1"#,
        ] {
            let config = try Self.parse(#"{"architectures": ["BitnetForCausalLM"], \#(type)}"#)
            let c = try Self.configuration(config)
            #expect(c.architecture == .bitnet)
            Self.compare(c, try #require(llama.reads), config)
        }
        let early = try Self.parse(
            #"{"architectures": ["BitnetForCausalLM"], "model_type": "bitnet"}"#)
        #expect(try Self.configuration(early).activation == .squaredReLU)
    }

    @Test("a base that the class would not read is refused with the one that it would")
    func unreadBases() throws {
        func read(_ name: String, _ rope: String) throws(BitNetError) -> ModelConfiguration {
            let text = #"{"architectures": ["\#(name)"], \#(rope)}"#
            let config = try JSONValue(parsing: ByteRegion(Array(text.utf8), path: "c"))
            return try Self.configuration(config)
        }
        let scaled = #""rope_scaling": {"type": "linear", "factor": 1}, "#
        for (name, start, base) in [
            ("Gemma3ForCausalLM", "", "1000000"), ("LlamaForCausalLM", scaled, "10000"),
            ("BitNetForCausalLM", scaled, "500000"),
        ] {
            let same = start + #""rope_parameters": {"rope_theta": \#(base)}"#
            #expect(try read(name, same).ropeBase == Float(base))
            let other = start + #""rope_parameters": {"rope_theta": 30000}"#
            let error = failure { () throws(BitNetError) in try read(name, other) }
            #expect(error?.key == "rope_parameters.rope_theta")
            #expect(error?.description.contains("30000") == true)
            #expect(error?.description.contains("takes \(base)") == true)
        }
    }

    @Test("a size that is missing is told by its key where the class has another")
    func absentSizes() throws {
        let keys = [
            "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
            "num_attention_heads",
        ]
        for url in TinyModel.folders {
            for key in keys {
                let error = try failure(ofFolder: url) { $0.config[key] = nil }
                #expect(error?.key == key || key == "num_attention_heads", "\(key)")
                #expect(error?.isInvalidMetadata == true, "\(key): \(String(describing: error))")
            }
        }
    }
}
