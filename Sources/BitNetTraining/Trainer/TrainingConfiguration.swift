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

    /// A model to learn from besides the text.
    public struct Distillation: Sendable, Hashable, Codable {
        /// The teacher's file or folder, for whoever goes on from a checkpoint.
        public var teacher: String
        /// The share of the teacher in the loss, in [0, 1]; the rest is the text's.
        public var weight: Float
        /// What all logits are divided by before predictions are compared; more than 1 gives weight
        /// to unlikely tokens.
        public var temperature: Float
        /// Tells the teacher from another model. A trainer sets it, and then goes on with no other.
        public var fingerprint: String?

        /// Distillation from a teacher; the numbers are what is usual.
        public init(
            teacher: String, weight: Float = 0.5, temperature: Float = 2,
            fingerprint: String? = nil
        ) {
            self.teacher = teacher
            self.weight = weight
            self.temperature = temperature
            self.fingerprint = fingerprint
        }
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
    /// The model to learn from besides the text; nil for none.
    public var distillation: Distillation?

    /// A configuration; what is not given is what trains small models well.
    public init(
        shape: NetworkShape = .small, length: Length = .steps(1000), windowsPerStep: Int = 16,
        schedule: TrainingSchedule = TrainingSchedule(), beta1: Float = 0.9, beta2: Float = 0.95,
        epsilon: Float = 1e-8, clipNorm: Float = 1, seed: UInt64 = 1,
        distillation: Distillation? = nil
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
        self.distillation = distillation
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
        guard let distillation else { return }
        let (weight, temperature) = (distillation.weight, distillation.temperature)
        try require(
            weight >= 0 && weight <= 1, "distillation.weight", "\(weight) is not in 0 ... 1")
        try require(
            temperature >= 0.01 && temperature <= 100, "distillation.temperature",
            "\(temperature) is not in 0.01 ... 100")
    }
}

extension TrainingConfiguration {
    /// Checks that `teacher` is the model that the distillation is from, and keeps what tells it from
    /// others.
    mutating func check(_ teacher: BitNetModel?) throws(BitNetError) {
        guard let distillation else {
            guard teacher == nil else {
                throw .invalidArgument(
                    name: "teacher",
                    detail: "there is one, but the configuration has no distillation")
            }
            return
        }
        guard let teacher else {
            throw .invalidArgument(
                name: "teacher",
                detail: "the model \(distillation.teacher) is needed to learn from")
        }
        let found = String(teacher.fingerprint, radix: 16)
        guard distillation.fingerprint ?? found == found else {
            throw .invalidArgument(
                name: "teacher",
                detail: "this is another model than \(distillation.teacher), from which the "
                    + "training began to learn; go on with that")
        }
        self.distillation?.fingerprint = found
    }
}
