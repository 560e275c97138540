import BitNetSampleModel
import Foundation
import TestSupport
import Testing

@testable import BitNetFiles
@testable import BitNetKit
@testable import TernaryCompute

@Suite("Verifying models")
struct ModelVerificationTests {
    private func verify(
        _ url: URL, against record: ModelRecord? = nil
    ) async throws -> ModelVerification {
        try await ModelVerification.verify(
            url, options: LoadOptions(threads: 2), against: record)
    }

    /// Verifies a file after a change.
    private func verify(
        _ url: URL, against record: ModelRecord? = nil,
        _ change: (inout EditableGGUF) throws -> Void
    ) async throws -> ModelVerification {
        let folder = try TemporaryFolder()
        var model = try EditableGGUF(url)
        try change(&model)
        return try await verify(try model.write(to: folder), against: record)
    }

    /// The checks that failed.
    private func failures(_ result: ModelVerification) -> [ModelVerification.Check] {
        result.results.filter { $0.outcome == .failed }.map(\.check)
    }

    private static let up = "blk.0.ffn_up.weight"

    @Test("a model that is right passes, and its record is that of a second run")
    func right() async throws {
        let sample = try BitNetSampleModel.url
        let first = try await verify(sample)
        #expect(first.hasPassed)
        #expect(first.results.map(\.check) == ModelVerification.Check.allCases)
        let skipped = first.results.filter { $0.outcome == .skipped }.map(\.check)
        #expect(skipped == [.template, .fingerprint])
        #expect(first.results.allSatisfy { $0.outcome != .undecided })
        let losses = first[.activation]?.figures ?? [:]
        #expect(losses.keys.sorted() == ["gelu_pytorch_tanh", "relu2", "silu"])
        #expect(losses.values.min() == losses["relu2"])
        #expect(first[.scale]?.figures["as stated"] == losses["relu2"])
        let second = try await ModelVerification.verify(
            sample, options: LoadOptions(threads: 1, instructionSet: "scalar", layout: .t5),
            against: first.fingerprint)
        #expect(second[.fingerprint]?.outcome == .passed)
        for line in "\(first)".split(separator: "\n") { #expect(line.count <= 80, "\(line)") }
        let data = try JSONEncoder().encode(first)
        #expect(try JSONDecoder().decode(ModelVerification.self, from: data) == first)
    }

    @Test("checkpoints with random weights pass what can be told of them", arguments: TinyModel.all)
    func random(url: URL) async throws {
        let result = try await verify(url)
        #expect(failures(result).isEmpty)
        #expect(result[.activation]?.outcome == .undecided)
        #expect(result[.activation]?.detail.contains("chance") == true)
        // A magnitude that models have says that nothing is wrong, not that all is right.
        #expect(result[.scale]?.outcome == .undecided)
        #expect(result[.scale]?.detail.contains("magnitude") == true)
        #expect(result[.kernels]?.outcome == .passed)
    }

    @Test("a tensor that is missing, one too many, and a file cut off: structure")
    func structure() async throws {
        let less = try await verify(TinyModel.bitnetGGUF) { model in
            model.tensors.removeAll { $0.name == Self.up }
        }
        #expect(failures(less) == [.structure])
        #expect(less[.structure]?.detail.contains(Self.up) == true)
        #expect(less[.kernels]?.outcome == .skipped)
        let more = try await verify(TinyModel.bitnetGGUF) { model in
            var extra = model[tensor: Self.up]
            extra.name = "blk.0.extra.weight"
            model.tensors.append(extra)
        }
        #expect(failures(more) == [.structure])
        let folder = try TemporaryFolder()
        let bytes = try Data(contentsOf: TinyModel.bitnetGGUF)
        try folder.write("cut.gguf", [UInt8](bytes.dropLast(1000)))
        let cut = try await verify(URL(fileURLWithPath: folder.file("cut.gguf")))
        #expect(failures(cut) == [.structure] && cut.fingerprint == nil)
    }

    @Test("a configuration of other sizes: sizes")
    func sizes() async throws {
        let result = try await verify(TinyModel.bitnetGGUF) { model in
            let key = "\(model.architecture).feed_forward_length"
            model[key] = .uint32(512)
        }
        #expect(failures(result) == [.sizes])
        #expect(result[.sizes]?.detail.contains("512") == true)
    }

    @Test("a code that is no trit: codes")
    func codes() async throws {
        let result = try await verify(TinyModel.bitnetGGUF) { $0[tensor: Self.up].bytes[5] = 0xFF }
        #expect(failures(result) == [.codes])
        #expect(result[.codes]?.detail.contains(Self.up) == true)
        let floats = try await verify(TinyModel.llamaGGUF) { model in
            let count = model[tensor: Self.up].shape.reduce(1, *)
            model[tensor: Self.up].type = .f32
            model[tensor: Self.up].bytes = floatBytes(randomFloats(count, seed: 3))
        }
        #expect(failures(floats) == [.codes])
    }

    @Test(
        "a norm, a scale or an embedding that is not finite: values",
        arguments: ["output_norm.weight", up, "token_embd.weight"])
    func values(name: String) async throws {
        let result = try await verify(try BitNetSampleModel.url) { model in
            // The scale of I2_S is behind its codes; the others begin with a number.
            let start = name == Self.up ? model[tensor: name].bytes.count - 32 : 0
            model[tensor: name].bytes.replaceSubrange(
                start..<start + 4, with: [0, 0, 0xC0, 0x7F])
            if name.hasPrefix("token") {
                model[tensor: name].bytes.replaceSubrange(0..<2, with: [0, 0x7E])
            }
        }
        #expect(failures(result) == [.values])
        #expect(result[.values]?.detail.contains(name) == true)
        // The codes of a matrix whose scale is none were not read.
        guard name == Self.up else { return }
        #expect(result[.codes]?.outcome == .undecided)
        #expect(result[.codes]?.detail.contains("not read: '\(name)'") == true)
    }

    @Test("what is read although a check has failed is told from what is not")
    func unread() async throws {
        // A matrix that is not ternary: its scale does not count as a finite one.
        let floats = try await verify(TinyModel.llamaGGUF) { model in
            let count = model[tensor: Self.up].shape.reduce(1, *)
            model[tensor: Self.up].type = .f32
            model[tensor: Self.up].bytes = floatBytes(randomFloats(count, seed: 3))
        }
        #expect(floats[.values]?.outcome == .undecided)
        #expect(floats[.values]?.detail.contains("not read: '\(Self.up)'") == true)
        // A weight that is not finite is a value, whatever else is stored there.
        let infinite = try await verify(TinyModel.llamaGGUF) { model in
            let count = model[tensor: Self.up].shape.reduce(1, *)
            var weights = [Float](repeating: 1, count: count)
            weights[7] = .infinity
            model[tensor: Self.up].type = .f32
            model[tensor: Self.up].bytes = floatBytes(weights)
        }
        #expect(failures(infinite) == [.values] && infinite[.codes]?.outcome == .undecided)
        // A code that is none leaves the scale, which is read before.
        let code = try await verify(TinyModel.bitnetGGUF) { $0[tensor: Self.up].bytes[5] = 0xFF }
        #expect(failures(code) == [.codes] && code[.values]?.outcome == .passed)
        // Tensors after a norm that is not finite were not looked for.
        let norm = try await verify(TinyModel.bitnetGGUF) { model in
            model[tensor: "output_norm.weight"].bytes.replaceSubrange(
                0..<4, with: floatBytes([.nan]))
        }
        #expect(failures(norm) == [.values] && norm[.structure]?.outcome == .undecided)
        #expect("\(norm)".contains("1 of 10 checks failed; 1 undecided, 8 skipped"))
    }

    @Test("another activation function that is better by a little is named with its lead")
    func closeRival() {
        func losses(_ values: [Double]) -> TextLosses { TextLosses(losses: values) }
        let stated = losses((0..<60).map { 2 + Double($0 % 7) * 0.1 })
        let closely = losses(stated.losses.enumerated().map { $1 - ($0 % 2 == 0 ? 0.06 : -0.02) })
        let clearly = losses(stated.losses.map { $0 - 0.2 })
        let worse = losses(stated.losses.map { $0 + 0.3 })
        typealias Way = (Activation, TextLosses)
        func judge(_ rivals: [Way], best: Way) -> (ModelVerification.Outcome, String) {
            ModelVerification.judge([(.silu, stated)] + rivals, best: best, chance: 8)
        }
        #expect(!closely.isClearlyBetter(than: stated) && clearly.isClearlyBetter(than: stated))
        let near = judge([(.gelu, closely), (.squaredReLU, worse)], best: (.silu, stated))
        #expect(near.0 == .undecided)
        #expect(near.1.contains("gelu_pytorch_tanh") && near.1.contains("0.020 +- 0.00"))
        let wrong = judge([(.gelu, clearly)], best: (.gelu, clearly))
        #expect(wrong.0 == .failed && wrong.1.contains("silu is wrong"))
        let right = judge([(.gelu, worse)], best: (.silu, stated))
        #expect(right.0 == .passed && right.1.contains("by 0.300 +- 0.000"))
        let none = judge([(.gelu, losses([.infinity]))], best: (.silu, losses([7.5])))
        #expect(none.0 == .undecided && none.1.contains("chance"))
    }

    @Test("the wrong activation function: activation, which names the right one")
    func activation() async throws {
        let result = try await verify(try BitNetSampleModel.url) { model in
            model["\(model.architecture).hidden_act"] = .string("silu")
        }
        #expect(failures(result) == [.activation])
        #expect(
            result[.activation]?.detail.contains("silu is wrong, relu2 is right") == true)
    }

