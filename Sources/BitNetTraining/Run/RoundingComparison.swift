public import BitNetKit
internal import Foundation

/// Why a ternary model has to be trained as one: the same small network learns the same text twice,
/// once with float weights and once with shadow weights. Rounded to trits, the float network loses a
/// good part of what it has learnt, and more the finer its weights become; the other one learns with
/// the trits that it will have.
///
/// ```swift
/// let result = try RoundingComparison.run(
///     TrainingConfiguration(shape: .tiny, length: .steps(400)), data: data)
/// print(result.final.float, result.final.rounded, result.final.shadow)
/// ```
///
/// All losses are of text that is held out. Rounded means what BitNet b1.58 computes: ternary weights
/// (absmean) and int8 activations (absmax); float means neither.
public struct RoundingComparison: Sendable, Hashable, Codable {
    /// Mean losses after some steps, in nats for each token.
    public struct Losses: Sendable, Hashable, Codable {
        /// Steps of both trainings.
        public var step: Int
        /// Of the float network.
        public var float: Double
        /// Of the float network with its weights rounded to trits.
        public var rounded: Double
        /// Of the network that was trained with shadow weights, rounded, as always.
        public var shadow: Double
    }

    /// How both networks were trained.
    public let configuration: TrainingConfiguration
    /// Parameters of a network.
    public let parameters: Int
    /// Tokens that are predicted for a loss.
    public let tokens: Int
    /// The loss of a network that knows nothing: the logarithm of the vocabulary's size.
    public let chance: Double
    /// In the course of the training, the first before it and the last at its end.
    public let losses: [Losses]

    /// The losses at the end.
    public var final: Losses { losses[losses.count - 1] }

    /// A configuration that takes one or two minutes on two cores.
    public static var standardConfiguration: TrainingConfiguration {
        var configuration = TrainingConfiguration(shape: .tiny, length: .steps(400))
        configuration.shape.vocabularySize = 512
        configuration.schedule.warmupSteps = 40
        configuration.schedule.peakRate = 3e-3
        return configuration
    }

    /// Trains both networks, on the calling thread.
    ///
    /// - Parameters:
    ///   - configuration: the network and its training; the length is a number of steps.
    ///   - data: what both learn, and what is held out.
    ///   - measurements: how often losses are measured, at equal shares of the training.
    ///   - threads: threads to compute with, 1 to 1024; nil for all cores that the process may use.
    ///   - progress: called after every step with the share that is done, in [0, 1].
    /// - Throws: `BitNetError.invalidArgument` for a number out of range, a length in seconds, or data
    ///   of which nothing is held out; `.trainingDiverged`; `.cancelled` when the current task is;
    ///   what the data throws.
    public static func run(
        _ configuration: TrainingConfiguration = standardConfiguration, data: any TrainingSource,
        measurements: Int = 20, threads: Int? = nil, progress: (Double) -> Void = { _ in }
    ) throws(BitNetError) -> RoundingComparison {
        guard case .steps(let steps) = configuration.length else {
            throw .invalidArgument(
                name: "length", detail: "both trainings need the same number of steps; give one")
        }
        let pair = try Pair(configuration, data, Trainer.compute(threads, .best))
        var losses = [try pair.losses()]
        for step in 1...steps {
            if Task.isCancelled { throw .cancelled }
            try pair.advance()
            progress(Double(step) / Double(steps))
            let (count, done) = (max(1, measurements), step * max(1, measurements) / steps)
            if done > (step - 1) * count / steps { losses.append(try pair.losses()) }
        }
        return RoundingComparison(
            configuration: configuration, parameters: configuration.shape.parameterCount,
            tokens: pair.tokens, chance: log(Double(configuration.shape.vocabularySize)),
            losses: losses)
    }

    /// Trains a tokenizer and both networks on text; one document of twenty is held out.
    ///
    /// - Throws: also what reading the text throws, and `.invalidArgument` for a single document or too
    ///   little text for a window.
    public static func run(
        _ configuration: TrainingConfiguration = standardConfiguration, text: TrainingCorpus,
        measurements: Int = 20, threads: Int? = nil, progress: (Double) -> Void = { _ in }
    ) throws(BitNetError) -> RoundingComparison {
        try configuration.validate()
        var configuration = configuration
        let trainer = BytePairTrainer(vocabularySize: configuration.shape.vocabularySize)
        let tokenizer = try trainer.train(text).tokenizer
        configuration.shape.vocabularySize = tokenizer.vocabularySize
        let data = try TrainingData(
            TokenFile(text, tokenizer: tokenizer), context: configuration.shape.contextLength,
            heldOut: .share(0.05), seed: configuration.seed)
        return try run(
            configuration, data: data, measurements: measurements, threads: threads,
            progress: progress)
    }

    /// The two networks in training, and one for the float weights rounded.
    private struct Pair {
        let float, shadow: TrainerState
        let rounded: ShadowNetwork
        let tokens: Int
        /// Windows that losses are measured on: enough to tell the curves apart.
        private static let windows = 48

        init(
            _ configuration: TrainingConfiguration, _ data: any TrainingSource, _ compute: Compute
        ) throws(BitNetError) {
            float = try TrainerState(configuration, data: data, isRounded: false, compute: compute)
            shadow = try TrainerState(configuration, data: data, compute: compute)
            for state in [float, shadow] { state.initialize() }
            rounded = try ShadowNetwork(
                configuration.shape, tokens: float.network.buffers.tokens, compute: compute)
            guard let report = try float.validate(limit: Self.windows) else {
                throw .invalidArgument(
                    name: "data", detail: "nothing is held out to measure losses on")
            }
            tokens = report.tokens
        }

        func advance() throws(BitNetError) {
            for state in [float, shadow] { _ = try state.advance() }
        }

        func losses() throws(BitNetError) -> Losses {
            rounded.parameters.view.copy(from: float.network.parameters.view)
            rounded.snap()
            func loss(
                _ state: TrainerState, of network: ShadowNetwork? = nil
            ) throws(BitNetError) -> Double {
                // The source has windows, as it had before.
                try state.validate(limit: Self.windows, of: network)?.loss ?? .nan
            }
            return Losses(
                step: float.step, float: try loss(float), rounded: try loss(float, of: rounded),
                shadow: try loss(shadow))
        }
    }
}
