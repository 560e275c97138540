internal import CTernaryKernels

/// How the trits of an I2_S tensor lie in its bytes. Nothing in a file says which, and all of them
/// are valid codes: a file read in the wrong order gives nonsense.
public enum I2SOrder: String, Sendable, Hashable, Codable, CaseIterable {
    /// Blocks of 128 weights in 32 bytes: published files, and everything converters write.
    case a
    /// Blocks of 64 weights in 16 bytes: files that Microsoft's `llama-quantize` has written on
    /// arm64 since November 2025.
    case b
    /// Four rows to a byte: files that it has written on x86-64 when built without
    /// `ACT_PARALLEL`.
    case c

    var kernelOrder: tk_i2s_order {
        switch self {
        case .a: TK_I2S_A
        case .b: TK_I2S_B
        case .c: TK_I2S_C
        }
    }
}
