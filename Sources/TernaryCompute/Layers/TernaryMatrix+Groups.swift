// Products of matrices with a scale for every group of columns: one integer product for each group,
// scaled in double and rounded once, then float32 additions in the order of the groups. That order
// is the same for every kernel set, layout, batch size and number of threads.
extension TernaryMatrix {
    /// Rows that are multiplied before they are scaled: their sums for all tokens stay in cache.
    private static let step = 64

    /// Rows `range` of the product with some tokens of `input`, group by group.
    func multiplyGroups(
        _ input: QuantizedActivations, tokens: Range<Int>, rows range: Range<Int>,
        into output: Activations, thread: Int, kernels: KernelSet
    ) {
        for token in tokens { output[token][range].fill(0) }
        // Sums of one group: of the activations of each token, and of the products.
        let count = tokens.count * (1 + TernaryMatrix.step)
        withUnsafeTemporaryAllocation(of: Int32.self, capacity: count) { scratch in
            guard let base = scratch.baseAddress else { return }
            let all = BufferView(base: base, count: count)
            let (sums, acc) = (all[0..<tokens.count], all.from(tokens.count))
            for group in 0..<trits.groupCount {
                // Padding trits are 0, but kernels add trit + 1: the sum covers padding too.
                let window = trits.blockCount * layout.blockColumns
                let start = group * trits.groupColumns
                for (index, token) in tokens.enumerated() {
                    sums[index] = Codec.sum(input[token][start..<start + window])
                }
                for begin in stride(
                    from: range.lowerBound, to: range.upperBound, by: TernaryMatrix.step)
                {
                    let rows = begin..<min(begin + TernaryMatrix.step, range.upperBound)
                    multiply(
                        input, tokens: tokens, group: group, rows: rows, sums: sums, into: acc,
                        thread: thread, kernels: kernels)
                    accumulate(
                        acc, group: group, rows: rows, input: input, tokens: tokens, into: output,
                        kernels: kernels)
                }
            }
        }
    }

    /// The integer products of some rows of one group, `rows.count` from token to token.
    private func multiply(
        _ input: QuantizedActivations, tokens: Range<Int>, group: Int, rows: Range<Int>,
        sums: BufferView<Int32>, into acc: BufferView<Int32>, thread: Int, kernels: KernelSet
    ) {
        let q = input.from(tokens.lowerBound).from(group * trits.groupColumns)
        if tokens.count == 1 {
            kernels.gemv(
                trits, group: group, rows: rows, blocks: 0..<trits.blockCount, q: q, sum: sums[0],
                into: acc[0..<rows.count])
        } else {
            kernels.gemm(
                trits, group: group, rows: rows, q: q, qStride: input.stride, sums: sums,
                batch: tokens.count, into: acc, yStride: rows.count,
                scratch: input.gemmScratch(thread: thread))
        }
    }

    /// Scales the products of one group in place and adds them to the output.
    private func accumulate(
        _ acc: BufferView<Int32>, group: Int, rows: Range<Int>, input: QuantizedActivations,
        tokens: Range<Int>, into output: Activations, kernels: KernelSet
    ) {
        let offset = group * self.rows
        let beta = scales[offset + rows.lowerBound..<offset + rows.upperBound]
        for (index, token) in tokens.enumerated() {
            let part = acc[index * rows.count..<(index + 1) * rows.count]
            let scaled = part.reinterpreted(as: Float.self)
            kernels.dequantize(part, scale: input.scales[token], beta: beta, into: scaled)
            kernels.add(scaled, to: output[token][rows])
        }
    }
}
