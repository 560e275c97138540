public import BitNetKit
public import Foundation

/// A whole training in a folder, from text files to a model: tokenizer, tokens, steps, checkpoints,
/// a table of losses, and the exported model.
///
/// ```swift
/// var run = TrainingRun(files: [stories], output: folder)
/// run.configuration.length = .seconds(1200)
/// let summary = try await run.run { print($0) }
/// ```
///
/// The folder then has `tokenizer.json` and `tokenizer_config.json` (unless another tokenizer was
/// given), `tokens.safetensors`, `checkpoint.safetensors`, `loss.csv` and `loss.svg`, `model` and
/// `masters`, which are Hugging Face folders with packed and shadow weights, and `model.gguf`. Every
/// file is replaced whole or not at all.
public struct TrainingRun: Sendable {
    /// UTF-8 text, documents separated by `<|endoftext|>`. A training that is resumed needs none: it
    /// has kept the tokens. Text that is given is compared with them.
    public var files: [URL]
    /// The folder for everything that is written.
    public var output: URL
    /// The model and how to train it. The vocabulary's size is that of the tokenizer to train, or
    /// becomes that of the one that is given.
    public var configuration = TrainingConfiguration()
    /// A folder with a tokenizer, or its `tokenizer.json`; nil to train one.
    public var tokenizer: URL?
    /// A model with the same tokenizer to learn from besides the text, a GGUF file or a Hugging Face
    /// folder; nil for none, or for the one that the checkpoint names. How much it counts is the
    /// configuration's `distillation`, or what is usual. A folder gives its tokenizer too, unless
    /// another is given.
    public var teacher: URL?
    /// Whether to go on from the folder's checkpoint.
    public var isResumed = false
    /// What a training that is resumed goes on with, but its length; nil for the checkpoint's. See
    /// ``Trainer/init(resuming:data:teacher:configuration:length:threads:kernels:)`` for what may
    /// change.
    public var resumedConfiguration: TrainingConfiguration?
    /// A new length for a training that is resumed.
    public var resumedLength: TrainingConfiguration.Length?
    /// The share of documents that is held out, where `validationFiles` are none.
    public var heldOut = 0.02
    /// Text to measure progress on, the same when a training is resumed. Documents of `files` that
    /// are also here are not trained on; for that all text is held in memory.
    public var validationFiles: [URL] = []
    /// What samples begin with; what is longer than half of the context is cut off.
    public var samplePrompt = "Once upon a time"
    /// Validations in the course of the training, at equal shares of it.
    public var validations = 20
    /// Windows of a validation; the last one has all.
    public var validationWindows = 64
    /// Seconds between checkpoints.
    public var checkpointInterval = 300.0
    /// Threads to compute with, 1 to 1024; nil for all cores that the process may use.
    public var threads: Int?

    /// A run with everything else as it is by default.
    public init(files: [URL], output: URL) {
        self.files = files
        self.output = output
    }

    /// What a run tells while it goes on.
    public enum Event: Sendable {
        /// The text is read: for the tokenizer, or to make tokens of it.
        case reading(CorpusProgress)
        /// The teacher is loaded.
        case loadingTeacher(URL)
        /// Training begins, or goes on after so many steps.
        case training(Start)
        /// A step is done.
        case step(StepReport)
        /// The held-out text was predicted.
        case validation(ValidationReport)
        /// What the model writes now.
        case sample(String)
        /// A checkpoint was written.
        case checkpoint(URL)
    }

    /// What is trained, and where it begins.
    public struct Start: Sendable, Hashable, Codable {
        /// The model and how it is trained.
        public var configuration: TrainingConfiguration
        /// Parameters of the model.
        public var parameters: Int
        /// Tokens of the text that is trained on.
        public var tokens: Int
        /// Steps that were done before.
        public var step: Int
        /// The share of the training that was done before, in [0, 1]; 1 where nothing is left.
        public var progress: Double
        /// Threads that compute.
        public var threads: Int
    }

    /// What came out.
    public struct Summary: Sendable, Hashable, Codable {
        /// Steps in all.
        public var steps: Int
        /// Steps of this run; 0 where nothing was left to train.
        public var newSteps: Int
        /// The loss of the first validation of this run, where text is held out and steps were left.
        public var first: ValidationReport?
        /// The loss of all held-out text at the end.
        public var last: ValidationReport?
        /// Mean tokens a second of this run's steps; 0 for none.
        public var tokensPerSecond: Double
        /// Size of the GGUF file in bytes.
        public var modelBytes: Int
    }

