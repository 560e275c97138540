// Files with weights. What loads must also generate, convert, and be the same model afterwards.

import BitNetFiles
import Foundation
import TernaryCompute

@testable import BitNetKit

extension FuzzTarget {
    static let gguf = FuzzTarget(
        name: "gguf",
        seeds: {
            ["bitnet-b1.58", "bitnet", "llama", "qwen3", "gemma3"].flatMap { architecture in
                [true, false].map {
                    RawGGUF.tinyModel(architecture: architecture, isTernary: $0).bytes
                }
            }
        },
        run: { bytes in
            try exercise(write(bytes, to: "model.gguf"), choice: bytes.last ?? 0)
        },
        mutate: mutateGGUF)

    static let safetensors = FuzzTarget(
        name: "safetensors",
        seeds: {
            let (header, data) = TinyModel.safetensors()
            return [FolderInput(config: Array(TinyModel.config.utf8), header: header, data: data)]
                .map(\.bytes)
        },
        words: configWords,
        run: { bytes in
            guard let input = FolderInput(bytes) else { return }
            write(input.config, to: "config.json")
            var raw = RawBytes()
            raw.string(input.header)
            write(raw.bytes + input.data, to: "model.safetensors")
            write(Array(TinyModel.tokenizerJSON.utf8), to: "tokenizer.json")
            try exercise(scratchFolder, choice: bytes.last ?? 0)
        },
        mutate: { bytes, mutation in
            guard mutation.random.below(16) != 0, var input = FolderInput(bytes) else {
                return mutation.plain(bytes)
            }
            switch mutation.random.below(5) {
            case 0, 1: input.config = mutation.plain(input.config)
            case 2, 3: input.header = mutation.plain(input.header)
            default: input.data = mutation.plain(input.data)
            }
            return input.bytes
        })

    private static let configWords = [
        "\"F32\"", "\"F16\"", "\"BF16\"", "\"U8\"", "\"I8\"", "null", "true", "false", "1e9",
        "-1", "4294967296", "\"llama\"", "\"LlamaForCausalLM\"", "\"Gemma3ForCausalLM\"",
        "\"gemma3_text\"", "\"qwen3\"", "\"Qwen3ForCausalLM\"", "\"rope_scaling\":",
        "\"rope_parameters\":", "\"head_dim\":", "\"sliding_window\":", "\"layer_types\":",
        "\"tie_word_embeddings\":", "\"data_offsets\":", "\"shape\":", "\"dtype\":",
        "\"__metadata__\":", "lm_head.weight", "\"quantization_mode\":", "\"online\"",
        "\"weight_scale\"", "\"bias\"", "\"silu\"", "\"relu2\"", "\"llama3\"", "\"factor\":",
    ]

    /// Loads, generates, converts, loads what was converted, and compares.
    private static func exercise(_ path: String, choice: UInt8) throws {
        let layouts = TernaryLayout.allCases
        let sets = KernelSet.available
        var options = LoadOptions(
            threads: 1, instructionSet: sets[Int(choice / 3) % sets.count].name,
            layout: layouts[Int(choice) % layouts.count])
        options.sparsity = choice % 2 == 0 ? .automatic : .always
        let model = try BitNetModel(loading: URL(fileURLWithPath: path), options: options)
        let logits = try firstLogits(of: model)
        let target = URL(fileURLWithPath: scratchFolder + "/converted.gguf")
        _ = try BitNetConverter.convert(from: URL(fileURLWithPath: path), to: target)
        options.instructionSet = sets[0].name
        options.layout = .t2
        let copy: BitNetModel
        do { copy = try BitNetModel(loading: target, options: options) } catch {
            fail("what was converted does not load: \(error)")
        }
        check(try firstLogits(of: copy) == logits, "another model after the conversion")
        let again = URL(fileURLWithPath: scratchFolder + "/again.gguf")
        _ = try BitNetConverter.convert(from: target, to: again)
        check(
            try Data(contentsOf: target) == Data(contentsOf: again),
            "another file after the second conversion")
    }

    /// Bits, as what is not a number is not equal to itself.
    private static func firstLogits(of model: BitNetModel) throws -> [UInt32] {
        let size = model.configuration.vocabularySize
        let length = min(model.configuration.contextLength, 8)
        let context = try InferenceContext(
            model.transformer, contextLength: length, cache: .f16)
        var tokens = (0..<min(3, length)).map { $0 * 101 % size }
        try context.forward(tokens)
        var bits = context.withLogits { row in row.indices.map { row[$0].bitPattern } }
        while tokens.count < length {
            let token = Int(bits[0]) % size
            tokens.append(token)
            try context.forward([token])
            bits = context.withLogits { row in row.indices.map { row[$0].bitPattern } }
        }
        return bits
    }
}

/// `config.json`, the header and the data of `model.safetensors`, each with its length before it.
private struct FolderInput {
    var config: [UInt8]
    var header: [UInt8]
    var data: [UInt8]

    init(config: [UInt8], header: [UInt8], data: [UInt8]) {
        (self.config, self.header, self.data) = (config, header, data)
    }

    init?(_ bytes: [UInt8]) {
        var rest = bytes[...]
        func part() -> [UInt8]? {
            let length = rest.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
            guard rest.count >= 4, length <= rest.count - 4 else { return nil }
            defer { rest = rest.dropFirst(4 + length) }
            return Array(rest.dropFirst(4).prefix(length))
        }
        guard let config = part(), let header = part() else { return nil }
        self.init(config: config, header: header, data: Array(rest))
    }

    var bytes: [UInt8] {
        var raw = RawBytes()
        for part in [config, header] {
            raw.number(UInt32(part.count))
            raw.bytes += part
        }
        return raw.bytes + data
    }
}