    @Test("scales that divide where they multiply: scale")
    func scales() async throws {
        let result = try await verify(try BitNetSampleModel.url) { model in
            for index in model.tensors.indices where model.tensors[index].type == .i2_s {
                let start = model.tensors[index].bytes.count - 32
                let bits = model.tensors[index].bytes[start..<start + 4].reversed()
                    .reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
                model.tensors[index].bytes.replaceSubrange(
                    start..<start + 4, with: floatBytes([1 / Float(bitPattern: bits)]))
            }
        }
        #expect(failures(result) == [.scale])
        #expect(result[.scale]?.detail.contains("the other way") == true)
    }

    @Test("the same by magnitude alone, of a model that predicts nothing")
    func magnitude() async throws {
        let folder = try TemporaryFolder()
        var model = try EditableFolder(TinyModel.llamaFolder)
        model[quantization: "linear_class"] = "autobitlinear"
        let result = try await verify(try model.write(to: folder))
        #expect(failures(result) == [.scale])
        #expect(result[.scale]?.detail.contains("magnitude") == true)
    }

    @Test("a tokenizer that cannot be used: tokenizer; no text, but all else is checked")
    func tokenizer() async throws {
        let result = try await verify(TinyModel.bitnetGGUF) { $0["tokenizer.ggml.model"] = nil }
        #expect(failures(result) == [.tokenizer])
        #expect(result[.activation]?.detail.contains("tokenizer") == true)
        #expect(result[.kernels]?.outcome == .passed)
    }

