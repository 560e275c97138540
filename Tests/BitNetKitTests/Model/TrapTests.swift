import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

/// The ways in which files of this field mislead: each is refused, told, or put right.
@Suite("Misleading files")
struct TrapTests {
    private func warnings(_ url: URL) throws -> [String] {
        try BitNetModel(loading: url).warnings
    }

    @Test("scales in the wrong direction are told by their size")
    func scaleDirection() throws {
        for url in TinyModel.all { #expect(try warnings(url).isEmpty) }
        let multiplied = try TemporaryFolder()
        var model = try EditableFolder(TinyModel.bitnetFolder)
        model[quantization: "linear_class"] = nil
        #expect(try warnings(model.write(to: multiplied)).first?.contains("linear_class") == true)
        let divided = try TemporaryFolder()
        model = try EditableFolder(TinyModel.llamaFolder)
        model[quantization: "linear_class"] = "autobitlinear"
        #expect(try warnings(model.write(to: divided)).first?.contains("divides") == true)
        // A GGUF file whose converter has stored a divisor as the scale.
        let folder = try TemporaryFolder()
        var file = try EditableGGUF(TinyModel.bitnetGGUF)
        let name = "blk.0.ffn_down.weight"
        let codes = file[tensor: name].bytes.count - 32
        file[tensor: name].bytes.replaceSubrange(codes..<codes + 4, with: floatBytes([40]))
        #expect(try warnings(file.write(to: folder)).first?.contains(name) == true)
    }

    @Test("the activation follows the file, and the one file name that misleads is refused")
    func activation() throws {
        let folder = try TemporaryFolder()
        let url = try convert(TinyModel.bitnetFolder, in: folder)
        #expect(try EditableGGUF(url).architecture == "bitnet-b1.58")
        let silu = try convert(TinyModel.bitnetGGUF, in: folder, name: "silu.gguf")
        #expect(try EditableGGUF(silu).architecture == "bitnet")
        // The same weights under the other name compute something else.
        var model = try EditableGGUF(TinyModel.bitnetGGUF)
        model.rename(to: "bitnet-b1.58")
        #expect(try TinyModel.logits(model.write(to: folder)) != TinyModel.logits(silu))
        let error = try failure(of: TinyModel.bitnetGGUF) { model in
            for (key, value) in [
                ("embedding_length", 2560), ("feed_forward_length", 6912), ("block_count", 30),
                ("attention.head_count", 20), ("attention.head_count_kv", 5),
                ("attention.key_length", 128), ("attention.value_length", 128),
                ("rope.dimension_count", 128),
            ] {
                model["bitnet.\(key)"] = .uint32(UInt32(value))
            }
        }
        #expect(error?.key == "general.architecture")
        #expect(error?.description.contains("squared ReLU") == true)
    }

    @Test("a missing pre-tokenizer is written")
    func preTokenizer() throws {
        let folder = try TemporaryFolder()
        var model = try EditableGGUF(TinyModel.llamaGGUF)
        model["tokenizer.ggml.pre"] = nil
        let source = try model.write(to: folder)
        let file = try EditableGGUF(try convert(source, in: folder))
        #expect(file["tokenizer.ggml.pre"]?.string == "llama-bpe")
    }

    @Test("the placeholder template is replaced by the real one, and nothing else is")
    func template() throws {
        let (folder, key) = (try TemporaryFolder(), "tokenizer.chat_template")
        var model = try EditableGGUF(TinyModel.bitnetGGUF)
        model[key] = .string(
            "{% for m in messages %}Human: {{ m['content'] }}\n\nBITNETAssistant: {% endfor %}")
        let source = try model.write(to: folder)
        let target = URL(fileURLWithPath: folder.file("x.gguf"))
        let report = try BitNetConverter.convert(from: source, to: target)
        let template = try #require(try EditableGGUF(target)[key]?.string)
        #expect(template.contains("capitalize") && template.contains("<|eot_id|>"))
        #expect(!template.contains("BITNET"))
        #expect(report.warnings.first?.contains("placeholder") == true)
        model[key] = .string("{{ messages }}")
        let kept = try convert(try model.write(to: folder), in: folder, name: "kept.gguf")
        #expect(try EditableGGUF(kept)[key]?.string == "{{ messages }}")
    }

    @Test("a folder's template comes from where transformers takes it")
    func folderTemplate() throws {
        let key = "tokenizer.chat_template"
        func template(_ change: (inout EditableFolder) throws -> Void) throws -> String? {
            let (source, folder) = (try TemporaryFolder(), try TemporaryFolder())
            var model = try EditableFolder(TinyModel.bitnetFolder)
            try change(&model)
            return try EditableGGUF(try convert(try model.write(to: source), in: folder))[key]?
                .string
        }
        #expect(try template { _ in }?.contains("loop_messages") == true)
        #expect(try template { $0.files["chat_template.jinja"] = Array("a".utf8) } == "a")
        let list = """
            {"eos_token": "<|end_of_text|>", "bos_token": "<|begin_of_text|>", "chat_template":
            [{"name": "tool", "template": "b"}, {"name": "default", "template": "c"}]}
            """
        #expect(try template { $0.files["tokenizer_config.json"] = Array(list.utf8) } == "c")
    }

    @Test("Llama 3's scaling of rotary frequencies is that of its definition")
    func ropeScaling() throws {
        let scaling = RopeScaling(
            factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalContextLength: 8192)
        let plain = RotaryEmbedding.frequencies(dimension: 128, base: 500_000)
        var kinds: Set<Int> = []
        for frequency in plain {
            let rotations = 8192 * Double(frequency) / (2 * Double.pi)
            // Few rotations: divided. Many: kept. Between: a straight line in their number.
            let share = min(1, max(0, (rotations - 1) / 3))
            kinds.insert(share == 0 ? 0 : share == 1 ? 1 : 2)
            let expected = Double(frequency) * ((1 - share) / 8 + share)
            #expect(abs(Double(scaling.apply(to: frequency)) - expected) <= 1e-6 * expected)
        }
        #expect(kinds == [0, 1, 2])
        let settings: [String: Any] = [
            "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        ]
        let (source, folder) = (try TemporaryFolder(), try TemporaryFolder())
        var model = try llamaAsFolder()
        model.config["rope_scaling"] = settings
        let url = try model.write(to: source)
        let logits = try TinyModel.logits(url)
        #expect(try logits != TinyModel.logits(TinyModel.llamaGGUF))
        let gguf = try convert(url, in: folder)
        #expect(try GGUFFile(opening: gguf.path).tensor(named: "rope_freqs.weight") != nil)
        // The file says it by divisors, which differ in the last bit.
        for (a, b) in zip(logits.joined(), try TinyModel.logits(gguf).joined()) {
            #expect(abs(a - b) < 1e-3)
        }
    }
}
