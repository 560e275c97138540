import ArgumentParser
import BitNetKit
import BitNetTerminal
import BitNetTraining
import Foundation
import Synchronization

struct TrainCommand: AsyncParsableCommand, QuietableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train a ternary model from scratch on text.",
        usage: """
            bitnet train --data FILE ... --out DIR [--config NAME] [OPTION ...]
            bitnet train --out DIR --resume [OPTION ...]
            bitnet train --compare-rounding [--data FILE ...] [--plot FILE]
            """,
        discussion: """
            Text is UTF-8, documents separated by <|endoftext|>. DIR gets a tokenizer, \
            checkpoints, loss.csv and loss.svg, and at the end model.gguf and the Hugging Face \
            folders model (packed trits) and masters (shadow weights). A FILE.json has the members \
            of a configuration that --json prints: lines with one member each, training, step, \
            validation, sample, checkpoint, summary.

            Ctrl-C writes a checkpoint and stops with code 130. --resume --out DIR goes on, with the \
            --validation and --tokenizer of before; --steps or --time, and the schedule of --config, \
            may be other ones. With --steps the weights are those of a training left alone.

            --compare-rounding is a lesson of a minute or two: the same small network is trained \
            with float weights, which are then rounded to trits, and with shadow weights. Without \
            --data both learn stories that the sample model writes.

            More options, for teachers and samples: bitnet train --help-hidden
            """)

    @Option(
        parsing: .upToNextOption,
        help: .init("Text files to learn from; - is standard input.", valueName: "file"),
        completion: .file())
    var data: [String] = []

    @Option(
        parsing: .upToNextOption,
        help: .init(
            "Text to measure progress on; its documents are not trained on (default: 2% of all).",
            valueName: "file"),
        completion: .file())
    var validation: [String] = []

    @Option(
        parsing: .unconditional, help: .init("Folder for the results.", valueName: "dir"),
        completion: .directory)
    var out: String?

    @Option(
        parsing: .unconditional,
        help: .init(
            "The model: tiny (0.5 M parameters), small (5 M), or a JSON file (default: small).",
            valueName: "name"),
        completion: .file())
    var config: String?

    @Option(parsing: .unconditional, help: .init("Steps of training.", valueName: "n"))
    var steps: Int?

    @Option(
        parsing: .unconditional,
        help: .init(
            "How long to train, like 90s, 20m or 3h (default: 20m).", valueName: "duration"),
        transform: TrainCommand.seconds)
    var time: Double?

    @Flag(help: "Go on from the checkpoint in DIR.")
    var resume = false

    @Option(
        parsing: .unconditional,
        help: .init("A tokenizer to use instead of training one.", valueName: "path"),
        completion: .file())
    var tokenizer: String?

    @Flag(help: "Compare a float network, rounded, with one trained with shadow weights.")
    var compareRounding = false

    @Option(
        parsing: .unconditional,
        help: .init("With --compare-rounding: draw the losses, as SVG.", valueName: "file"))
    var plot: String?

    @Option(
        name: .shortAndLong, parsing: .unconditional,
        help: .init("Number of threads (default: one per core).", valueName: "n"))
    var threads: Int?

    @Flag(help: "Print events as JSON, one a line.")
    var json = false

    @OptionGroup(title: "Teacher and sample options", visibility: .hidden)
    var more: MoreTrainArguments

    @OptionGroup
    var output: OutputArguments

    func validate() throws {
        if compareRounding {
            try validateComparison()
        } else {
            if data.isEmpty, !resume { throw ValidationError("--data needs a file") }
            if out?.isEmpty ?? true { throw ValidationError("--out needs the name of a folder") }
            if out == "-" {
                throw ValidationError(
                    "--out is a folder for several files, which standard output is not; one that "
                        + "is called - is ./-")
            }
            if plot != nil { throw ValidationError("--plot belongs to --compare-rounding") }
        }
        if steps != nil, time != nil { throw ValidationError("give --steps or --time, not both") }
        if let steps, steps < 1 { throw ValidationError("--steps must be at least 1") }
        try checkThreads(threads)
        if more.tunesTeacher, resume || more.teacher == nil {
            throw ValidationError(
                "--teacher-weight and --teacher-temperature belong to a new training with --teacher"
            )
        }
        let inputs = data + validation + [config ?? ""]
        guard inputs.count(where: { $0 == "-" || $0 == "/dev/stdin" }) <= 1 else {
            throw ValidationError("standard input can be read once: give the other text as a file")
        }
    }

    func run() async throws {
        do {
            if compareRounding { try await compare() } else { try await train() }
        } catch let error as BitNetError {
            throw inOptions(error)
        }
    }

    private func train() async throws {
        let run = try trainingRun()
        let output = TrainOutput(isJSON: json, unusedLength: unusedLength(run))
        let task = Task.detached {
            let result: Result<TrainingRun.Summary, BitNetError>
            do throws(BitNetError) {
                result = .success(try await run.run { output.show($0) })
            } catch {
                result = .failure(error)
            }
            return result
        }
        let interrupt = Interrupt(Interrupt.everySignal) { _ in task.cancel() }
        defer { interrupt.end() }
        let result = await task.value
        output.clear()
        switch result {
        case .success(let summary): try output.finish(summary, folder: out ?? "")
        case .failure(.cancelled):
            let hasCheckpoint = FileManager.default.fileExists(
                atPath: run.output.appendingPathComponent("checkpoint.safetensors").path)
            Terminal.note(
                hasCheckpoint
                    ? "stopped; \(resumeCommand) goes on" : "stopped before the first step")
            throw ExitCode(interrupt.exitCode ?? 130)
        case .failure(let error): throw error
        }
    }

    /// What goes on with this training, to be pasted: with what has to be given again. What came from
    /// standard input has no name.
    private var resumeCommand: String {
        let texts = validation.map { ["-", "/dev/stdin"].contains($0) ? "FILE" : $0 }
        let again =
            (tokenizer.map { ["--tokenizer", $0] } ?? [])
            + (texts.isEmpty ? [] : ["--validation"] + texts)
        return (["bitnet", "train", "--out", out ?? ""] + again + ["--resume"])
            .map(\.shellWord).joined(separator: " ")
    }

    private func trainingRun() throws -> TrainingRun {
        var run = TrainingRun(
            files: try data.map { try Terminal.textFile($0) }, output: try Terminal.url(out ?? ""))
        let length: TrainingConfiguration.Length? =
            steps.map { .steps($0) } ?? time.map { .seconds($0) }
        run.configuration = try trainingConfiguration(config ?? "small")
        if let length {
            run.configuration.length = length
        } else if isNamedConfiguration {
            run.configuration.length = .seconds(1200)
        }
        run.validationFiles = try validation.map { try Terminal.textFile($0) }
        run.isResumed = resume
        run.resumedLength = length
        run.resumedConfiguration = config == nil ? nil : run.configuration
        run.tokenizer = try tokenizer.map { try Terminal.url($0) }
        run.teacher = try more.teacher.map { try Terminal.url($0) }
        if let path = run.teacher?.path, !resume {
            var distillation = TrainingConfiguration.Distillation(teacher: path)
            if let weight = more.teacherWeight { distillation.weight = weight }
            if let temperature = more.teacherTemperature { distillation.temperature = temperature }
            run.configuration.distillation = distillation
        }
        run.samplePrompt = more.prompt
        run.threads = threads
        return run
    }

    /// The length of a configuration file that a resumed training does not take.
    private func unusedLength(_ run: TrainingRun) -> TrainingConfiguration.Length? {
        resume && run.resumedLength == nil && !isNamedConfiguration
            ? run.configuration.length : nil
    }

    /// The seconds of `90s`, `20m`, `1.5h` or `2d`.
    static func seconds(_ text: String) throws -> Double {
        let units: [Character: Double] = ["s": 1, "m": 60, "h": 3600, "d": 86400]
        guard let last = text.last, let unit = units[last],
            let number = Double(text.dropLast()), number > 0, number.isFinite
        else {
            throw ValidationError("'\(text)' is no duration; write 90s, 20m or 3h")
        }
        return number * unit
    }
}

/// What few ask for.
struct MoreTrainArguments: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: .init(
            """
            A model to learn from besides the text. Its tokenizer must be the same: a folder brings \
            it along, for a GGUF file give --tokenizer. Measured with tiny and the sample model: 1 \
            to 2% fewer bits per byte after the same steps, which take 2.4 times as long; after the \
            same time the text alone is better.
            """, valueName: "path"),
        completion: .file())
    var teacher: String?

    @Option(
        parsing: .unconditional,
        help: .init("The teacher's share in what is learnt, 0 to 1 (default: 0.5).", valueName: "w")
    )
    var teacherWeight: Float?

    @Option(
        parsing: .unconditional,
        help: .init("The temperature of both models' predictions (default: 2).", valueName: "t"))
    var teacherTemperature: Float?

    @Option(
        parsing: .unconditional,
        help: .init("Text that samples begin with.", valueName: "text"))
    var prompt = "Once upon a time"

    var tunesTeacher: Bool { teacherWeight != nil || teacherTemperature != nil }
}
