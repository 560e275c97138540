internal import CTernaryKernels

// The two-stage LM head: what its kernels take and give.

/// How a `LMHeadScan` holds the rows.
package enum LMHeadScanType: Sendable, Hashable {
    /// int8, one scale a row; strict bounds.
    case int8
    /// 4.5 bits a weight; statistical bounds.
    case int4
    /// The stored matrix itself, which has this type; strict bounds.
    case q8_0, q6_K, q4_0

    /// The scan of a matrix stored as `type` that needs no copy of it.
    package init?(inPlace type: ElementType) {
        switch type {
        case .q8_0: self = .q8_0
        case .q6_K: self = .q6_K
        case .q4_0: self = .q4_0
        default: return nil
        }
    }

    var kernelType: tk_head_type {
        switch self {
        case .int8: TK_HEAD_INT8
        case .int4: TK_HEAD_INT4
        case .q8_0: TK_HEAD_Q8_0
        case .q6_K: TK_HEAD_Q6_K
        case .q4_0: TK_HEAD_Q4_0
        }
    }
}

/// How far a logit can be from its score.
struct LMHeadMargin {
    fileprivate var margin: tk_head_margin
}

/// A hidden state rounded for a scan.
struct LMHeadInput {
    fileprivate var input: tk_head_input

    /// Whether the state can be scanned with: it is finite, and neither zero nor close to it.
    var isUsable: Bool { input.scale > 0 }
    /// At least the state's norm.
    var norm: Float { input.norm }
}

extension LMHeadScan {
    /// Row ranges start at multiples of this.
    static let tileRows = Int(TK_HEAD_TILE_ROWS)

    /// Bytes of the codes.
    static func codeBytes(_ type: LMHeadScanType, rows: Int, columns: Int) -> Int {
        tk_head_size(type.kernelType, rows, columns)
    }

    /// Bytes of a rounded state.
    static func inputBytes(columns: Int) -> Int { tk_head_input_size(columns) }

    private func withKernelHead<R>(_ body: (UnsafePointer<tk_head>) -> R) -> R {
        func call(codes: UnsafePointer<UInt8>) -> R {
            var head = tk_head(
                type: type.kernelType, rows: rows, columns: columns, codes: codes,
                scales: copy?.scales.view.base, errors: copy?.errors.view.base,
                norms: norms.view.base)
            return body(&head)
        }
        if let copy { return call(codes: copy.codes.view.base) }
        return matrix.withBytes { call(codes: $0.assumingMemoryBound(to: UInt8.self)) }
    }

    /// Codes `values`, the floats of rows `range`, in `copy`.
    func pack(_ values: BufferView<Float>, rows range: Range<Int>, into copy: Copy) {
        precondition(
            range.lowerBound % LMHeadScan.tileRows == 0 && range.upperBound <= rows
                && values.count >= range.count * columns)
        tk_head_pack(
            type.kernelType, values.base, rows, columns, range.lowerBound, range.upperBound,
            copy.codes.view.base, copy.scales.view.base, copy.errors.view.base, norms.view.base)
    }

    /// Computes the norms of the stored rows `range`.
    func measureNorms(rows range: Range<Int>) {
        precondition(
            type == LMHeadScanType(inPlace: matrix.type) && range.upperBound <= rows)
        matrix.withBytes {
            tk_head_norms(
                type.kernelType, $0 + range.lowerBound * matrix.rowBytes, range.count, columns,
                norms.view[range].base)
        }
    }

    /// What the codes of `row` say.
    func decodeRow(_ row: Int, into values: BufferView<Float>) {
        precondition(row >= 0 && row < rows && values.count == columns)
        withKernelHead { tk_head_decode_row($0, row, values.base) }
    }

    /// Rounds a hidden state into `q`.
    func round(_ x: BufferView<Float>, into q: BufferView<UInt8>) -> LMHeadInput {
        precondition(x.count == columns && q.count >= LMHeadScan.inputBytes(columns: columns))
        return LMHeadInput(input: tk_head_round(type.kernelType, x.base, columns, q.base))
    }

    /// A margin that no logit exceeds.
    func strictMargin(_ input: LMHeadInput) -> LMHeadMargin {
        var input = input.input
        return LMHeadMargin(margin: tk_head_strict_margin(type.kernelType, &input, columns))
    }

    /// A margin of some standard deviations; `spread` is the weighted root mean square of the state.
    func likelyMargin(_ input: LMHeadInput, spread: Float, deviations: Float) -> LMHeadMargin {
        var input = input.input
        return LMHeadMargin(
            margin: tk_head_likely_margin(&input, columns, spread, deviations))
    }

    /// Scores of rows `range`, where they belong in `scores`, and the largest lower bounds among
    /// them merged into `best`.
    func scan(
        _ q: BufferView<UInt8>, _ input: LMHeadInput, margin: LMHeadMargin, rows range: Range<Int>,
        into scores: BufferView<Float>, best: BufferView<Float>, kernels: KernelSet
    ) {
        precondition(
            range.lowerBound % LMHeadScan.tileRows == 0 && range.upperBound <= rows
                && q.count >= LMHeadScan.inputBytes(columns: columns) && best.count > 0)
        var margin = margin.margin
        let part = scores[range]
        withKernelHead { head in
            tk_head_scan(
                kernels.kernels, head, q.base, input.input.scale, range.lowerBound,
                range.upperBound, part.base)
            tk_head_rank(
                head, &margin, part.base, range.lowerBound, range.upperBound, best.base, best.count)
        }
    }

    /// Writes the rows of `range` that can reach `threshold` to the beginning of `ids` and -infinity
    /// to all of their scores; returns how many there are.
    func candidates(
        reaching threshold: Float, margin: LMHeadMargin, rows range: Range<Int>,
        scores: BufferView<Float>, ids: BufferView<UInt32>
    ) -> Int {
        precondition(range.upperBound <= rows && ids.count >= range.count)
        var margin = margin.margin
        return withKernelHead {
            tk_head_candidates(
                $0, &margin, threshold, range.lowerBound, range.upperBound, scores[range].base,
                ids.base)
        }
    }
}
