public import BitNetKit
internal import Dispatch
public import Foundation

/// Trains a ternary model from scratch: float32 shadow weights learn, and every product is computed
/// with their trits.
///
/// ```swift
/// let trainer = try Trainer(
///     configuration: TrainingConfiguration(shape: .tiny, length: .steps(200)),
///     data: TokenArray(tokens, validation: heldOut))
/// for try await report in trainer.steps {
///     print(report.step, report.loss)
/// }
/// try await trainer.export(to: folder)
/// ```
///
/// With a number of steps the weights that come out are the same, bit for bit, for every number of
/// threads and every kernel set, and whether the training was interrupted or not. Products of
/// gradients are computed by kernels of our own for that reason: a BLAS promises no order of its
/// additions.
///
/// Memory: 16 bytes a parameter for weights, gradients and the optimiser's two moments, the trits of
/// one block, and the activations of about 1024 tokens. Trits are packed anew for every pass.
public final class Trainer: Sendable {
    /// What decides the result, but the data.
    public let configuration: TrainingConfiguration
    private let state: TrainerState
    private let queue = DispatchQueue(label: "BitNetTraining", qos: .userInitiated)

    /// A training that begins.
    ///
    /// - Parameters:
    ///   - configuration: the model, how long, and how.
    ///   - data: what to learn.
    ///   - teacher: the model that `configuration.distillation` names, with the same tokenizer as the
    ///     data.
    ///   - threads: threads to compute with, 1 to 1024; nil for all cores that the process may use.
    ///   - kernels: the kernel set to compute with.
    /// - Throws: `BitNetError.invalidArgument` for a number out of range, or a teacher that does not
    ///   fit, `.outOfMemory`.
    public convenience init(
        configuration: TrainingConfiguration, data: any TrainingSource,
        teacher: BitNetModel? = nil, threads: Int? = nil, kernels: KernelSet = .best
    ) throws(BitNetError) {
        let state = try TrainerState(
            configuration, data: data, teacher: teacher,
            compute: Trainer.compute(threads, kernels))
        state.initialize()
        self.init(state)
    }

    /// A training that goes on from a checkpoint.
    ///
    /// - Parameters:
    ///   - checkpoint: what `saveCheckpoint(to:)` has written.
    ///   - data: the same data as before.
    ///   - teacher: the same teacher as before, if there was one.
    ///   - configuration: what to go on with, or nil for the checkpoint's. Length, schedule, clipping
    ///     and AdamW's numbers may be other ones: after numbers that are not finite, a smaller rate.
    ///   - length: another length, or nil. The schedule then is that of the new length.
    ///   - threads: threads to compute with, 1 to 1024; nil for all cores that the process may use.
    ///   - kernels: the kernel set to compute with.
    /// - Throws: `BitNetError.fileNotFound`, `.malformedFile`, `.unsupportedFormat`,
    ///   `.invalidMetadata`, `.missingTensor`, `.shapeMismatch` or `.corruptTensor` for a file that
    ///   is not a whole checkpoint, `.invalidArgument` for other data, or a configuration that
    ///   differs in what cannot change, `.outOfMemory`.
    public convenience init(
        resuming checkpoint: URL, data: any TrainingSource, teacher: BitNetModel? = nil,
        configuration: TrainingConfiguration? = nil,
        length: TrainingConfiguration.Length? = nil, threads: Int? = nil,
        kernels: KernelSet = .best
    ) throws(BitNetError) {
        let file = try SafetensorsFile(opening: checkpoint.path)
        var used = try TrainerState.configuration(of: file)
        if let configuration { used = try used.changed(to: configuration) }
        if let length { used.length = length }
        let state = try TrainerState(
            used, data: data, teacher: teacher, compute: Trainer.compute(threads, kernels))
        try state.restore(file)
        self.init(state)
    }

    /// The configuration of the training that a checkpoint is of.
    ///
    /// - Throws: as ``init(resuming:data:teacher:configuration:length:threads:kernels:)``.
    public static func configuration(
        of checkpoint: URL
    ) throws(BitNetError) -> TrainingConfiguration {
        try TrainerState.configuration(of: SafetensorsFile(opening: checkpoint.path))
    }

