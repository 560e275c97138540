import BitNetKit
import BitNetSampleModel
import Foundation
import Testing

@Suite("Command line: chat prompts", .enabled(if: bitnetExecutable != nil))
struct CommandLineChatTests {
    private static let folder = Bundle.module.bundleURL
        .appendingPathComponent("Fixtures/reference/bitnet-untied/packed")

    @Test("tokenize --chat gives the tokens of a conversation")
    func tokenize() throws {
        let path = Self.folder.path
        let run = try CommandLineTests.bitnet(
            ["tokenize", "--model", path, "--chat", "--system", "Be brief.", "Hi <|eot_id|>"])
        #expect(run.code == 0)
        let ids = try JSONDecoder().decode([Int].self, from: Data(run.output.utf8))
        let tokenizer = try Tokenizer.load(from: Self.folder)
        #expect(
            tokenizer.decode(ids) == "<|begin_of_text|>System: Be brief.<|eot_id|>"
                + "User: Hi <|eot_id|><|eot_id|>Assistant: ")
        let end = tokenizer.id(ofSpecial: "<|eot_id|>")
        #expect(ids.filter { $0 == end }.count == 2)
    }

    @Test("generate --chat answers a message and does not repeat it")
    func generate() throws {
        let run = try CommandLineTests.bitnet([
            "generate", "--model", Self.folder.path, "--chat", "--max-tokens", "3",
            "--temperature", "0", "Hello",
        ])
        #expect(run.code == 0)
        #expect(!run.output.contains("Hello") && !run.output.contains("Assistant:"))
    }

    @Test("a model without a template says so")
    func noTemplate() throws {
        let sample = try BitNetSampleModel.url.path
        for command in [["generate"], ["tokenize", "--model", sample]] {
            let run = try CommandLineTests.bitnet(command + ["--chat", "Hello"])
            #expect(run.code == 1 && run.output == "")
            #expect(run.error.contains("chat template: the model has none"))
        }
    }

    @Test(
        "options that do not go together are wrong usage",
        arguments: [
            ["generate", "--system", "x", "y"], ["tokenize", "--model", "m", "--system", "x", "y"],
            ["tokenize", "--model", "m", "--chat", "--decode", "[1]"],
            ["tokenize", "--model", "m", "--chat", "--special", "y"],
        ])
    func usage(_ arguments: [String]) throws {
        let run = try CommandLineTests.bitnet(arguments)
        #expect(run.code == 64 && run.output == "")
    }
}
