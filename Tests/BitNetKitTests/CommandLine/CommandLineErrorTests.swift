import Foundation
import TestSupport
import Testing

/// What the commands say about wrong files, wrong arguments and borderline ones.
@Suite("Command line errors", .enabled(if: bitnetExecutable != nil))
final class CommandLineErrorTests {
    private typealias Run = CommandLineTests.Run

    private let folder: URL
    private let sampleModel = ReferenceData.packageRoot.appendingPathComponent(
        "Sources/BitNetSampleModel/Resources/stories.gguf")

    init() throws {
        folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("bitnet-errors-\(UInt64.random(in: 0 ... .max))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    private func bitnet(_ arguments: String...) throws -> Run {
        try CommandLineTests.bitnet(arguments)
    }

    /// Runs every command on `model` and expects one line that names it and contains `words`.
    private func expectError(_ model: URL, _ words: String..., tokenizes: Bool = false) throws {
        let output = folder.appendingPathComponent("output.gguf")
        var runs = [
            try bitnet("generate", "text", "--model", model.path),
            try bitnet("logits", "--prompt", "a", "--model", model.path),
            try bitnet("convert", model.path, output.path),
        ]
        if !tokenizes { runs.append(try bitnet("tokenize", "text", "--model", model.path)) }
        for run in runs {
            #expect(run.code == 1)
            #expect(run.output == "")
            #expect(run.errorLines.count == 1)
            #expect(run.error.hasPrefix("error: "))
            for word in words + [model.path] {
                #expect(run.error.contains(word), "\(word) in \(run.error)")
            }
        }
        #expect(!FileManager.default.fileExists(atPath: output.path))
        let left = try FileManager.default.contentsOfDirectory(atPath: folder.path)
        #expect(!left.contains { $0.hasSuffix(".partial") })
    }

    /// A writable copy of a small Hugging Face model.
    private func modelFolder() throws -> URL {
        let copy = folder.appendingPathComponent("model")
        try FileManager.default.createDirectory(at: copy, withIntermediateDirectories: true)
        for name in ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"]
        {
            let source = Fixtures.url("reference/bitnet-untied/packed/\(name)")
            try Data(contentsOf: source).write(to: copy.appendingPathComponent(name))
        }
        return copy
    }

    @Test("what is wrong with a chat template is said once, and names its file once")
    func badTemplate() throws {
        let model = try modelFolder()
        let template = model.appendingPathComponent("chat_template.jinja")
        for (text, usesIt) in [("", true), ("{% if %}", true), ("{{ 1|nope }}", false)] {
            try Data(text.utf8).write(to: template)
            let plain = try bitnet(
                "generate", "a", "--max-tokens", "1", "--model", model.path)
            #expect(plain.code == 0)
            let warnings = plain.errorLines.filter { $0.hasPrefix("warning: ") }
            #expect(warnings.count == 1)
            #expect(warnings[0].ranges(of: model.path).count == 1, "\(warnings[0])")
            let chat = try bitnet("generate", "a", "--chat", "--model", model.path)
            #expect(chat.code == 1)
            #expect(chat.errorLines.count == (usesIt ? 1 : 2), "\(chat.error)")
        }
    }

    @Test("a tokenizer that is not needed is warned of with its file once")
    func badTokenizer() throws {
        let model = try modelFolder()
        try Data("{}".utf8).write(to: model.appendingPathComponent("tokenizer.json"))
        let run = try bitnet("logits", "--tokens", "1", "--model", model.path)
        #expect(run.code == 0 && run.errorLines.count == 1)
        #expect(run.error.hasPrefix("warning: \(model.path): tokenizer: tokenizer.json"))
        #expect(run.error.ranges(of: "tokenizer: ").count == 1, "\(run.error)")
    }

    @Test("a truncated file is named, with the question whether it was downloaded whole")
    func truncated() throws {
        let data = try Data(contentsOf: sampleModel)
        for size in [0, 10, 1000] {
            let file = folder.appendingPathComponent("cut-\(size).gguf")
            try data.prefix(size).write(to: file)
            try expectError(file, "is the download complete?")
        }
        let file = folder.appendingPathComponent("cut.gguf")
        try data.prefix(data.count / 2).write(to: file)
        try expectError(file, "tensor '", "is the download complete?")
    }

    @Test("a file that is no model is named, with what to give instead")
    func noModel() throws {
        let file = folder.appendingPathComponent("notes.txt")
        try Data("Once upon a time there was a text file.".utf8).write(to: file)
        try expectError(file, ".gguf")
    }

    @Test("a folder without a part of the model is named, with the part")
    func incompleteFolder() throws {
        let model = try modelFolder()
        try FileManager.default.removeItem(at: model.appendingPathComponent("tokenizer.json"))
        try expectError(model, "tokenizer.json", "fetch it")
        let files = FileManager.default
        try files.removeItem(at: model.appendingPathComponent("model.safetensors"))
        try expectError(model, "model.safetensors", "download", tokenizes: true)
        try files.removeItem(at: model.appendingPathComponent("config.json"))
        try expectError(model, "config.json", "download", tokenizes: true)
    }

    @Test("a tensor of another shape is told together with its file")
    func wrongShape() throws {
        let model = try modelFolder()
        let file = model.appendingPathComponent("config.json")
        let json = try JSONSerialization.jsonObject(with: Data(contentsOf: file))
        var config = try #require(json as? [String: Any])
        let size = try #require(config["intermediate_size"] as? Int)
        config["intermediate_size"] = size * 2
        try JSONSerialization.data(withJSONObject: config).write(to: file)
        try expectError(
            model, ".mlp.", "shape [", "expected [", "do all files belong to this model?",
            tokenizes: true)
    }

    @Test("a JSON file that is no tokenizer is named, with what it lacks")
    func noTokenizer() throws {
        let file = try modelFolder().appendingPathComponent("config.json")
        let run = try bitnet("tokenize", "text", "--model", file.path)
        #expect(run.code == 1)
        #expect(run.errorLines.count == 1)
        #expect(run.error.contains(file.path) && run.error.contains("'model' is missing"))
    }

    @Test("an unknown instruction set or layout is wrong usage, and the known ones are listed")
    func unknownKernels() throws {
        for command in [["generate", "A"], ["logits", "--model", "m", "--tokens", "1"]] {
            let isa = try CommandLineTests.bitnet(command + ["--isa", "avx1024"])
            #expect(isa.code == 64)
            #expect(isa.error.contains("avx1024") && isa.error.contains("scalar"))
            let layout = try CommandLineTests.bitnet(command + ["--layout", "t9"])
            #expect(layout.code == 64)
            #expect(layout.error.contains("t9") && layout.error.contains("t2 or t5"))
            let threads = try CommandLineTests.bitnet(command + ["--threads", "1025"])
            #expect(threads.code == 64)
            #expect(threads.error.contains("1...1024"))
        }
    }

    @Test("a prompt longer than the context is refused with both lengths")
    func longPrompt() throws {
        let prompt = Array(repeating: "cat", count: 600).joined(separator: " ")
        let encoded = try bitnet("tokenize", prompt, "--model", sampleModel.path)
        let ids = try JSONDecoder().decode([Int].self, from: Data(encoded.output.utf8))
        #expect(ids.count >= 600)
        for arguments in [
            ["generate", prompt], ["logits", "--model", sampleModel.path, "--prompt", prompt],
        ] {
            let run = try CommandLineTests.bitnet(arguments)
            #expect(run.code == 1)
            #expect(run.output == "")
            #expect(run.errorLines.count == 1)
            // The begin-of-text token is one of them.
            #expect(run.error.contains("\(ids.count + 1) tokens"))
            #expect(run.error.contains("the context holds 512"))
        }
    }

    @Test("an empty name is no file")
    func emptyName() throws {
        let run = try bitnet("generate", "A", "--model", "")
        #expect(run.code == 1)
        #expect(run.error == "error: '': no such file or folder; check the path\n")
    }

    @Test("a conversion does not replace a folder, and says so before it begins")
    func folderAsOutput() throws {
        let run = try bitnet("convert", sampleModel.path, folder.path)
        #expect(run.code == 1)
        #expect(run.errorLines.count == 1)
        #expect(run.error.contains(folder.path) && run.error.contains("it is a folder"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
    }
}
