extension TernaryMatrix {
    /// `W x` for one or more inputs, as a `BitLinear` computes it: x is rounded to int8 with one
    /// absmax scale per input, sums are exact integers.
    ///
    /// For each input, with `s = 127 / max(max|x|, 1e-5)` and `q = round(x * s)`, half to even:
    /// `y = (sum of trit * q) / s * scale`. Against exact arithmetic every |x| is off by at most
    /// half of `1 / s`; nothing else is lost but the rounding of y to float32.
    ///
    /// - Parameters:
    ///   - x: `[columns]`, or several inputs one after the other; finite.
    ///   - threads: threads that share the work, 1 to 1024; nil for one per usable core.
    ///   - kernels: the kernel set to use; every one gives the same bits.
    /// - Returns: `[rows]` for each input, one after the other.
    /// - Throws: `BitNetError.shapeMismatch` when x is not a whole number of inputs,
    ///   `.invalidArgument` for another number of threads, `.outOfMemory`.
    public func multiply(
        _ x: [Float], threads: Int? = nil, kernels: KernelSet = .best
    ) throws(BitNetError) -> [Float] {
        guard !x.isEmpty, x.count % columns == 0 else {
            throw .shapeMismatch(tensor: "x", expected: [columns], found: [x.count])
        }
        let batch = x.count / columns
        let compute = try Compute(threads: threads, kernels: kernels)
        let input = try AlignedBuffer(x, purpose: "the input of a product")
        defer { withExtendedLifetime(input) {} }
        let output = try AlignedBuffer<Float>(count: batch * rows, purpose: "a product")
        let quantized = try QuantizedActivations(
            rows: batch, columns: columns, threads: compute.pool.threads,
            gemmScratch: kernels.gemmScratchSize(trits))
        compute.quantize(
            Activations(input.view, rows: batch, columns: columns), norm: nil, into: quantized)
        let result = Activations(output.view, rows: batch, columns: rows)
        compute.multiply(quantized, TernaryProduct(self, into: result))
        return output.array
    }

    /// The rows that are shares `part` of `count` equal ones, in whole tiles, panels or blocks;
    /// `threads` have them all between them, for so many tokens.
    func rows(
        ofShares part: Range<Int>, of count: Int, threads: Int, tokens: Int, kernels: KernelSet
    ) -> Range<Int> {
        let granule = kernels.rowGranule(trits, threads: threads, tokens: tokens)
        let tiles = (rows + granule - 1) / granule
        let begin = min(tiles * part.lowerBound / count * granule, rows)
        let end = min(tiles * part.upperBound / count * granule, rows)
        return begin..<end
    }

    /// Rows `range` of the product with some tokens of `input`, 1 or more.
    func multiply(
        _ input: QuantizedActivations, tokens: Range<Int>, rows range: Range<Int>,
        into output: Activations, thread: Int, kernels: KernelSet
    ) {
        precondition(
            input.columns == columns && output.rows == input.rows && output.columns >= rows
                && !tokens.isEmpty && tokens.upperBound <= input.rows)
        if trits.arrangement != .tiles {
            return multiplyStrands(
                input, tokens: tokens, rows: range, into: output, thread: thread, kernels: kernels)
        }
        if trits.groupCount > 1 {
            return multiplyGroups(
                input, tokens: tokens, rows: range, into: output, thread: thread, kernels: kernels)
        }
        if tokens.count == 1 {
            let y = output[tokens.lowerBound]
            kernels.gemv(
                trits, rows: range, blocks: 0..<trits.blockCount, q: input[tokens.lowerBound],
                sum: input.sums[tokens.lowerBound],
                into: y[range].reinterpreted(as: Int32.self))
            dequantize(y, rows: range, scale: input.scales[tokens.lowerBound], kernels: kernels)
        } else {
            kernels.gemmScaled(
                trits, rows: range, q: input.from(tokens.lowerBound), qStride: input.stride,
                sums: input.sums[tokens], scales: input.scales[tokens], beta: factors(of: range),
                into: output.from(tokens.lowerBound, column: range.lowerBound),
                yStride: output.columns, scratch: input.gemmScratch(thread: thread))
        }
    }

    /// What sums of these rows are multiplied by: one factor for all, or one for each.
    func factors(of rows: Range<Int>) -> BufferView<Float> {
        scales.count == 1 ? scales : scales[rows]
    }
}
