internal import CTernaryKernels

/// How a tensor's elements are stored in a file (GGUF spelling; blocks as in ggml).
public enum ElementType: String, Sendable, Hashable, Codable, CaseIterable {
    /// IEEE binary32.
    case f32 = "F32"
    /// IEEE binary16.
    case f16 = "F16"
    /// The upper half of a binary32.
    case bf16 = "BF16"
    /// 4-bit blocks of 32 with an F16 scale: 4.5 bits per element.
    case q4_0 = "Q4_0"
    /// 4-bit blocks of 32 with an F16 scale and minimum: 5 bits.
    case q4_1 = "Q4_1"
    /// 5-bit blocks of 32 with an F16 scale: 5.5 bits.
    case q5_0 = "Q5_0"
    /// 5-bit blocks of 32 with an F16 scale and minimum: 6 bits.
    case q5_1 = "Q5_1"
    /// 8-bit blocks of 32 with an F16 scale: 8.5 bits.
    case q8_0 = "Q8_0"
    /// 4-bit blocks of 256 with scales of their own inside: 4.5 bits.
    case q4_K = "Q4_K"
    /// 5-bit blocks of 256 with scales of their own inside: 5.5 bits.
    case q5_K = "Q5_K"
    /// 6-bit blocks of 256 with scales of their own inside: 6.5625 bits.
    case q6_K = "Q6_K"
    /// 4-bit blocks of 32 with an F16 scale and uneven levels: 4.5 bits.
    case iq4_nl = "IQ4_NL"
    /// Trits, five a byte, in blocks of 256 with an F16 scale: 1.6875 bits.
    case tq1_0 = "TQ1_0"
    /// Trits, four a byte, in blocks of 256 with an F16 scale: 2.0625 bits.
    case tq2_0 = "TQ2_0"
    /// Codes for -1, 0, +1 (and +2, which is no trit), four a byte, in groups of 64 with an F16
    /// scale: 2.25 bits.
    case q2_0 = "Q2_0"
    /// The same in groups of 128: 2.125 bits. Files use one id for both.
    case q2_0_128 = "Q2_0 (128)"
    /// Trits, four a byte, with one F32 scale for the tensor: 2 bits.
    case i2_s = "I2_S"
    /// Trits, five a byte, in rows that begin with an F16 scale (ik_llama.cpp): 1.625 bits.
    case iq1_bn = "IQ1_BN"
    /// Trits, four a byte, in rows that begin with an F32 scale (ik_llama.cpp): 2 bits.
    case iq2_bn = "IQ2_BN"
    /// The same with four rows interleaved.
    case iq2_bn_r4 = "IQ2_BN_R4"
    /// Trits as Hugging Face packs them: uint8 `[rows / 4, columns]`, four rows a byte.
    case packedTernary = "U8"
    /// 8-bit integers.
    case i8 = "I8"
    /// 32-bit integers.
    case i32 = "I32"
    /// 64-bit integers.
    case i64 = "I64"
}

extension ElementType {
    /// The C library's name for a type that has blocks.
    var kernelType: tk_type {
        switch self {
        case .f32: TK_F32
        case .f16: TK_F16
        case .bf16: TK_BF16
        case .q4_0: TK_Q4_0
        case .q4_1: TK_Q4_1
        case .q5_0: TK_Q5_0
        case .q5_1: TK_Q5_1
        case .q8_0: TK_Q8_0
        case .q4_K: TK_Q4_K
        case .q5_K: TK_Q5_K
        case .q6_K: TK_Q6_K
        case .iq4_nl: TK_IQ4_NL
        case .tq1_0: TK_TQ1_0
        case .tq2_0: TK_TQ2_0
        case .q2_0: TK_Q2_0
        case .q2_0_128: TK_Q2_0_128
        case .iq1_bn: TK_IQ1_BN
        case .iq2_bn: TK_IQ2_BN
        case .iq2_bn_r4: TK_IQ2_BN_R4
        case .i2_s, .packedTernary, .i8, .i32, .i64:
            preconditionFailure("\(rawValue) has no blocks")
        }
    }

    /// Whether elements decode to floats one block at a time.
    package var isFloatLike: Bool {
        switch self {
        case .i2_s, .packedTernary, .i8, .i32, .i64: false
        default: !hasRowScales
        }
    }

    /// Whether every row of trits begins with its scale, so that blocks alone mean nothing.
    package var hasRowScales: Bool {
        switch self {
        case .iq1_bn, .iq2_bn, .iq2_bn_r4: true
        default: false
        }
    }

    /// Bytes of a row besides its blocks: the scale in front of them.
    package var rowBytes: Int { hasRowScales ? tk_type_row_bytes(kernelType) : 0 }

    /// Rows that are stored together: a matrix has a multiple of them.
    package var interleavedRows: Int { self == .iq2_bn_r4 ? 4 : 1 }

    /// Whether matrices of this type can be multiplied as stored.
    package var hasDenseKernel: Bool { isFloatLike && tk_can_dense_gemv(kernelType) }

    /// Whether `encode` can write this type.
    package var canEncode: Bool { isFloatLike && tk_can_encode(kernelType) }

    /// Elements and bytes of one block as it is stored. `i2_s` has groups of four in a byte, and one
    /// scale a tensor besides.
    package var block: (elements: Int, bytes: Int) {
        switch self {
        case .i8, .packedTernary: (1, 1)
        case .i32: (1, 4)
        case .i64: (1, 8)
        case .i2_s: (4, 1)
        default: (tk_type_block_size(kernelType), tk_type_block_bytes(kernelType))
        }
    }
}
