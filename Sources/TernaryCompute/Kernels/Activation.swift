/// The gate's non-linearity.
public enum Activation: String, Sendable, Hashable {
    /// `max(x, 0)^2`, of BitNet b1.58 2B-4T.
    case squaredReLU = "relu2"
    /// `x / (1 + exp(-x))`, of Llama and 1bitLLM models.
    case silu
    /// `0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`, of Gemma models.
    case gelu = "gelu_pytorch_tanh"
}
