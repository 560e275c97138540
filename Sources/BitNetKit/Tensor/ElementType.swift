/// How a tensor's elements are stored in a file (GGUF spelling).
public enum ElementType: String, Sendable, Hashable, CaseIterable {
    case f32 = "F32"
    case f16 = "F16"
    case bf16 = "BF16"
    case q4_0 = "Q4_0"
    case q4_1 = "Q4_1"
    case q5_0 = "Q5_0"
    case q5_1 = "Q5_1"
    case q8_0 = "Q8_0"
    case q4_K = "Q4_K"
    case q5_K = "Q5_K"
    case q6_K = "Q6_K"
    case tq1_0 = "TQ1_0"
    case tq2_0 = "TQ2_0"
    case i2_s = "I2_S"
    /// Hugging Face packing: uint8 `[rows / 4, columns]`, four rows a byte.
    case packedTernary = "U8"
    case i8 = "I8"
    case i32 = "I32"
    case i64 = "I64"
}
