extension Compute {
    /// The listed rows of `matrix` times one token of `input`; all other elements of `y` are 0.
    package func sums(
        _ input: QuantizedActivations, token: Int, _ matrix: TernaryMatrix,
        rows list: BufferView<Int32>, into y: BufferView<Float>
    ) {
        y.fill(0)
        pool.parallelInPieces(list.count, granule: 4, work: list.count * matrix.columns) {
            _, range in
            matrix.sums(input, token: token, rows: list, range: range, into: y, kernels: kernels)
        }
        matrix.dequantize(y, rows: 0..<matrix.rows, scale: input.scales[token], kernels: kernels)
    }

    /// `matrix` times one token of `input` over the listed columns; the columns that are not meet
    /// a 0. Columns are split over the threads, whose sums are added up: with rows split, each
    /// thread would read short pieces of all columns (two threads were no faster than one so).
    package func multiply(
        _ input: QuantizedActivations, token: Int, _ matrix: TernaryMatrix,
        columns list: BufferView<Int32>, partialSums: PartialSums, into y: BufferView<Float>
    ) {
        let sums = y.reinterpreted(as: Int32.self)
        if list.count == 0 { sums.fill(0) }
        let parts = pool.parallel(
            list.count, granule: KernelSet.columnGroup, work: matrix.rows * list.count
        ) { thread, range in
            matrix.sums(
                input, token: token, columns: list[range],
                into: thread == 0 ? sums : partialSums[thread], kernels: kernels)
        }
        for thread in 1..<max(1, parts) { kernels.addSums(partialSums[thread], to: sums) }
        matrix.dequantize(y, rows: 0..<matrix.rows, scale: input.scales[token], kernels: kernels)
    }
}

/// Sums that threads other than the first have of their share of a matrix's columns.
package struct PartialSums: Sendable {
    private let storage: AlignedBuffer<Int32>
    private let rows: Int

    package init(rows: Int, threads: Int) throws(BitNetError) {
        self.rows = rows
        storage = try AlignedBuffer(count: (threads - 1) * rows, purpose: "sums of each thread")
    }

    subscript(thread: Int) -> BufferView<Int32> {
        storage.view[(thread - 1) * rows..<thread * rows]
    }
}
