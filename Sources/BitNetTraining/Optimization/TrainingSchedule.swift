public import BitNetKit

/// Learning rate and weight decay in the course of a training: the two stages of the BitNet b1.58
/// training notes ("The Era of 1-bit LLMs: Training Tips, Code and FAQ", 2024).
///
/// After a linear warm-up the rate goes down linearly from `peakRate` to `firstStageEnd`. Where the
/// second stage begins it drops to `secondStageStart` and goes on to 0; weight decay, which a
/// ternary model only needs while trits still change often, ends there.
public struct TrainingSchedule: Sendable, Hashable, Codable {
    /// Steps until the rate is at its peak.
    public var warmupSteps: Int
    /// The largest learning rate.
    public var peakRate: Float
    /// The rate at the end of the first stage.
    public var firstStageEnd: Float
    /// The rate at the beginning of the second stage.
    public var secondStageStart: Float
    /// The share of the training after which the second stage begins.
    public var secondStage: Double
    /// Weight decay of the first stage.
    public var weightDecay: Float
    /// Weight decay of the second stage.
    public var secondStageDecay: Float

    /// The rates of the notes, which are for models of 700 M parameters and more; small models bear
    /// larger ones.
    public init(
        warmupSteps: Int = 100, peakRate: Float = 1.5e-3, firstStageEnd: Float = 8e-4,
        secondStageStart: Float = 5e-4, secondStage: Double = 0.5, weightDecay: Float = 0.1,
        secondStageDecay: Float = 0
    ) {
        self.warmupSteps = warmupSteps
        self.peakRate = peakRate
        self.firstStageEnd = firstStageEnd
        self.secondStageStart = secondStageStart
        self.secondStage = secondStage
        self.weightDecay = weightDecay
        self.secondStageDecay = secondStageDecay
    }

    /// The same rate and decay from the first step to the last.
    public static func constant(rate: Float, weightDecay: Float) -> TrainingSchedule {
        TrainingSchedule(
            warmupSteps: 0, peakRate: rate, firstStageEnd: rate, secondStageStart: rate,
            secondStage: 1, weightDecay: weightDecay, secondStageDecay: weightDecay)
    }

    /// Checks that every number can be used.
    ///
    /// - Throws: `BitNetError.invalidArgument`, which names the number.
    public func validate() throws(BitNetError) {
        try require(warmupSteps >= 0, "warmupSteps", "\(warmupSteps) is negative")
        let rates = [
            ("peakRate", peakRate), ("firstStageEnd", firstStageEnd),
            ("secondStageStart", secondStageStart), ("weightDecay", weightDecay),
            ("secondStageDecay", secondStageDecay),
        ]
        for (name, rate) in rates {
            try require(rate >= 0 && rate.isFinite, name, "\(rate) is not usable")
        }
        try require(
            secondStage >= 0 && secondStage <= 1, "secondStage",
            "\(secondStage) is not in 0 ... 1")
    }

    /// Rate and decay of a step.
    ///
    /// - Parameters:
    ///   - step: the first is 0.
    ///   - progress: the share of the training that is done, in [0, 1].
    public func values(step: Int, progress: Double) -> (rate: Float, weightDecay: Float) {
        let warmth =
            warmupSteps > 0 ? min(1, Double(step + 1) / Double(warmupSteps)) : 1
        func between(_ start: Float, _ end: Float, _ share: Double) -> Float {
            Float(warmth * (Double(start) + (Double(end) - Double(start)) * min(max(share, 0), 1)))
        }
        if progress < secondStage {
            return (between(peakRate, firstStageEnd, progress / secondStage), weightDecay)
        }
        guard secondStage < 1 else { return (between(firstStageEnd, 0, 0), weightDecay) }
        let share = (progress - secondStage) / (1 - secondStage)
        return (between(secondStageStart, 0, share), secondStageDecay)
    }
}
