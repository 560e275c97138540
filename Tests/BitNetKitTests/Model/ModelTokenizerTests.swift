import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("A tokenizer that does not fit its model is refused")
struct ModelTokenizerTests {
    @Test("a tokenizer with more tokens than the model has rows")
    func tooMany() throws {
        let folder = try failure(ofFolder: TinyModel.bitnetFolder) { model in
            model.config["vocab_size"] = 312
            for name in ["model.embed_tokens.weight", "lm_head.weight"] {
                model[tensor: name].shape = [312, 128]
                model[tensor: name].bytes = Array(model[tensor: name].bytes.prefix(312 * 256))
            }
        }
        #expect(folder?.isTokenizer == true)
        #expect(folder?.description.contains("312") == true)
        let file = try failure(of: TinyModel.bitnetGGUF) { model in
            model["bitnet.vocab_size"] = .uint32(299)
            model[tensor: "token_embd.weight"].shape = [299, 128]
            model[tensor: "token_embd.weight"].bytes.removeLast(256)
        }
        #expect(file?.isTokenizer == true && file?.description.contains("300") == true)
    }

    @Test("more rows than tokens are padding")
    func padding() throws {
        let error = try failure(of: TinyModel.bitnetGGUF) { model in
            model["bitnet.vocab_size"] = .uint32(320)
            model[tensor: "token_embd.weight"].shape = [320, 128]
            model[tensor: "token_embd.weight"].bytes += [UInt8](repeating: 0, count: 20 * 256)
        }
        #expect(error == nil)
    }

    @Test("a folder without tokenizer.json says so")
    func noFile() throws {
        let error = try failure(ofFolder: TinyModel.bitnetFolder) {
            $0.files["tokenizer.json"] = nil
        }
        #expect(error?.isTokenizer == true)
        #expect(error?.description.contains("tokenizer.json") == true)
        let alone = try failure(ofFolder: TinyModel.bitnetFolder) {
            $0.files["tokenizer_config.json"] = nil
        }
        #expect(alone == nil)
    }

    /// What writers put where there is no such token, and what nobody can mean.
    private static let noTokens: [GGUFValue] = [
        .uint64(.max), .uint32(.max), .uint16(.max), .int64(-1), .int64(.min), .int32(-1),
        .int8(-1),
        .string("</s>"), .string(""), .float32(1.5), .float64(1e30), .bool(true),
        .array(GGUFArray([Int32(1), 2])),
    ]

    @Test("whatever is no token's id in a GGUF file is left out, with a warning that shows it")
    func specialTokens() throws {
        let plain = try BitNetModel(loading: TinyModel.bitnetGGUF)
        let logits = try TinyModel.logits(TinyModel.bitnetGGUF)
        for value in Self.noTokens {
            for name in ["bos", "eos", "eot", "unknown", "padding", "seperator"] {
                let folder = try TemporaryFolder()
                var model = try EditableGGUF(TinyModel.bitnetGGUF)
                let key = "tokenizer.ggml.\(name)_token_id"
                model[key] = value
                if name == "bos" { model["tokenizer.ggml.add_bos_token"] = nil }
                let path = try model.write(to: folder)
                let loaded = try BitNetModel(loading: path)
                #expect(try loaded.tokenizer.endTokens.isSubset(of: plain.tokenizer.endTokens))
                #expect(try TinyModel.logits(path) == logits)
                let warning = "\(key) \(value.shown) is no token"
                let isUsed = name != "padding" && name != "seperator"
                #expect(loaded.warnings.contains { $0.contains(warning) } == isUsed, "\(warning)")
                if name == "bos" { #expect(loaded.configuration.beginToken == nil) }
            }
        }
    }

    @Test("whatever is no token's id in config.json is left out, with a warning that shows it")
    func specialTokensOfFolder() throws {
        let plain = try BitNetModel(loading: TinyModel.bitnetFolder)
        let logits = try TinyModel.logits(TinyModel.bitnetFolder)
        let large = "1000000000000000000000000000000"
        for (text, shown) in [
            ("-1", "-1"), ("18446744073709551615", "18446744073709551615"), (large, large),
            ("1e30", "1e30"), ("2.5", "2.5"), ("\"</s>\"", "'</s>'"), ("true", "true"),
            ("[\"a\", 1]", "'a'"), ("{\"a\": 1}", "{a: 1}"),
        ] {
            for key in ["eos_token_id", "bos_token_id"] {
                let folder = try TemporaryFolder()
                var model = try EditableFolder(TinyModel.bitnetFolder)
                model.config[key] = nil
                let path = try model.write(to: folder)
                let file = folder.file("config.json")
                let rest = try String(contentsOfFile: file, encoding: .utf8).dropFirst()
                try folder.write("config.json", "{\"\(key)\": \(text), \(rest)")
                let loaded = try BitNetModel(loading: path)
                #expect(
                    try loaded.tokenizer.endTokens.isSubset(
                        of: plain.tokenizer.endTokens.union([1])))
                #expect(try TinyModel.logits(path) == logits)
                let warnings = loaded.warnings.filter { $0.contains("\(key) \(shown) is no token") }
                #expect(warnings.count == 1, "\(key) \(text): \(loaded.warnings)")
            }
        }
    }

