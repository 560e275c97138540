/// What a step of training has done.
public struct StepReport: Sendable, Hashable, Codable {
    /// Which step it was, the first being 1.
    public var step: Int
    /// The share of the training that is done, in [0, 1].
    public var progress: Double
    /// Mean loss of the step's tokens before it, in nats; of the text alone, also with a teacher.
    public var loss: Double
    /// Mean KL divergence of the step's predictions from the teacher's, in nats at the temperature of
    /// the distillation; nil without a teacher.
    public var divergence: Double?
    /// Norm of all gradients before clipping.
    public var gradientNorm: Double
    /// The learning rate of the step.
    public var learningRate: Float
    /// The weight decay of the step.
    public var weightDecay: Float
    /// Tokens of the step.
    public var tokens: Int
    /// Seconds that the step took.
    public var seconds: Double

    /// Tokens that were learnt from in a second.
    public var tokensPerSecond: Double { Double(tokens) / max(seconds, 1e-9) }
}
