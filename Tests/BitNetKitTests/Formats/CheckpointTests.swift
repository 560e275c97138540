import Foundation
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Model folders and checkpoints")
struct CheckpointTests {
    private func shard(_ names: [String]) -> [UInt8] {
        let entries = names.enumerated().map { index, name in
            let offsets = "[\(4 * index), \(4 * index + 4)]"
            return #""\#(name)": {"dtype": "U8", "shape": [4], "data_offsets": \#(offsets)}"#
        }
        return rawSafetensors("{\(entries.joined(separator: ","))}", data: 4 * names.count)
    }

    private func error(opening path: String) -> BitNetError? {
        failure { () throws(BitNetError) in try Checkpoint(opening: path) }
    }

    @Test("a folder with one file has its configuration and tensors")
    func singleFile() throws {
        let folder = try TemporaryFolder()
        try folder.write("config.json", #"{"hidden_size": 64}"#)
        try folder.write("generation_config.json", #"{"eos_token_id": [1, 2]}"#)
        try folder.write("model.safetensors", shard(["b", "a"]))
        let checkpoint = try Checkpoint(opening: folder.path)
        #expect(checkpoint.tensorNames == ["b", "a"])
        #expect(checkpoint.tensor(named: "a")?.elementCount == 4)
        #expect(checkpoint.unused(after: ["b"]) == ["a"])
        #expect(
            failure { () throws(BitNetError) in try checkpoint.requiredTensor(named: "c") }
                == .missingTensor(path: folder.path, tensor: "c"))
        guard case .huggingFace(let model) = checkpoint.metadata else {
            Issue.record("not a folder")
            return
        }
        #expect(try model.config.int("hidden_size", in: model.path) == 64)
        let files = ModelFolder(path: model.path)
        #expect(try files.file("tokenizer.json") == nil)
        #expect(try files.file("config.json")?.path == folder.file("config.json"))
        let byFile = try Checkpoint(opening: folder.file("model.safetensors"))
        #expect(byFile.tensorNames == ["b", "a"])
    }

    @Test("a sharded folder has the tensors of all shards")
    func sharded() throws {
        let folder = try TemporaryFolder()
        let names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
        try folder.write("config.json", "{}")
        try folder.write(names[0], shard(["a", "b"]))
        try folder.write(names[1], shard(["c"]))
        let index = "model.safetensors.index.json"
        func map(_ entries: String) -> String { #"{"metadata": {}, "weight_map": {\#(entries)}}"# }
        let good = #""a": "\#(names[0])", "b": "\#(names[0])", "c": "\#(names[1])""#
        try folder.write(index, map(good))
        #expect(try Checkpoint(opening: folder.path).tensorNames == ["a", "b", "c"])
        #expect(try Checkpoint(opening: folder.file(names[1])).tensorNames == ["a", "b", "c"])

        try folder.write(index, map(good + #", "d": "\#(names[1])""#))
        #expect(
            error(opening: folder.path)
                == .missingTensor(path: folder.file(names[1]), tensor: "d"))
        try folder.write(index, map(good + #", "d": "model-3.safetensors""#))
        #expect(error(opening: folder.path)?.description.contains("model-3.safetensors") == true)
        try folder.write(index, map(#""a": "\#(names[0])", "b": "\#(names[1])""#))
        #expect(error(opening: folder.path)?.isMalformedFile == true)
        for bad in [#""a": "../\#(names[0])""#, #""a": 5"#, #""a": """#] {
            try folder.write(index, map(bad))
            #expect(error(opening: folder.path)?.isMalformedFile == true)
        }
        try folder.write(index, "{}")
        #expect(error(opening: folder.path)?.isMalformedFile == true)
        try folder.write(index, map(good))
        try folder.write(names[1], shard(["c", "a"]))
        #expect(error(opening: folder.path)?.description.contains("'a'") == true)
    }

    @Test("a folder that lacks something says what to do")
    func remedies() throws {
        let folder = try TemporaryFolder()
        #expect(error(opening: folder.path)?.description.contains("config.json") == true)
        try folder.write("small.gguf", RawGGUF.everything.bytes)
        #expect(error(opening: folder.path)?.description.contains("small.gguf") == true)
        try folder.write("config.json", "{}")
        #expect(error(opening: folder.path)?.isUnsupportedFormat == true)
        try FileManager.default.removeItem(atPath: folder.file("small.gguf"))
        try folder.write("pytorch_model.bin", "x")
        #expect(error(opening: folder.path)?.description.contains("PyTorch") == true)
        try folder.write("config.json", "[]")
        #expect(error(opening: folder.path)?.isMalformedFile == true)
        try folder.write("config.json", "{")
        #expect(error(opening: folder.path)?.isMalformedFile == true)
        let other = folder.file("pytorch_model.bin")
        #expect(error(opening: other)?.isUnsupportedFormat == true)
        let missing = folder.file("missing.gguf")
        #expect(error(opening: missing) == .fileNotFound(path: missing))
        let folderError = failure { () throws(BitNetError) in try HuggingFaceFolder(opening: other)
        }
        #expect(folderError?.isUnreadable == true)
    }

    @Test("a GGUF file is known by its first bytes, whatever its name")
    func magic() throws {
        let folder = try TemporaryFolder()
        let path = try folder.write("blob", RawGGUF.everything.bytes)
        let checkpoint = try Checkpoint(opening: path)
        #expect(checkpoint.tensorNames == ["norm", "ternary", "blocks"])
        #expect(checkpoint.unused(after: ["norm", "blocks"]) == ["ternary"])
        let wrong = try folder.write("a.gguf", "not a model")
        #expect(error(opening: wrong)?.isMalformedFile == true)
    }

    private func part(_ number: UInt8, of count: UInt8, tensor: String, total: UInt8) -> [UInt8] {
        var raw = RawGGUF()
        if number == 0 { raw.entry("general.architecture", string: "first") }
        raw.entry("split.no", type: 2, [number, 0])
        raw.entry("split.count", type: 2, [count, 0])
        raw.entry("split.tensors.count", type: 5, [total, 0, 0, 0])
        raw.tensor(tensor, [8], type: 0, offset: 0)
        raw.data = [UInt8](repeating: 0, count: 32)
        return raw.bytes
    }

    @Test("all parts of a split GGUF file are read, whichever is opened")
    func split() throws {
        let folder = try TemporaryFolder()
        let first = try folder.write("m-00001-of-00002.gguf", part(0, of: 2, tensor: "a", total: 2))
        let second = folder.file("m-00002-of-00002.gguf")
        #expect(error(opening: first) == .fileNotFound(path: second))
        try folder.write("m-00002-of-00002.gguf", part(1, of: 2, tensor: "b", total: 2))
        for path in [first, second] {
            let checkpoint = try Checkpoint(opening: path)
            #expect(checkpoint.tensorNames == ["a", "b"])
            guard case .gguf(let file) = checkpoint.metadata else {
                Issue.record("not a GGUF file")
                return
            }
            #expect(try file.string("general.architecture") == "first")
        }
        let renamed = try folder.write("part.gguf", part(1, of: 2, tensor: "b", total: 2))
        #expect(error(opening: renamed)?.isUnsupportedFormat == true)
        for bad in [
            part(0, of: 2, tensor: "b", total: 2), part(1, of: 2, tensor: "a", total: 2),
            part(1, of: 3, tensor: "b", total: 2),
        ] {
            try folder.write("m-00002-of-00002.gguf", bad)
            #expect(error(opening: first)?.isMalformedFile == true)
        }
        try folder.write("m-00002-of-00002.gguf", part(1, of: 2, tensor: "b", total: 2))
        try folder.write("m-00001-of-00002.gguf", part(0, of: 2, tensor: "a", total: 3))
        #expect(error(opening: first)?.isMalformedFile == true)
    }
}