    @Test("ends that are no tokens are left out, with a warning", arguments: [-1, 320, 99_999])
    func endTokens(_ id: Int) throws {
        let plain = try BitNetModel(loading: TinyModel.bitnetFolder)
        for value in [id, [313, id]] as [Any] {
            let folder = try TemporaryFolder()
            var model = try EditableFolder(TinyModel.bitnetFolder)
            model.config["eos_token_id"] = value
            let loaded = try BitNetModel(loading: try model.write(to: folder))
            #expect(try !loaded.tokenizer.endTokens.contains(id))
            #expect(!loaded.configuration.endTokens.contains(id))
            #expect(try loaded.tokenizer.endTokens.isSubset(of: plain.tokenizer.endTokens))
            #expect(loaded.warnings.count == 1)
            #expect(loaded.warnings.first?.contains("eos_token_id \(id) is no token") == true)
        }
        for key in ["eos", "eot", "eom"] {
            let folder = try TemporaryFolder()
            var model = try EditableGGUF(TinyModel.bitnetGGUF)
            model["tokenizer.ggml.\(key)_token_id"] = .int64(Int64(id))
            let loaded = try BitNetModel(loading: try model.write(to: folder))
            #expect(try !loaded.tokenizer.endTokens.contains(id))
            #expect(!loaded.configuration.endTokens.contains(id))
            let name = "tokenizer.ggml.\(key)_token_id \(id) is no token"
            #expect(loaded.warnings.contains { $0.contains(name) })
        }
        #expect(plain.warnings.isEmpty)
    }

    @Test("a GGUF file without a vocabulary says so", arguments: ["tokens", "model"])
    func noVocabulary(_ key: String) throws {
        let error = try failure(of: TinyModel.llamaGGUF) { $0["tokenizer.ggml.\(key)"] = nil }
        #expect(error?.isTokenizer == true)
        #expect(error?.description.contains("vocabulary") == true)
    }

    @Test("a vocabulary of another kind is refused by its name", arguments: ["t5", "bert", ""])
    func otherModel(_ name: String) throws {
        let error = try failure(of: TinyModel.llamaGGUF) {
            $0["tokenizer.ggml.model"] = .string(name)
        }
        #expect(error?.isTokenizer == true && error?.description.contains("'\(name)'") == true)
    }

    @Test("keys of a wrong type and lists of a wrong length are refused")
    func wrongKeys() throws {
        let changes: [(key: String, value: GGUFValue)] = [
            ("tokens", .string("a")), ("tokens", .array(GGUFArray([1, 2] as [Int32]))),
            ("tokens", .array(GGUFArray([] as [String]))),
            ("token_type", .array(GGUFArray([1] as [Int32]))), ("token_type", .uint32(1)),
            ("merges", .array(GGUFArray(["a"]))), ("merges", .array(GGUFArray(["zzz yyy"]))),
            ("pre", .string("klingon")), ("add_bos_token", .uint32(1)),
            ("bos_token_id", .string("<s>")),
        ]
        for change in changes {
            let error = try failure(of: TinyModel.llamaGGUF) {
                $0["tokenizer.ggml.\(change.key)"] = change.value
            }
            #expect(error?.isTokenizer == true || error?.isInvalidMetadata == true, "\(change)")
        }
    }

    @Test("flags of added tokens are pairs of a token and its flags, or refused")
    func tokenFlags() throws {
        func error(_ values: [Int32]) throws -> BitNetError? {
            try failure(of: TinyModel.llamaGGUF) {
                $0[GGUFVocabulary.tokenFlagsKey] = .array(GGUFArray(values))
            }
        }
        #expect(try error([1, 3, 2, 127]) == nil)
        for values: [Int32] in [[1], [1, 128], [1, -1], [-1, 1], [100_000, 1], [1, 2, 3]] {
            #expect(try error(values)?.isTokenizer == true)
        }
    }
}