    private init(_ state: TrainerState) {
        self.state = state
        configuration = state.configuration
    }

    static func compute(_ threads: Int?, _ kernels: KernelSet) throws(BitNetError) -> Compute {
        guard let threads else {
            return Compute(kernels: kernels, pool: Compute.standard.pool)
        }
        try WorkerPool.check(threads: threads)
        return Compute(kernels: kernels, pool: WorkerPool(threads: threads))
    }

    /// Threads that the training computes with.
    public var threads: Int { state.network.compute.pool.threads }

    /// Runs `body` on the trainer's own queue, off Swift's cooperative threads, one after the other.
    func onQueue<R: Sendable>(
        _ body: @escaping @Sendable (TrainerState) throws(BitNetError) -> R
    ) async throws(BitNetError) -> R {
        let result = await withCheckedContinuation { continuation in
            queue.async { [state] in
                continuation.resume(
                    returning: Result { () throws(BitNetError) in try body(state) })
            }
        }
        return try result.get()
    }

    // MARK: - Steps

    /// Learns from the next step's windows, whatever the training's length.
    ///
    /// - Throws: `BitNetError.trainingDiverged` when numbers are not finite, with the weights as they
    ///   were before the step; what the data throws, and `.invalidArgument` for windows of another
    ///   length or tokens outside the vocabulary.
    @discardableResult
    public func step() async throws(BitNetError) -> StepReport {
        try await onQueue { (state) throws(BitNetError) in try state.advance() }
    }

    /// The steps that are left, each done when it is asked for. Cancelling the task ends the training
    /// between two steps.
    public var steps: TrainingSteps { TrainingSteps(trainer: self) }

    /// Steps that are done.
    public var stepCount: Int {
        get async { await value { $0.step } }
    }

    /// The share of the training that is done, in [0, 1].
    public var progress: Double {
        get async { await value { $0.progress } }
    }

    private func value<R: Sendable>(
        _ body: @escaping @Sendable (TrainerState) -> R
    ) async -> R {
        await withCheckedContinuation { continuation in
            queue.async { [state] in continuation.resume(returning: body(state)) }
        }
    }

    /// How good the model is at the windows that are held out; nil if there are none.
    ///
    /// - Parameter limit: the most windows, spread evenly over all.
    /// - Throws: `BitNetError.trainingDiverged`, and what the data throws.
    public func validate(limit: Int = .max) async throws(BitNetError) -> ValidationReport? {
        try await onQueue { (state) throws(BitNetError) in try state.validate(limit: limit) }
    }

    // MARK: - Results

    /// Writes a checkpoint, from which a training goes on as if it had not been interrupted.
    ///
    /// The file takes its name when it is complete: where the disk is full, the one before stays.
    ///
    /// - Throws: `BitNetError.unwritable`.
    public func saveCheckpoint(to url: URL) async throws(BitNetError) {
        try await onQueue { (state) throws(BitNetError) in try state.save(to: url.path) }
    }
}

/// The steps of a training as a sequence, ended by its length.
public struct TrainingSteps: AsyncSequence, Sendable {
    let trainer: Trainer

    /// Goes on where the training is.
    public func makeAsyncIterator() -> Iterator { Iterator(trainer: trainer) }

    /// One step for each call.
    public struct Iterator: AsyncIteratorProtocol {
        let trainer: Trainer

        /// Does the next step; nil when the training is at its end.
        ///
        /// - Throws: what ``Trainer/step()`` throws, and `BitNetError.cancelled`.
        public mutating func next(
            isolation actor: isolated (any Actor)? = #isolation
        ) async throws(BitNetError) -> StepReport? {
            if Task.isCancelled { throw .cancelled }
            guard await trainer.progress < 1 else { return nil }
            return try await trainer.step()
        }

        /// Does the next step; nil when the training is at its end.
        public mutating func next() async throws(BitNetError) -> StepReport? {
            try await next(isolation: nil)
        }
    }
}
