import BitNetSampleModel
import Foundation
import Synchronization
import Testing

/// The executable under test, built beside the test bundle.
let bitnetExecutable: URL? = {
    let folder = URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()
    let url = folder.appendingPathComponent("bitnet")
    #if CommandLine
        if FileManager.default.isExecutableFile(atPath: url.path) { return url }
    #endif
    print("no bitnet beside the test bundle: the command line's tests are skipped")
    return nil
}()

private let sampleModelPath = (try? BitNetSampleModel.url.path) ?? "no sample model"

@Suite("Command line", .enabled(if: bitnetExecutable != nil))
struct CommandLineTests {
    struct Run {
        let output: String
        let error: String
        let code: Int32

        var errorLines: [Substring] { error.split(separator: "\n") }
    }

    /// Runs `bitnet` with `arguments`; its standard input is empty.
    static func bitnet(_ arguments: [String]) throws -> Run {
        try run(bitnetExecutable, arguments)
    }

    /// Runs a program to its end.
    static func run(
        _ program: URL?, _ arguments: [String], input: FileHandle = .nullDevice
    ) throws -> Run {
        let process = Process()
        let (output, error) = (Pipe(), Pipe())
        process.executableURL = program
        process.arguments = arguments
        process.standardInput = input
        process.standardOutput = output
        process.standardError = error
        try process.run()
        // Both are read at once: a full pipe that nobody reads would stop the program.
        let complaints = Mutex(Data())
        let isRead = DispatchSemaphore(value: 0)
        Thread.detachNewThread {
            let data = try? error.fileHandleForReading.readToEnd()
            complaints.withLock { $0 = data ?? Data() }
            isRead.signal()
        }
        let text = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        isRead.wait()
        return Run(
            output: String(decoding: text, as: UTF8.self),
            error: String(decoding: complaints.withLock { $0 }, as: UTF8.self),
            code: process.terminationStatus)
    }

    private struct Report: Decodable {
        let text: String
        let tokens: [Int]
        let stopReason: String
        let promptTokens: Int
        let generatedTokens: Int
        let prefillSeconds: Double
        let decodeSeconds: Double
    }

    private static func report(_ run: Run) throws -> Report {
        try JSONDecoder().decode(Report.self, from: Data(run.output.utf8))
    }

    @Test(
        "wrong usage is exit code 64 and nothing on standard output",
        arguments: [
            ["generate", "--max-tokens", "x"], ["generate", "--max-tokens=-1"],
            ["generate", "--temperature=-1"], ["generate", "--temperature=nan"],
            ["generate", "--top-p", "0"], ["generate", "--top-k", "0"],
            ["generate", "--min-p", "2"], ["generate", "--repetition-penalty", "0"],
            ["generate", "--stop", ""], ["generate", "--threads", "0"],
            ["generate", "--model", "model.gguf", "--top-p", "2"],
            ["logits"], ["logits", "--model", "m"],
            ["logits", "--model", "m", "--tokens", "1,,2"],
            ["logits", "--model", "m", "--tokens", "1", "--prompt", "a"],
            ["tokenize", "--model", "m", "text", "--lines", "f"], ["generate", "a", "-p", "b"],
            ["convert", "in"], ["convert", "in", "out", "--type", "q4_0"],
            ["convert", "in", "out", "--embedding", "i2_s"],
        ])
    func usage(arguments: [String]) throws {
        let run = try Self.bitnet(arguments)
        #expect(run.code == 64)
        #expect(run.output == "")
        #expect(run.error.contains("Usage:"))
    }

    @Test(
        "a model that is not there is one line that names it, and exit code 1",
        arguments: [
            ["generate", "text", "--model", "no/such.gguf"],
            ["logits", "--tokens", "1", "--model", "no/such.gguf"],
            ["tokenize", "text", "--model", "no/such.gguf"],
            ["convert", "no/such.gguf", "out.gguf"],
        ])
    func missingModel(arguments: [String]) throws {
        let run = try Self.bitnet(arguments)
        #expect(run.code == 1)
        #expect(run.output == "")
        #expect(run.errorLines.count == 1)
        #expect(run.error.hasPrefix("error: "))
        #expect(run.error.contains("no/such.gguf"))
    }

