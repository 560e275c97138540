import Foundation
import TestSupport
import Testing

@testable import BitNetBench
@testable import BitNetFiles
@testable import BitNetKit
@testable import BitNetTokenizers
@testable import TernaryCompute

@Suite("Loading chat templates")
struct ChatTemplateLoadingTests {
    /// A folder of its own with files in it.
    private static func folder(_ files: [String: Data]) throws -> URL {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
            "bitnetkit-template-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for (name, data) in files {
            try data.write(to: folder.appendingPathComponent(name))
        }
        return folder
    }

    /// Files with a template that cannot be used, and what its error says.
    static let broken: [(files: [String: Data], part: String)] = [
        (["chat_template.jinja": Data()], "chat_template.jinja: the chat template is empty"),
        (["chat_template.jinja": Data([0x61, 0xE9, 0x0A])], "the chat template is not UTF-8"),
        (["chat_template.jinja": Data("a\n{% for %}".utf8)], "line 2: unexpected %}"),
        (["chat_template.jinja": Data("{{ messages | nosuch }}".utf8)], "the filter 'nosuch'"),
        (["chat_template.jinja": Data("{{ 1 is nosuch }}".utf8)], "the test 'nosuch'"),
        (["chat_template.jinja": Data("{% include 'x' %}".utf8)], "the statement 'include'"),
        (["tokenizer_config.json": Data(#"{"chat_template": []}"#.utf8)], "a list without"),
        (["tokenizer_config.json": Data(#"{"chat_template": ""}"#.utf8)], "empty"),
        (["tokenizer_config.json": Data(#"{"chat_template": 3}"#.utf8)], "expected a string"),
        (["tokenizer_config.json": Data(#"{"chat_template": [1]}"#.utf8)], "with names, found 1"),
        (["tokenizer_config.json": Data(#"{"chat_template": {"a": "b"}}"#.utf8)], "there are: a"),
        (
            ["tokenizer_config.json": Data(#"{"chat_template": [{"name": "default"}]}"#.utf8)],
            "'default' is not a string"
        ),
        (
            [
                "tokenizer_config.json": Data(
                    #"{"chat_template": [{"name": "rag", "template": "x"}]}"#.utf8)
            ], "no template is named 'default'; there are: rag"
        ),
    ]

    @Test("a template that cannot be used loads, warns, and is an error when it is used")
    func unusable() throws {
        let tokenizer = try TokenizerFixtures.tiny()
        for (files, part) in Self.broken {
            let folder = try Self.folder(files)
            defer { try? FileManager.default.removeItem(at: folder) }
            let template = try #require(
                try ChatTemplate.load(from: folder, tokenizer: tokenizer), "\(part)")
            let warning = try #require(template.warning, "\(part)")
            #expect(warning.contains(part), "\(warning)")
            #expect {
                try template.render([ChatMessage(.user, "a")], addsGenerationPrompt: true)
            } throws: { error in
                error is BitNetError && "\(error)".contains(part)
            }
        }
    }

    @Test("nothing is said about templates that can be used")
    func usable() throws {
        let tokenizer = try TokenizerFixtures.tiny()
        for format in ChatTemplate.Format.allCases {
            #expect(ChatTemplate(format).warning == nil, "\(format)")
        }
        let text = "{% if false %}{{ messages | upper is defined }}{% endif %}"
        let folder = try Self.folder(["chat_template.jinja": Data(text.utf8)])
        defer { try? FileManager.default.removeItem(at: folder) }
        let template = try #require(try ChatTemplate.load(from: folder, tokenizer: tokenizer))
        #expect(template.warning == nil)
    }

    @Test("special tokens of the settings are variables of the template, and no others are")
    func specialTokens() throws {
        let tokenizer = try TokenizerFixtures.tiny()
        let settings =
            #"{"pad_token": "<pad>", "unk_token": {"content": "<unk>"}, "cls_token": null,"#
            + #" "chat_template": "{{ pad_token }}{{ unk_token }}{{ cls_token is defined }}"}"#
        let folder = try Self.folder(["tokenizer_config.json": Data(settings.utf8)])
        defer { try? FileManager.default.removeItem(at: folder) }
        let template = try #require(try ChatTemplate.load(from: folder, tokenizer: tokenizer))
        #expect(try template.render([], addsGenerationPrompt: false) == "<pad><unk>False")
    }

    /// Checks that a model with a broken template works and says so.
    private func check(_ url: URL, like plain: URL, _ part: String) throws {
        let model = try BitNetModel(loading: url)
        #expect(model.warnings.contains { $0.contains(part) }, "\(model.warnings)")
        #expect(try TinyModel.haveSameLogits(url, plain))
        #expect {
            try model.tokens(of: [ChatMessage(.user, "a")], addsGenerationPrompt: true)
        } throws: { error in
            error is BitNetError && "\(error)".contains(part)
        }
    }

    @Test("a model whose template is broken runs, warns, and refuses conversations")
    func models() throws {
        for (files, part) in Self.broken {
            let temporary = try TemporaryFolder()
            var folder = try EditableFolder(TinyModel.bitnetFolder)
            for (name, data) in files { folder.files[name] = [UInt8](data) }
            try check(try folder.write(to: temporary), like: TinyModel.bitnetFolder, part)
        }
        let temporary = try TemporaryFolder()
        var folder = try EditableFolder(TinyModel.bitnetFolder)
        folder.files["chat_template.jinja"] = []
        let report = try BitNetConverter.convert(
            from: try folder.write(to: temporary),
            to: URL(fileURLWithPath: temporary.file("converted.gguf")),
            options: ConversionOptions())
        #expect(report.warnings.contains { $0.contains("left out") && $0.contains("empty") })
        let values: [(GGUFValue, part: String)] = [
            (.string("{% if %}"), "line 1: unexpected %}"), (.uint32(3), "tokenizer.chat_template"),
            (.string(""), "empty"),
        ]
        for (value, part) in values {
            let temporary = try TemporaryFolder()
            var file = try EditableGGUF(TinyModel.bitnetGGUF)
            file["tokenizer.chat_template"] = value
            try check(try file.write(to: temporary), like: TinyModel.bitnetGGUF, part)
        }
    }

    @Test("the line that an error shows is the one that it counts, whatever ends lines")
    func lines() throws {
        for ending in ["\n", "\r\n", "\r"] {
            // These end a line for Python's splitlines, but not for jinja2's lexer.
            let template = "a\u{2028}b\u{B}c\u{85}d" + ending + "e" + ending + "{% nosuch %} f"
            #expect(
                throws: BitNetError.chatTemplate(
                    detail: "line 3: the statement 'nosuch' is not supported here "
                        + "in: {% nosuch %} f")
            ) { try ChatTemplate(template) }
        }
        // One letter with very many marks is one Character.
        let marks = "{% nosuch %}a" + String(repeating: "\u{301}", count: 10_000)
        #expect {
            try ChatTemplate(marks)
        } throws: {
            "\($0)".unicodeScalars.count < 400
        }
    }
}
