import Foundation
import TestSupport
import Testing

/// What the commands print when all is well.
@Suite("Command line output", .enabled(if: bitnetExecutable != nil))
struct CommandLineOutputTests {
    private let sampleModel = ReferenceData.packageRoot.appendingPathComponent(
        "Sources/BitNetSampleModel/Resources/stories.gguf")

    private func bitnet(_ arguments: String...) throws -> CommandLineTests.Run {
        try CommandLineTests.bitnet(arguments)
    }

    @Test("help names every command, and every command has help of its own")
    func help() throws {
        let all = try bitnet("--help")
        #expect(all.code == 0)
        for command in ["generate", "logits", "tokenize", "convert"] {
            #expect(all.output.contains("\n  \(command) "))
            let own = try bitnet("help", command)
            #expect(own.code == 0)
            #expect(own.output.hasPrefix("OVERVIEW: "))
            #expect(own.output.contains("bitnet \(command) "))
        }
        #expect(try bitnet("help", "bench", "model").output.contains("(default: 64)"))
    }

    @Test("no option's help says its default twice, and options of a kind are worded alike")
    func defaults() throws {
        let commands: [[String]] = [
            ["generate"], ["chat"], ["embed"], ["logits"], ["tokenize"], ["convert"], ["inspect"],
            ["hex"], ["plan"], ["verify"], ["perplexity"], ["train"], ["bench", "matmul"],
            ["bench", "model"], ["bench", "head"], ["bench", "compare"], ["demo", "rounding"],
            ["demo", "width"], ["demo", "zeros"], ["demo", "layers"], ["doctor"],
        ]
        var orders: Set<String> = []
        for command in commands {
            let help = try CommandLineTests.bitnet(["help"] + command)
            #expect(help.code == 0 && help.output.contains("OPTIONS:"), "\(command)")
            // An option begins in column 2, and its help goes on further right.
            var options: [String] = []
            for line in help.output.split(separator: "\n") {
                if line.hasPrefix("  -") {
                    options.append(String(line))
                } else if line.hasPrefix("   "), !options.isEmpty {
                    options[options.count - 1] += " " + line.drop { $0 == " " }
                }
            }
            for option in options {
                #expect(
                    option.components(separatedBy: "(default").count <= 2, "\(command): \(option)")
                if option.contains("--i2s-order") { orders.insert(option) }
            }
        }
        #expect(orders.count == 1)
    }

    @Test("JSON has the documented keys in their order, and nothing else on standard output")
    func json() throws {
        let run = try bitnet("generate", "A \"cat\"", "--json", "--max-tokens", "3")
        #expect(run.code == 0)
        let lines = run.output.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.count == 2 && lines.last == "")
        let value = try JSONSerialization.jsonObject(with: Data(run.output.utf8))
        let keys = [
            "text", "tokens", "stopReason", "promptTokens", "generatedTokens", "decodedTokens",
            "decodePasses", "draftedTokens", "acceptedDraftTokens", "prefillSeconds",
            "decodeSeconds", "prefillTokensPerSecond", "decodeTokensPerSecond", "seed", "sparsity",
        ]
        #expect(Set(try #require(value as? [String: Any]).keys) == Set(keys))
        let places = keys.map { run.output.range(of: "\"\($0)\":")?.lowerBound }
        #expect(try places == places.map { try #require($0) }.sorted())
    }

    @Test("statistics tell the time to load and the speed of prompt and response")
    func statistics() throws {
        let run = try bitnet("generate", "A cat", "--max-tokens", "4", "--isa", "scalar")
        #expect(run.errorLines.count == 2)
        #expect(run.error.contains(#/loaded in [0-9.]+ s \(scalar, [0-9]+ threads?\)/#))
        #expect(
            run.error.contains(#/prompt [0-9]+ tokens in [0-9.]+ s \([0-9.]+ tokens/s\)/#))
        #expect(
            run.error.contains(
                #/response 4 tokens, 3 decoded in [0-9.]+ s \([0-9.]+ tokens/s\), ended by/#))
    }

    @Test("no tokens asked for is no error: the prompt alone, and a reason")
    func noTokens() throws {
        let text = try bitnet("generate", "A cat", "--max-tokens", "0")
        #expect(text.code == 0)
        #expect(text.output == "A cat\n")
        let json = try bitnet("generate", "A cat", "--max-tokens", "0", "--json")
        #expect(json.code == 0)
        #expect(json.output.hasPrefix(#"{"text":"","tokens":[],"stopReason":"length","#))
        #expect(json.output.contains(#""generatedTokens":0,"#))
    }

    @Test("an empty prompt begins a text from nothing")
    func emptyPrompt() throws {
        let run = try bitnet("generate", "", "--max-tokens", "4", "--seed", "1", "--json")
        #expect(run.code == 0)
        #expect(run.output.contains(#""promptTokens":1,"generatedTokens":4,"#))
        #expect(!run.output.hasPrefix(#"{"text":"","#))
    }

    @Test("layouts, instruction sets and threads change nothing in the logits")
    func sameLogits() throws {
        let arguments = ["logits", "--model", sampleModel.path, "--prompt", "A cat"]
        let expected = try CommandLineTests.bitnet(arguments)
        #expect(expected.code == 0)
        for extra in [
            ["--layout", "t2"], ["--layout", "T5"], ["--isa", "scalar", "--layout", "t5"],
            ["--threads", "3"],
        ] {
            #expect(try CommandLineTests.bitnet(arguments + extra).output == expected.output)
        }
    }

    private func logits(of model: URL) throws -> [Float] {
        struct Logits: Decodable {
            let logits: [[Float]]
        }
        let run = try bitnet("logits", "--tokens", "1", "--model", model.path)
        return try JSONDecoder().decode(Logits.self, from: Data(run.output.utf8)).logits[0]
    }

    @Test(
        "a converted model says the same, and the report tells what was written",
        arguments: ["i2_s", "tq1_0", "TQ2_0"])
    func convert(_ type: String) throws {
        let file = FileManager.default.temporaryDirectory
            .appendingPathComponent("bitnet-convert-\(UInt64.random(in: 0 ... .max)).gguf")
        defer { try? FileManager.default.removeItem(at: file) }
        let run = try bitnet("convert", sampleModel.path, file.path, "--type", type)
        #expect(run.code == 0)
        #expect(run.error == "")
        #expect(run.output.hasPrefix("\(file.path): 68 tensors, 42 of them ternary"))
        let size = try Data(contentsOf: file).count
        #expect(run.output.hasSuffix("; \(size) bytes\n"))
        let original = try logits(of: sampleModel)
        let converted = try logits(of: file)
        if type == "i2_s" { #expect(converted == original) }
        // Other formats round the scales to half precision, which moves activations that lie between
        // two int8 values.
        let worst = zip(converted, original).map { abs($0 - $1) }.max()
        #expect(try #require(worst) < 0.5)
        #expect(converted.count == 2048)
    }

    @Test("convert --report prints a line for every tensor")
    func report() throws {
        let file = FileManager.default.temporaryDirectory
            .appendingPathComponent("bitnet-report-\(UInt64.random(in: 0 ... .max)).gguf")
        defer { try? FileManager.default.removeItem(at: file) }
        let run = try bitnet(
            "convert", sampleModel.path, file.path, "--type", "f16", "--report", "--i2s-order", "a")
        #expect(run.code == 0)
        let lines = run.output.split(separator: "\n")
        #expect(lines.count == 68 + 2)
        #expect(lines.first?.hasPrefix("tensor ") == true)
        #expect(lines.filter { $0.contains("ffn_down") && $0.contains("F16") }.count > 1)
    }
}
