internal import CTernaryKernels

// The two-stage LM head: what its kernels take and give.

/// How a `HeadScan` holds the rows.
enum HeadScanType: Sendable, Hashable {
    /// int8, one scale a row; strict bounds.
    case int8
    /// 4.5 bits a weight; statistical bounds.
    case int4

    var kernelType: tk_head_type { self == .int8 ? TK_HEAD_INT8 : TK_HEAD_INT4 }
}

/// How far a logit can be from its score.
struct HeadMargin {
    fileprivate var margin: tk_head_margin
}

/// A hidden state rounded for a scan.
struct HeadInput {
    fileprivate var input: tk_head_input

    /// Whether the state can be scanned with: it is finite, and neither zero nor close to it.
    var isUsable: Bool { input.scale > 0 }
    /// At least the state's norm.
    var norm: Float { input.norm }
}

extension HeadScan {
    /// Row ranges start at multiples of this.
    static let tileRows = Int(TK_HEAD_TILE_ROWS)

    /// Bytes of the codes.
    static func codeBytes(_ type: HeadScanType, rows: Int, columns: Int) -> Int {
        tk_head_size(type.kernelType, rows, columns)
    }

    /// Bytes of a rounded state.
    static func inputBytes(columns: Int) -> Int { tk_head_input_size(columns) }

    private var kernelHead: tk_head {
        tk_head(
            type: type.kernelType, rows: rows, columns: columns, codes: codes.view.base,
            scales: scales.view.base, errors: errors.view.base, norms: norms.view.base)
    }

    /// Codes `values`, the floats of rows `range`.
    func pack(_ values: BufferView<Float>, rows range: Range<Int>) {
        precondition(
            range.lowerBound % HeadScan.tileRows == 0 && range.upperBound <= rows
                && values.count >= range.count * columns)
        tk_head_pack(
            type.kernelType, values.base, rows, columns, range.lowerBound, range.upperBound,
            codes.view.base, scales.view.base, errors.view.base, norms.view.base)
    }

    /// What the codes of `row` say.
    func decodeRow(_ row: Int, into values: BufferView<Float>) {
        precondition(row >= 0 && row < rows && values.count == columns)
        var head = kernelHead
        tk_head_decode_row(&head, row, values.base)
    }

    /// Rounds a hidden state into `q`.
    func round(_ x: BufferView<Float>, into q: BufferView<UInt8>) -> HeadInput {
        precondition(x.count == columns && q.count >= HeadScan.inputBytes(columns: columns))
        return HeadInput(input: tk_head_round(type.kernelType, x.base, columns, q.base))
    }

    /// A margin that no logit exceeds.
    func strictMargin(_ input: HeadInput) -> HeadMargin {
        var input = input.input
        return HeadMargin(margin: tk_head_strict_margin(&input, columns))
    }

    /// A margin of some standard deviations; `spread` is the weighted root mean square of the state.
    func likelyMargin(_ input: HeadInput, spread: Float, deviations: Float) -> HeadMargin {
        var input = input.input
        return HeadMargin(
            margin: tk_head_likely_margin(&input, columns, spread, deviations))
    }

    /// Scores of rows `range`, where they belong in `scores`, and the largest lower bounds among
    /// them merged into `best`.
    func scan(
        _ q: BufferView<UInt8>, _ input: HeadInput, margin: HeadMargin, rows range: Range<Int>,
        into scores: BufferView<Float>, best: BufferView<Float>, kernels: KernelSet
    ) {
        precondition(
            range.lowerBound % HeadScan.tileRows == 0 && range.upperBound <= rows
                && q.count >= HeadScan.inputBytes(columns: columns) && best.count > 0)
        var head = kernelHead
        var margin = margin.margin
        let part = scores[range]
        tk_head_scan(
            kernels.kernels, &head, q.base, input.input.scale, range.lowerBound, range.upperBound,
            part.base)
        tk_head_rank(
            &head, &margin, part.base, range.lowerBound, range.upperBound, best.base, best.count)
    }

    /// Writes the rows of `range` that can reach `threshold` to the beginning of `ids` and -infinity
    /// to all of their scores; returns how many there are.
    func candidates(
        reaching threshold: Float, margin: HeadMargin, rows range: Range<Int>,
        scores: BufferView<Float>, ids: BufferView<UInt32>
    ) -> Int {
        precondition(range.upperBound <= rows && ids.count >= range.count)
        var head = kernelHead
        var margin = margin.margin
        return tk_head_candidates(
            &head, &margin, threshold, range.lowerBound, range.upperBound, scores[range].base,
            ids.base)
    }
}