    @Test("text output is the prompt followed by what JSON calls the text")
    func textAndJSON() throws {
        let common = ["generate", "A cat", "--seed", "5", "--max-tokens", "8"]
        let text = try Self.bitnet(common)
        #expect(text.code == 0)
        let json = try Self.bitnet(common + ["--json"])
        #expect(json.code == 0)
        let report = try Self.report(json)
        #expect(text.output == "A cat" + report.text + "\n")
        #expect(report.tokens.count == report.generatedTokens)
        #expect(report.stopReason == "length")
        #expect(report.generatedTokens == 8)
        #expect(report.promptTokens > 0)
        #expect(report.prefillSeconds > 0)
        #expect(report.decodeSeconds > 0)
        for run in [text, json] { #expect(run.error.contains("seed 5")) }
    }

    @Test("without a prompt the sample model starts its own story and says so")
    func defaultPrompt() throws {
        let run = try Self.bitnet(["generate", "--max-tokens", "2"])
        #expect(run.code == 0)
        #expect(run.output.hasPrefix("Once upon a time"))
        #expect(run.error.contains("Once upon a time"))
    }

    @Test("temperature 0 gives the same text without a seed")
    func greedy() throws {
        let arguments = [
            "generate", "A cat", "--temperature", "0", "--max-tokens", "8", "--json",
        ]
        let first = try Self.report(Self.bitnet(arguments))
        let second = try Self.report(Self.bitnet(arguments))
        #expect(first.tokens == second.tokens)
        #expect(first.generatedTokens > 0)
    }

    @Test("logits are one row, or one per token, that read back as numbers")
    func logits() throws {
        struct Logits: Decodable {
            let tokens: [Int]
            let logits: [[Float]]
        }
        func run(_ extra: [String]) throws -> Logits {
            let arguments = [
                "logits", "--model", sampleModelPath, "--tokens", "5, 6,7",
            ]
            let output = try Self.bitnet(arguments + extra).output
            return try JSONDecoder().decode(Logits.self, from: Data(output.utf8))
        }
        let last = try run([])
        let all = try run(["--all-positions", "--threads", "1"])
        #expect(last.tokens == [5, 6, 7])
        #expect(all.tokens == [5, 6, 7])
        #expect(last.logits.count == 1)
        #expect(all.logits.count == 3)
        #expect(all.logits.last == last.logits.last)
    }

    @Test("tokens and text turn into each other")
    func tokenize() throws {
        let model = ["--model", sampleModelPath]
        let text = "One day, \"Tom\" found 3 caf\u{e9}s."
        let encoded = try Self.bitnet(["tokenize", text] + model)
        #expect(encoded.code == 0)
        let ids = encoded.output.trimmingCharacters(in: .newlines)
        let decoded = try Self.bitnet(["tokenize", "--decode", ids] + model)
        #expect(decoded.code == 0)
        let found = try JSONDecoder().decode(String.self, from: Data(decoded.output.utf8))
        #expect(found == text)
    }

    @Test("each line of a file is tokenized, and a bad line is named")
    func tokenizeLines() throws {
        let file = FileManager.default.temporaryDirectory
            .appendingPathComponent("bitnet-lines-\(UInt64.random(in: 0 ... .max)).jsonl")
        defer { try? FileManager.default.removeItem(at: file) }
        let arguments = [
            "tokenize", "--model", sampleModelPath, "--lines", file.path,
        ]
        try Data("\"a\\nb\"\n\"\"\n\"c\"".utf8).write(to: file)
        let good = try Self.bitnet(arguments)
        #expect(good.code == 0)
        let lines = try good.output.split(separator: "\n").map {
            try JSONDecoder().decode([Int].self, from: Data($0.utf8))
        }
        #expect(lines.count == 3)
        #expect(lines[1] == [])
        try Data("\"a\"\nb\n".utf8).write(to: file)
        let bad = try Self.bitnet(arguments)
        #expect(bad.code == 1)
        #expect(bad.error.contains("line 2"))
        #expect(bad.errorLines.count == 1)
    }
}
