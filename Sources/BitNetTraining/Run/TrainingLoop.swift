internal import BitNetKit
internal import Foundation

/// The steps of a run, and what is done between them.
struct TrainingLoop {
    let run: TrainingRun
    let trainer: Trainer
    let tokenizer: URL
    var table: LossTable
    private var tokens = 0
    private var seconds = 0.0
    private var sinceCheckpoint = 0.0
    private var validations = 0
    private var newSteps = 0

    init(run: TrainingRun, trainer: Trainer, tokenizer: URL, table: LossTable) {
        self.run = run
        self.trainer = trainer
        self.tokenizer = tokenizer
        self.table = table
    }

    mutating func run(
        _ event: @Sendable (TrainingRun.Event) -> Void
    ) async throws(BitNetError) -> TrainingRun.Summary {
        let progress = await trainer.progress
        // Where all steps are done, the end may have been interrupted: results are written again.
        let first = progress < 1 ? try await train(from: progress, event) : nil
        let last = try await trainer.validate()
        if let last {
            table.add(last)
            if newSteps > 0 { event(.validation(last)) }
        }
        try table.write(trainer.configuration)
        let bytes = try await export()
        return TrainingRun.Summary(
            steps: await trainer.stepCount, newSteps: newSteps, first: first, last: last,
            tokensPerSecond: seconds > 0 ? Double(tokens) / seconds : 0, modelBytes: bytes)
    }

    /// Does the steps that are left; how good the model was before them.
    private mutating func train(
        from progress: Double, _ event: @Sendable (TrainingRun.Event) -> Void
    ) async throws(BitNetError) -> ValidationReport? {
        validations = Int(progress * Double(max(1, run.validations)))
        let first = try await validate(event)
        var steps = trainer.steps.makeAsyncIterator()
        do throws(BitNetError) {
            while let report = try await steps.next(isolation: nil) {
                try await follow(report, event)
            }
        } catch {
            try await keep(error, event)
        }
        try await save(event)
        return first
    }

    /// Saves the steps that are done before `error` ends them. After numbers that are not finite the
    /// last checkpoint is the better one to go on from.
    private mutating func keep(
        _ error: BitNetError, _ event: @Sendable (TrainingRun.Event) -> Void
    ) async throws(BitNetError) {
        switch error {
        case .trainingDiverged: break
        case .cancelled: try await save(event)
        default: try? await save(event)
        }
        throw error
    }

    /// What follows a step: the next validation, the next checkpoint.
    private mutating func follow(
        _ report: StepReport, _ event: @Sendable (TrainingRun.Event) -> Void
    ) async throws(BitNetError) {
        newSteps += 1
        tokens += report.tokens
        seconds += report.seconds
        sinceCheckpoint += report.seconds
        table.add(report)
        event(.step(report))
        let due = Int(report.progress * Double(max(1, run.validations)))
        if due > validations, report.progress < 1 {
            validations = due
            _ = try await validate(event)
            if due % 4 == 0 { try await sample(event) }
        }
        if sinceCheckpoint >= run.checkpointInterval { try await save(event) }
    }

    private mutating func validate(
        _ event: @Sendable (TrainingRun.Event) -> Void
    ) async throws(BitNetError) -> ValidationReport? {
        let report = try await trainer.validate(limit: run.validationWindows)
        if let report {
            table.add(report)
            event(.validation(report))
        }
        try table.write(trainer.configuration)
        return report
    }

    private func sample(
        _ event: @Sendable (TrainingRun.Event) -> Void
    ) async throws(BitNetError) {
        // Half of the context is for what the model writes.
        let room = trainer.configuration.shape.contextLength / 2
        let model = try await trainer.model(tokenizer: tokenizer)
        let tokenizer = try model.tokenizer
        let ids = try tokenizer.encode(run.samplePrompt)
        let prompt =
            ids.count < room
            ? run.samplePrompt
            : tokenizer.decode(Array(ids.prefix(max(room - 1, 0))), skippingSpecial: true)
        let options = GenerationOptions(
            sampling: .random(temperature: 0.8, seed: 1), maximumResponseTokens: min(60, room))
        let result = try await model.generate(prompt, options: options)
        event(.sample(prompt + result.text))
    }

    private mutating func save(
        _ event: @Sendable (TrainingRun.Event) -> Void
    ) async throws(BitNetError) {
        let url = run.url("checkpoint.safetensors")
        try await trainer.saveCheckpoint(to: url)
        try table.write(trainer.configuration)
        sinceCheckpoint = 0
        event(.checkpoint(url))
    }

    private func export() async throws(BitNetError) -> Int {
        try await trainer.exportFolder(
            to: run.url("masters"), weights: .masters, tokenizer: tokenizer)
        try await trainer.exportFolder(to: run.url("model"), tokenizer: tokenizer)
        return try await trainer.exportGGUF(
            to: run.url("model.gguf"), tokenizer: tokenizer
        ).byteCount
    }
}