    @Test("a chat template that refuses, or leaves out what is said: template")
    func template() async throws {
        for source in ["{{ raise_exception('no') }}", "{% for", "<start>"] {
            let result = try await verify(TinyModel.bitnetGGUF) {
                $0["tokenizer.chat_template"] = .string(source)
            }
            #expect(failures(result) == [.template], "\(source)")
        }
    }

    @Test("kernels that compute something else: kernels, which names the set")
    func kernels() throws {
        let model = try BitNetModel(
            loading: TinyModel.bitnetGGUF, options: LoadOptions(threads: 1, sparsity: .off))
        var result = ModelVerification(path: "")
        try result.checkKernels(model, progress: { _ in }, isCancelled: { false }) {
            transformer, tokens throws(BitNetError) in
            var rows = try ModelVerification.logits(transformer, tokens) { false }
            if transformer.compute.kernels.name == "scalar" { rows[2][7] ^= 1 }
            return rows
        }
        #expect(failures(result) == [.kernels])
        #expect(result[.kernels]?.detail.contains("scalar") == true)
    }

    @Test("one weight that is another: fingerprint, and nothing else")
    func fingerprint() async throws {
        let record = try await BitNetModel.load(TinyModel.bitnetGGUF).record()
        let result = try await verify(TinyModel.bitnetGGUF, against: record) { model in
            let byte = model[tensor: Self.up].bytes[0]
            model[tensor: Self.up].bytes[0] = byte & 3 == 0 ? byte | 1 : byte & ~3
        }
        #expect(failures(result) == [.fingerprint])
        let other = try await verify(TinyModel.llamaGGUF, against: record)
        #expect(failures(other) == [.fingerprint])
    }

    @Test("a record comes back from its file; other files are refused")
    func recordFile() async throws {
        let folder = try TemporaryFolder()
        let url = URL(fileURLWithPath: folder.file("record.json"))
        let record = try await BitNetModel.load(TinyModel.bitnetGGUF).record()
        try record.write(to: url)
        #expect(try ModelRecord.read(from: url) == record)
        for text in ["", "[]", "{\"version\": 1}", "{\"version\": \"x\"}"] {
            try folder.write("other.json", [UInt8](text.utf8))
            #expect(throws: BitNetError.self) {
                try ModelRecord.read(from: URL(fileURLWithPath: folder.file("other.json")))
            }
        }
    }

    @Test("no file is an error, and so is a cancelled task")
    func notVerified() async throws {
        await #expect(throws: BitNetError.self) {
            try await verify(URL(fileURLWithPath: "/nowhere/model.gguf"))
        }
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await verify(TinyModel.bitnetGGUF)
        }
        await #expect(throws: BitNetError.cancelled) { try await task.value }
    }
}

@Suite("SHA-256")
struct SHA256Tests {
    @Test(
        "the examples of FIPS 180-4, in pieces of any size",
        arguments: [
            ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"
            ),
        ])
    func examples(text: String, expected: String) {
        for size in [1, 7, 64, 200] {
            var hash = SHA256()
            let bytes = Array(text.utf8)
            for start in stride(from: 0, to: bytes.count, by: size) {
                hash.update(bytes[start..<min(start + size, bytes.count)])
            }
            #expect(hash.hexadecimal == expected)
        }
    }

    @Test("a million times a")
    func million() {
        var hash = SHA256()
        hash.update(repeatElement(UInt8(ascii: "a"), count: 1_000_000))
        #expect(
            hash.hexadecimal
                == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    }
}
