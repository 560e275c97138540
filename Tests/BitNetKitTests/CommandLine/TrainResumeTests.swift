import BitNetKit
import Foundation
import TestSupport
import Testing

/// What a training that has begun does with the options of `bitnet train`, and what messages call
/// things.
@Suite("Command line: train, going on", .enabled(if: bitnetExecutable != nil))
struct TrainResumeTests {
    private let folder: TemporaryFolder

    private static let text = (0..<60).map { "The cat has \($0) red balls, and the dog has more." }
        .joined(separator: "\n<|endoftext|>\n")

    private static let configuration = """
        {"shape":{"hiddenSize":64,"feedForwardSize":64,"layerCount":1,"headCount":2,\
        "keyValueHeadCount":1,"vocabularySize":300,"contextLength":16,"normEpsilon":1e-5,\
        "ropeBase":10000},"length":{"steps":9},"windowsPerStep":2,"schedule":\
        {"warmupSteps":0,"peakRate":0.001,"firstStageEnd":0.001,"secondStageStart":0.001,\
        "secondStage":1,"weightDecay":0.1,"secondStageDecay":0},"beta1":0.9,"beta2":0.95,\
        "epsilon":1e-8,"clipNorm":1,"seed":1}
        """

    init() throws {
        folder = try TemporaryFolder()
        try folder.write("t.txt", Self.text)
        try folder.write("other.txt", Self.text.replacingOccurrences(of: "cat", with: "cow"))
        try folder.write("c.json", Self.configuration)
        for (name, old, new) in [
            ("wide", #"feedForwardSize":64"#, #"feedForwardSize":128"#),
            ("windows", #"windowsPerStep":2"#, #"windowsPerStep":3"#),
            ("rate", #""peakRate":0.001"#, #""peakRate":0.0001"#),
        ] {
            let changed = Self.configuration.replacingOccurrences(of: old, with: new)
            try folder.write("\(name).json", changed)
        }
    }

    private func train(_ arguments: String) throws -> CommandLineTests.Run {
        try shell("cd \"$1\" && \"$0\" train \(arguments)", folder.path)
    }

    private func checkpoint() throws -> Data {
        try Data(contentsOf: URL(fileURLWithPath: folder.file("out/checkpoint.safetensors")))
    }

    private static func count(_ words: String, in run: CommandLineTests.Run) -> Int {
        (run.output + run.error).components(separatedBy: words).count - 1
    }

    @Test("a training that is done says so once, and goes on with more steps")
    func finished() throws {
        let first = try train("--data t.txt --out out --config c.json --steps 3")
        #expect(first.code == 0, "\(first.error)")
        let table = try String(contentsOfFile: folder.file("out/loss.csv"), encoding: .utf8)
        let saved = try checkpoint()
        for arguments in ["--out out --resume", "--out out --resume --data t.txt --steps 2"] {
            let again = try train(arguments)
            #expect(again.code == 0, "\(again.error)")
            #expect(Self.count("nothing is left to train: 3 steps are done", in: again) == 1)
            #expect(Self.count("validation loss", in: again) == 1)
            for words in ["tokens/s", "going on", "checkpoint"] {
                #expect(Self.count(words, in: again) == 0, "\(again.output)\(again.error)")
            }
            #expect(again.output.hasPrefix("3 steps, validation loss "))
            let lines = (again.output + again.error).split(separator: "\n")
            #expect(lines.allSatisfy { $0.count <= 80 })
        }
        #expect(
            try String(contentsOfFile: folder.file("out/loss.csv"), encoding: .utf8) == table)
        #expect(try checkpoint() == saved)
        let more = try train("--out out --resume --steps 5")
        #expect(more.code == 0 && more.output.hasPrefix("5 steps, "), "\(more.error)")
        #expect(Self.count("going on after step 3", in: more) == 1)
    }

    /// What each option does to a training that has begun.
    private static let refused: [(option: String, message: String)] = [
        ("--data other.txt", "--data: the training in "),
        ("--data t.txt --validation other.txt", "--data or --validation: "),
        ("--validation other.txt", "--data or --validation: "),
        ("--config wide.json", "--config: shape.feedForwardSize: the training has begun with 64"),
        ("--config windows.json", "--config: windowsPerStep: "),
        ("--config tiny", "--config: shape."), ("--tokenizer strange", "--tokenizer: "),
        ("--teacher out/model", "--teacher: the training in "),
        ("--teacher-weight 0.5", "a new training"), ("--teacher-temperature 2", "a new training"),
        ("--plot x.svg", "--compare-rounding"), ("--compare-rounding", "no meaning"),
    ]

    private static let used = [
        "--data", "--config", "--out", "--resume", "--steps", "--time", "--threads", "--json",
        "--prompt", "--quiet",
    ]

    @Test("options that a training that has begun cannot follow are refused, others are used")
    func options() throws {
        #expect(try train("--data t.txt --out out --config c.json --steps 3").code == 0)
        // Another tokenizer: that of other text.
        #expect(try train("--data other.txt --out strange --config c.json --steps 1").code == 0)
        let before = try checkpoint()
        for (option, message) in Self.refused {
            let run = try train("--out out --resume --steps 5 \(option)")
            #expect(run.code != 0 && run.output.isEmpty, "\(option)")
            #expect(run.error.contains(message), "\(option): \(run.error)")
            #expect(try checkpoint() == before, "\(option)")
        }
        let run = try train(
            "--out out --resume --data t.txt --config rate.json --threads 1 --steps 4 --json "
                + "--prompt The")
        // Three quarters of the way from 0.0001 to 0.001.
        #expect(run.code == 0 && run.output.contains(#""learningRate":0.000775"#), "\(run.error)")
        #expect(run.output.contains(#""threads":1"#) && run.output.contains(#""step":4"#))
        // A file's length is that of new trainings.
        let other = try train("--out out --resume --config rate.json")
        #expect(other.code == 0, "\(other.error)")
        #expect(other.error.contains("--config says 9 steps"), "\(other.error)")
        #expect(try train("--out out --resume --time 60d --steps 3").code == 64)
    }

    @Test("every option of train is known to be used or refused")
    func everyOption() throws {
        let help = try train("--help-hidden").output
        let names = help.split { !($0.isLetter || $0 == "-") }
            .filter { $0.hasPrefix("--") && $0.count > 2 }.map(String.init)
        let refused = Self.refused.flatMap { $0.option.split(separator: " ") }
            .filter { $0.hasPrefix("--") }.map(String.init)
        let known = Set(Self.used + refused + ["--help", "--help-hidden", "--version"])
        #expect(Set(names).subtracting(known).isEmpty)
        #expect(names.contains("--teacher-weight") && names.contains("--prompt"))
    }

    @Test("what a training has lost is asked for")
    func lost() throws {
        #expect(try train("--data t.txt --out out --config c.json --steps 1").code == 0)
        try FileManager.default.removeItem(atPath: folder.file("out/tokens.safetensors"))
        let run = try train("--out out --resume --steps 2")
        #expect(run.code == 1 && run.error.contains("--data: the training in "))
        #expect(try train("--out out --resume --steps 2 --data t.txt").code == 0)
        #expect(
            try train("--data t.txt --out second --config c.json --tokenizer out --steps 1").code
                == 0)
        let other = try train("--out second --resume --steps 2")
        #expect(other.code == 1 && other.error.contains("--tokenizer: the training in "))
        #expect(try train("--out second --resume --steps 2 --tokenizer out").code == 0)
    }

    @Test("a sample's beginning may be longer than the context")
    func longPrompt() throws {
        let prompt = String(repeating: "The cat has red balls. ", count: 20)
        let run = try train(
            "--data t.txt --out out --config c.json --steps 5 --json --prompt \"\(prompt)\"")
        #expect(run.code == 0, "\(run.error)")
        #expect(run.output.contains(#"{"sample":"The cat"#))
    }

    // MARK: - Messages

    @Test(
        "text that is too little says what is needed",
        arguments: [
            ("--data /dev/null", "/dev/null: cannot be read: it is a device; give UTF-8 text in"),
            ("--data empty", "there is no text in it; give UTF-8 text"),
            ("--data ends", "--data: there is no text in "),
            ("--data one", "put <|endoftext|> between documents, or give other text"),
            ("--data one two --validation t.txt", "shape.contextLength of --config"),
            ("--data bytes", "not UTF-8 text"),
            ("--data t.txt --validation ends", "--validation: there is no text in "),
            ("--data t.txt --validation t.txt", "--validation: every document of "),
        ])
    func littleText(_ arguments: String, _ words: String) throws {
        try folder.write("empty", "")
        try folder.write("ends", "<|endoftext|>\n<|endoftext|>\n")
        try folder.write("one", "Once.")
        try folder.write("two", "Twice.")
        try folder.write("bytes", (0...255).map { UInt8($0) })
        let run = try train("\(arguments) --out out --config c.json")
        #expect(run.code == 1 && run.output.isEmpty && run.errorLines.count == 1, "\(run.error)")
        #expect(run.error.contains(words), "\(run.error)")
        #expect(try !folder.names.contains("out"))
    }

    /// Of every member that `--json` prints, those to come too.
    @Test("a number of a configuration that cannot be used is named as in the file")
    func members() throws {
        let run = try train("--data t.txt --out out --config c.json --steps 1 --json")
        struct Start: Decodable {
            struct Training: Decodable { var configuration: [String: JSON] }
            var training: Training
        }
        let line = try #require(run.output.split(separator: "\n").first)
        let configuration = try JSONDecoder().decode(Start.self, from: Data(line.utf8))
            .training.configuration
        var count = 0
        for (name, member) in configuration where name != "seed" {
            for (path, bad) in member.changed(name) {
                var copy = configuration
                copy[name] = bad
                let json = try JSONEncoder().encode(copy)
                try folder.write("bad.json", String(decoding: json, as: UTF8.self))
                let run = try train("--data t.txt --out bad --config bad.json")
                #expect(run.code == 1 && run.errorLines.count == 1, "\(path): \(run.error)")
                #expect(run.error.contains("--config: \(path): "), "\(path): \(run.error)")
                count += 1
            }
        }
        #expect(count >= 22)
        for (option, name) in [
            ("--steps 9000000000000", "--steps: "), ("--time 20000d", "--time: "),
            ("--steps 1 --teacher out/model --teacher-weight 2", "--teacher-weight: "),
            ("--steps 1 --teacher out/model --teacher-temperature 0", "--teacher-temperature: "),
        ] {
            let run = try train("--data t.txt --out bad --config c.json \(option)")
            #expect(run.code == 1 && run.error.contains(name), "\(option): \(run.error)")
        }
    }

    /// A number, or an object of numbers.
    private enum JSON: Codable {
        case number(Double)
        case object([String: JSON])

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let number = try? container.decode(Double.self) {
                self = .number(number)
            } else {
                self = .object(try container.decode([String: JSON].self))
            }
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            switch self {
            case .number(let number):
                // As the file has them: sizes are no floats.
                if number == number.rounded() {
                    try container.encode(Int(number))
                } else {
                    try container.encode(number)
                }
            case .object(let members): try container.encode(members)
            }
        }

        /// Copies with -1 for one number each, and where that is.
        func changed(_ name: String) -> [(path: String, value: JSON)] {
            guard case .object(let members) = self else { return [(name, .number(-1))] }
            return members.flatMap { key, member in
                member.changed("\(name).\(key)").map { path, value in
                    var copy = members
                    copy[key] = value
                    return (path, .object(copy))
                }
            }
        }
    }
}
