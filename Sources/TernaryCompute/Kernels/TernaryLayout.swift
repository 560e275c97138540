internal import CTernaryKernels

/// How trits are packed for the kernels.
public enum TernaryLayout: String, Sendable, Hashable, Codable, CaseIterable {
    /// 2 bits per weight, 128 columns to 32 bytes.
    case t2 = "T2"
    /// 1.6 bits per weight (five trits a byte), 160 columns to 32 bytes.
    case t5 = "T5"
    /// 2 bits per weight in panels of 32 rows, for kernels that look up sums of activations (the idea
    /// of TL1): to be compared with, seldom the fastest.
    case l2 = "L2"

    var kernelLayout: tk_layout {
        switch self {
        case .t2: TK_LAYOUT_T2
        case .t5: TK_LAYOUT_T5
        case .l2: TK_LAYOUT_L2
        }
    }

    /// Whether single rows or columns can be left out; panels of rows have neither for themselves.
    package var canSkip: Bool {
        switch self {
        case .t2, .t5: true
        case .l2: false
        }
    }

    /// Bytes of a packed matrix, padding included; `groupColumns` divides the columns.
    package func byteCount(rows: Int, columns: Int, groupColumns: Int) -> Int {
        columns / groupColumns * tk_packed_size(kernelLayout, rows, groupColumns)
    }

    /// Inputs of a batch up to which each is multiplied for itself, by a GEMV.
    package var gemvBatch: Int { max(1, tk_gemv_batch(kernelLayout)) }

    /// Columns in one block.
    var blockColumns: Int { tk_block_columns(kernelLayout) }
}
