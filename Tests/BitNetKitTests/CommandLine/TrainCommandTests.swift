import BitNetKit
import Foundation
import TestSupport
import Testing

/// `bitnet train` with networks that take a moment, on some kilobytes of text.
@Suite("Command line: train", .enabled(if: bitnetExecutable != nil), .timeLimit(.minutes(10)))
struct TrainCommandTests {
    private let folder: TemporaryFolder
    private let text: String
    private let config: String

    init() throws {
        folder = try TemporaryFolder()
        text = folder.file("text.txt")
        config = folder.file("config.json")
        try Data(Self.story(300).utf8).write(to: URL(fileURLWithPath: text))
        try Data(Self.configuration.utf8).write(to: URL(fileURLWithPath: config))
    }

    /// Documents that a small network learns quickly.
    private static func story(_ count: Int) -> String {
        var generator = SplitMix64(seed: 4)
        let names = ["Lily", "Tom", "Anna", "Ben"]
        let things = ["a red ball", "a small dog", "an old tree", "the big sun"]
        return (0..<count).map { _ in
            let name = names[Int(generator.next() % 4)]
            let thing = things[Int(generator.next() % 4)]
            return "One day \(name) saw \(thing). \(name) was very happy."
        }.joined(separator: "\n<|endoftext|>\n")
    }

    /// As `--json` prints it; what has come later may be absent.
    private static let configuration = """
        {"shape": {"hiddenSize": 64, "feedForwardSize": 128, "layerCount": 1, "headCount": 2,
        "keyValueHeadCount": 1, "vocabularySize": 320, "contextLength": 32, "normEpsilon": 1e-5,
        "ropeBase": 10000}, "length": {"steps": 12}, "windowsPerStep": 16,
        "schedule": {"warmupSteps": 4, "peakRate": 5e-3, "firstStageEnd": 2e-3,
        "secondStageStart": 1e-3, "secondStage": 0.5, "weightDecay": 0.1, "secondStageDecay": 0},
        "beta1": 0.9, "beta2": 0.95, "epsilon": 1e-8, "clipNorm": 1, "seed": 1}
        """

    private func arguments(_ out: String, _ more: String...) -> [String] {
        ["train", "--data", text, "--out", folder.file(out), "--config", config] + more
    }

    private struct Losses: Decodable {
        var step: Int
        var loss: Double
        var bitsPerByte: Double?
    }

    private struct Event: Decodable {
        struct Start: Decodable {
            struct Configuration: Decodable { var windowsPerStep: Int }
            var configuration: Configuration
            var parameters: Int
            var tokens: Int
            var step: Int
            var threads: Int
        }

        struct Step: Decodable {
            var step: Int
            var progress: Double
            var loss: Double
            var divergence: Double?
            var gradientNorm: Double
            var learningRate: Double
            var tokens: Int
            var seconds: Double
        }

        struct Summary: Decodable {
            var steps: Int
            var first: Losses?
            var last: Losses?
            var modelBytes: Int
        }

        var training: Start?
        var step: Step?
        var validation: Losses?
        var sample: String?
        var checkpoint: String?
        var summary: Summary?
    }

    private static func events(_ output: String) throws -> [Event] {
        try output.split(separator: "\n").map {
            try JSONDecoder().decode(Event.self, from: Data($0.utf8))
        }
    }

    private func bytes(_ path: String) throws -> Data {
        try Data(contentsOf: URL(fileURLWithPath: folder.file(path)))
    }

    // MARK: - Training