    /// Refuses a folder in which something else would be replaced.
    private func checkIsFree() throws(BitNetError) {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: output.path)) ?? []
        guard !isResumed, let name = names.sorted().first else { return }
        throw .invalidArgument(
            name: "output",
            detail: "\(output.path) is not empty: it has '\(name)'; take another folder")
    }

    /// Finds out now what could not be written after hours: an earlier run may have left files that
    /// are read-only by now, or something else under their names.
    private func checkTargets() throws(BitNetError) {
        for name in ["checkpoint.safetensors", "loss.csv", "loss.svg", "model.gguf"] {
            try AtomicFile.check(url(name).path)
        }
        for folder in ["model", "masters"] {
            guard try OutputFolder.isThere(url(folder).path) else { continue }
            for name in ModelFolderWriter.names {
                try AtomicFile.check(url(folder + "/" + name).path)
            }
        }
    }

    /// Trains until the end, or until the task is cancelled or something fails: then a checkpoint is
    /// written first. What fails or is cancelled before the first step leaves no file.
    ///
    /// - Parameter event: called now and then, on a task of this run.
    /// - Throws: `BitNetError.invalidArgument` for a folder that is not empty and is not gone on
    ///   from; `.unwritable` before anything is read, for what could not be written in the end;
    ///   `.tokenizer` for a teacher with another tokenizer; `.cancelled`; what reading text, loading
    ///   the teacher, training, and writing throw.
    public func run(
        _ event: @Sendable (Event) -> Void = { _ in }
    ) async throws(BitNetError) -> Summary {
        let checkpoint = url("checkpoint.safetensors")
        let hasCheckpoint = FileManager.default.fileExists(atPath: checkpoint.path)
        guard hasCheckpoint || !isResumed else {
            throw .invalidArgument(
                name: "output",
                detail: "\(output.path) has no checkpoint.safetensors: there is nothing to go on "
                    + "from; begin anew, in a folder that is empty")
        }
        let isMade = try OutputFolder.make(output.path)
        guard isResumed || !hasCheckpoint else {
            throw .invalidArgument(
                name: "output",
                detail: "\(output.path) has the checkpoint of a training; go on from it, or take "
                    + "another folder")
        }
        try checkIsFree()
        let parts: (trainer: Trainer, tokenizer: URL, data: RunData)
        do throws(BitNetError) {
            try checkTargets()
            parts = try await begin(checkpoint, event)
        } catch {
            removePreparations(isMade: isMade)
            throw error
        }
        let trainer = parts.trainer
        let step = await trainer.stepCount
        let shape = trainer.configuration.shape
        event(
            .training(
                Start(
                    configuration: trainer.configuration, parameters: shape.parameterCount,
                    tokens: parts.data.tokenCount, step: step, progress: await trainer.progress,
                    threads: trainer.threads)))
        var loop = TrainingLoop(
            run: self, trainer: trainer, tokenizer: parts.tokenizer,
            table: try LossTable(url("loss.csv"), upTo: step))
        return try await loop.run(event)
    }

    /// A trainer, where its tokenizer is, and its data.
    private func begin(
        _ checkpoint: URL, _ event: @Sendable (Event) -> Void
    ) async throws(BitNetError) -> (trainer: Trainer, tokenizer: URL, data: RunData) {
        var used = isResumed ? try resumedConfiguration(of: checkpoint) : configuration
        try used.validate()
        let teacher = try await loadTeacher(&used, event)
        let (source, data) = try prepare(used, teacher, event)
        used.shape.vocabularySize = data.vocabularySize
        let trainer: Trainer
        if isResumed {
            trainer = try Trainer(
                resuming: checkpoint, data: data, teacher: teacher, configuration: used,
                threads: threads)
        } else {
            trainer = try Trainer(
                configuration: used, data: data, teacher: teacher, threads: threads)
        }
        return (trainer, source, data)
    }

    private func resumedConfiguration(
        of checkpoint: URL
    ) throws(BitNetError) -> TrainingConfiguration {
        let saved = try Trainer.configuration(of: checkpoint)
        var used = saved
        if let resumedConfiguration { used = try saved.changed(to: resumedConfiguration) }
        used.length = resumedLength ?? saved.length
        return used
    }

    /// Leaves the folder as it was found, for the next try: nothing can be gone on from yet.
    private func removePreparations(isMade: Bool) {
        let files = FileManager.default
        if !isResumed {
            for name in ["tokenizer.json", "tokenizer_config.json", "tokens.safetensors"] {
                try? files.removeItem(at: url(name))
            }
        }
        if isMade, (try? files.contentsOfDirectory(atPath: output.path)) == [] {
            try? files.removeItem(at: output)
        }
    }

    /// A file or folder of the output.
    func url(_ name: String) -> URL { output.appendingPathComponent(name) }
}
