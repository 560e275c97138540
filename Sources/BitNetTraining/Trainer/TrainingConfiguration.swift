public import BitNetKit

/// Everything that decides what a training gives, but the data.
///
/// ```swift
/// var configuration = TrainingConfiguration(shape: .small, length: .steps(4000))
/// configuration.windowsPerStep = 32
/// ```
public struct TrainingConfiguration: Sendable, Hashable, Codable {
    /// How long to train.
    public enum Length: Sendable, Hashable, Codable {
        /// So many steps: the same weights in every run.
        case steps(Int)
        /// So many seconds of training, those before an interruption included. The schedule follows
        /// the clock, and two runs differ.
        case seconds(Double)
    }

    /// The model.
    public var shape: NetworkShape
    /// How long to train.
    public var length: Length
    /// Windows of `shape.contextLength` tokens in a step.
    public var windowsPerStep: Int
    /// Learning rate and weight decay.
    public var schedule: TrainingSchedule
    /// AdamW's decay of the mean gradient.
    public var beta1: Float
    /// AdamW's decay of the mean square.
    public var beta2: Float
    /// AdamW's epsilon.
    public var epsilon: Float
    /// Gradients of a larger norm are scaled down to it; 0 for never.
    public var clipNorm: Float
    /// Seed of the first weights.
    public var seed: UInt64

    /// A configuration; what is not given is what trains small models well.
    public init(
        shape: NetworkShape = .small, length: Length = .steps(1000), windowsPerStep: Int = 16,
        schedule: TrainingSchedule = TrainingSchedule(), beta1: Float = 0.9, beta2: Float = 0.95,
        epsilon: Float = 1e-8, clipNorm: Float = 1, seed: UInt64 = 1
    ) {
        self.shape = shape
        self.length = length
        self.windowsPerStep = windowsPerStep
        self.schedule = schedule
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.clipNorm = clipNorm
        self.seed = seed
    }

    /// Windows that are computed together; the others of a step follow, and their gradients add up.
    /// About 1024 tokens: what lies between the passes stays near the cores.
    var windowsPerPass: Int { max(1, min(windowsPerStep, 1024 / shape.contextLength)) }

    /// Checks that the numbers make a training.
    ///
    /// - Throws: `BitNetError.invalidArgument`, which names the number.
    public func validate() throws(BitNetError) {
        func require(_ holds: Bool, _ name: String, _ detail: String) throws(BitNetError) {
            if !holds { throw .invalidArgument(name: name, detail: detail) }
        }
        try shape.validate()
        switch length {
        case .steps(let steps):
            try require(
                steps >= 1 && steps <= 1 << 40, "steps", "\(steps) is not in 1 ... 2^40")
        case .seconds(let seconds):
            try require(
                seconds > 0 && seconds <= 1e9, "time", "\(seconds) s is not in 0 ... 10^9 s")
        }
        try require(
            windowsPerStep >= 1 && windowsPerStep <= 1 << 16, "windowsPerStep",
            "\(windowsPerStep) is not in 1 ... 65536")
        let rates = [
            ("peakRate", schedule.peakRate), ("firstStageEnd", schedule.firstStageEnd),
            ("secondStageStart", schedule.secondStageStart),
            ("weightDecay", schedule.weightDecay),
            ("secondStageDecay", schedule.secondStageDecay), ("clipNorm", clipNorm),
        ]
        for (name, rate) in rates {
            try require(rate >= 0 && rate.isFinite, name, "\(rate) is not usable")
        }
        try require(schedule.warmupSteps >= 0, "warmupSteps", "\(schedule.warmupSteps) is negative")
        try require(
            schedule.secondStage >= 0 && schedule.secondStage <= 1, "secondStage",
            "\(schedule.secondStage) is not in 0 ... 1")
        for (name, beta) in [("beta1", beta1), ("beta2", beta2)] {
            try require(beta >= 0 && beta < 1, name, "\(beta) is not in 0 ..< 1")
        }
        try require(epsilon > 0 && epsilon.isFinite, "epsilon", "\(epsilon) is not usable")
    }
}