    @Test("text becomes a model that generates, and every result is in the folder")
    func whole() throws {
        let run = try CommandLineTests.bitnet(arguments("out", "--steps", "40"))
        #expect(run.code == 0, "\(run.error)")
        let lines = run.output.split(separator: "\n")
        #expect(lines.count == 2 && lines[0].hasPrefix("40 steps, validation loss "))
        #expect(lines.allSatisfy { $0.count <= 80 || $0.contains(folder.file("out")) })
        #expect(run.error.contains("M parameters, vocabulary "))
        #expect(run.error.contains("step 0: validation loss"))
        let expected = [
            "checkpoint.safetensors", "loss.csv", "loss.svg", "masters", "model", "model.gguf",
            "tokenizer.json", "tokenizer_config.json", "tokens.safetensors",
        ]
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.file("out"))
        #expect(names.sorted() == expected)
        let model = folder.file("out/model.gguf")
        let story = try CommandLineTests.bitnet(
            ["generate", "One day", "--model", model, "--max-tokens", "12"])
        #expect(story.code == 0 && story.output.hasPrefix("One day"))
    }

    @Test("events in JSON tell the course of a training, and that it learns")
    func json() throws {
        let run = try CommandLineTests.bitnet(arguments("out", "--steps", "30", "--json"))
        #expect(run.code == 0 && run.error.isEmpty, "\(run.error)")
        let events = try Self.events(run.output)
        let start = try #require(events.first?.training)
        #expect(start.step == 0 && start.configuration.windowsPerStep == 16)
        #expect(start.parameters > 10_000 && start.tokens > 1000 && start.threads >= 1)
        let steps = events.compactMap(\.step)
        #expect(steps.map(\.step) == Array(1...30) && steps.last?.progress == 1)
        #expect(steps.allSatisfy { $0.tokens == 512 && $0.divergence == nil })
        #expect(events.compactMap(\.validation).count >= 10)
        #expect(events.contains { $0.sample?.isEmpty == false })
        #expect(events.compactMap(\.checkpoint) == [folder.file("out/checkpoint.safetensors")])
        let summary = try #require(events.last?.summary)
        let (first, last) = (try #require(summary.first), try #require(summary.last))
        // Nothing but chance at first, and much less than half of it at the end.
        #expect(abs(first.loss - log(320.0)) < 0.5 && last.loss < 0.6 * first.loss)
        #expect(summary.steps == 30 && summary.modelBytes > 1000)
    }

    #if os(Linux)
        @Test(
            "Ctrl-C writes a checkpoint, and the training that goes on ends as one that was left alone",
            arguments: [SIGINT, SIGTERM])
        func interrupted(_ signal: Int32) throws {
            let whole = try CommandLineTests.bitnet(
                arguments("whole", "--steps", "60", "--threads", "1"))
            #expect(whole.code == 0)

            let process = Process()
            let (output, error) = (Pipe(), Pipe())
            process.executableURL = bitnetExecutable
            process.arguments = arguments("the parts", "--steps", "60", "--json")
            process.standardOutput = output
            process.standardError = error
            try process.run()
            var printed = ""
            while !printed.contains("\"step\":3}") && !printed.contains("\"step\":3,") {
                let data = output.fileHandleForReading.availableData
                try #require(!data.isEmpty, "\(printed)")
                printed += String(decoding: data, as: UTF8.self)
            }
            kill(process.processIdentifier, signal)
            let rest = try output.fileHandleForReading.readToEnd() ?? Data()
            process.waitUntilExit()
            #expect(process.terminationReason == .exit)
            #expect(process.terminationStatus == 128 + signal)
            let message = try error.fileHandleForReading.readToEnd() ?? Data()
            let said = String(decoding: message, as: UTF8.self)
            let command = try #require(said.firstMatch(of: #/stopped; bitnet (.*) goes on/#)).1
            let events = try Self.events(printed + String(decoding: rest, as: UTF8.self))
            #expect(events.last?.checkpoint == folder.file("the parts/checkpoint.safetensors"))
            let done = try #require(events.compactMap(\.step).last).step
            try #require(done < 60)

            // As it would be pasted.
            let resumed = try shell("\"$0\" \(command) --json")
            #expect(resumed.code == 0, "\(resumed.error)")
            let later = try Self.events(resumed.output)
            #expect(later.first?.training?.step == done)
            #expect(later.compactMap(\.step).map(\.step) == Array(done + 1...60))
            for name in ["model.gguf", "model/model.safetensors", "masters/model.safetensors"] {
                #expect(try bytes("the parts/\(name)") == bytes("whole/\(name)"), "\(name)")
            }
        }
    #endif

    /// Two minutes of `--config tiny` learn on any machine; so many steps learn on every one.
    @Test("tiny visibly learns: less than two thirds of the first loss after some steps")
    func tiny() throws {
        let longer = folder.file("longer.txt")
        try Data(Self.story(3000).utf8).write(to: URL(fileURLWithPath: longer))
        let run = try CommandLineTests.bitnet([
            "train", "--data", longer, "--out", folder.file("tiny"), "--config", "tiny", "--steps",
            "60", "--json",
        ])
        #expect(run.code == 0, "\(run.error)")
        let summary = try #require(try Self.events(run.output).last?.summary)
        let (first, last) = (try #require(summary.first), try #require(summary.last))
        #expect(last.loss < 0.67 * first.loss, "\(first.loss) -> \(last.loss)")
    }

    // MARK: - A teacher

    @Test("a teacher is learnt from, named in the checkpoint, and needs the same tokenizer")
    func teacher() throws {
        #expect(try CommandLineTests.bitnet(arguments("first", "--steps", "20")).code == 0)
        let model = folder.file("first/model")
        let run = try CommandLineTests.bitnet(
            arguments("second", "--steps", "6", "--teacher", model, "--json"))
        #expect(run.code == 0, "\(run.error)")
        let steps = try Self.events(run.output).compactMap(\.step)
        #expect(steps.count == 6 && steps.allSatisfy { ($0.divergence ?? -1) > 0 })

        // The checkpoint knows the teacher.
        let resumed = try CommandLineTests.bitnet(
            arguments("second", "--resume", "--steps", "8", "--json"))
        #expect(resumed.code == 0, "\(resumed.error)")
        let later = try Self.events(resumed.output).compactMap(\.step)
        #expect(later.map(\.step) == [7, 8] && later.allSatisfy { $0.divergence != nil })

        let other = folder.file("other.txt")
        try Data("A different text, of which other pairs are made.\n".utf8).write(
            to: URL(fileURLWithPath: other))
        let bad = try CommandLineTests.bitnet([
            "train", "--data", other, text, "--out", folder.file("third"), "--config", config,
            "--steps", "2", "--teacher", folder.file("first/model.gguf"),
        ])
        #expect(bad.code == 1 && bad.output.isEmpty && bad.errorLines.count == 2)
        #expect(bad.error.contains("--tokenizer") || bad.error.contains("tokenizer.json"))
    }

    // MARK: - Odd input

    @Test(
        "what makes no sense is a message about usage, and nothing is made",
        arguments: [
            ["--out", "OUT"], ["--data", "TEXT"],
            ["--data", "TEXT", "--out", "OUT", "--steps", "0"],
            ["--data", "TEXT", "--out", "OUT", "--steps", "2", "--time", "3s"],
            ["--data", "TEXT", "--out", "OUT", "--time", "soon"],
            ["--data", "TEXT", "--out", "OUT", "--time", "-3s"],
            ["--data", "TEXT", "--out", "OUT", "--threads", "0"],
            ["--data", "TEXT", "--out", "OUT", "--threads", "1025"],
            ["--data", "TEXT", "--out", "-"],
            ["--data", "TEXT", "--out", "OUT", "--plot", "x.svg"],
            ["--data", "TEXT", "--out", "OUT", "--teacher-weight", "0.5"],
            ["--data", "TEXT", "--out", "", "--steps", "1"],
            ["--compare-rounding", "--out", "OUT"],
            ["--compare-rounding", "--time", "3s"],
        ])
    func usage(_ options: [String]) throws {
        let run = try CommandLineTests.bitnet(["train"] + options.map(path))
        #expect(run.code == 64 && run.output.isEmpty && run.error.contains("error:"))
        for name in [folder.file("out"), "-"] {
            #expect(!FileManager.default.fileExists(atPath: name))
        }
    }

    @Test(
        "what cannot be used is one line that says why, and exit code 1",
        arguments: [
            ["--data", "NONE", "--out", "OUT", "--steps", "1"],
            ["--data", "CONFIG", "--out", "OUT", "--steps", "1", "--config", "CONFIG"],
            ["--data", "TEXT", "--out", "OUT", "--steps", "1", "--config", "NONE"],
            ["--data", "TEXT", "--out", "OUT", "--steps", "1", "--config", "TEXT"],
            ["--data", "TEXT", "--out", "OUT", "--steps", "1", "--tokenizer", "NONE"],
            ["--data", "TEXT", "--out", "OUT", "--resume"],
            ["--data", "TEXT", "--out", "TEXT", "--steps", "1"],
            ["--data", "TEXT", "--out", "OUT", "--steps", "1", "--teacher", "NONE"],
        ])
    func unusable(_ options: [String]) throws {
        let run = try CommandLineTests.bitnet(["train"] + options.map(path))
        #expect(run.code == 1 && run.output.isEmpty, "\(run.output)\(run.error)")
        let errors = run.errorLines.filter { $0.hasPrefix("error: ") }
        #expect(errors.count == 1, "\(run.error)")
        #expect(!FileManager.default.fileExists(atPath: folder.file("out")))
    }

    private func path(_ option: String) -> String {
        switch option {
        case "OUT": folder.file("out")
        case "TEXT": text
        case "CONFIG": config
        case "NONE": folder.file("none")
        default: option
        }
    }

    @Test("a folder with something in it is left alone")
    func occupied() throws {
        let file = folder.file("out/diary.txt")
        try FileManager.default.createDirectory(
            atPath: folder.file("out"), withIntermediateDirectories: true)
        try Data("mine".utf8).write(to: URL(fileURLWithPath: file))
        let run = try CommandLineTests.bitnet(arguments("out", "--steps", "1"))
        #expect(run.code == 1 && run.error.contains("diary.txt"))
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.file("out"))
        #expect(names == ["diary.txt"])
    }

    // MARK: - The lesson

    private struct Comparison: Decodable {
        struct Losses: Decodable {
            var step: Int
            var float, rounded, shadow: Double
        }

        var losses: [Losses]
        var chance: Double
        var parameters: Int
    }

    @Test("the lesson shows what rounding costs: as JSON, a table and a picture")
    func comparison() throws {
        let plot = folder.file("plot.svg")
        let lesson = [
            "train", "--compare-rounding", "--data", text, "--config", config, "--steps", "60",
        ]
        let run = try CommandLineTests.bitnet(lesson + ["--json", "--plot", plot])
        #expect(run.code == 0 && run.error.isEmpty, "\(run.error)")
        let result = try JSONDecoder().decode(Comparison.self, from: Data(run.output.utf8))
        let last = try #require(result.losses.last)
        #expect(result.losses.first?.step == 0 && last.step == 60 && result.losses.count == 21)
        #expect(last.float < 0.5 * result.chance)
        #expect(last.shadow < 0.5 * result.chance)
        #expect(last.rounded > last.float + 0.1)
        let picture = try String(contentsOf: URL(fileURLWithPath: plot), encoding: .utf8)
        for part in ["<svg", "float weights", "rounded to ternary", "shadow weights"] {
            #expect(picture.contains(part), "\(part)")
        }

        let unwritable = try CommandLineTests.bitnet(lesson + ["--plot", folder.file("no/x.svg")])
        #expect(unwritable.code == 1 && unwritable.output.isEmpty, "\(unwritable.error)")
        let png = try CommandLineTests.bitnet(lesson + ["--plot", folder.file("x.png")])
        #expect(png.code == 64 && png.output.isEmpty)

        let table = try CommandLineTests.bitnet(lesson)
        let lines = table.output.split(separator: "\n")
        #expect(table.code == 0 && lines.allSatisfy { $0.count <= 80 })
        #expect(lines.contains { $0.hasPrefix("      60 ") })
        #expect(table.output.contains("of what the float network has learnt"))
        #expect(table.error == "two networks learn the text: float and shadow weights\n")
    }
}
