extension TernaryMatrix {
    /// The same matrix, its weights arranged so that rows or columns can be left out; itself where
    /// it has several scales in a row or is packed for look-ups, which only tiles can have.
    package func arranged(
        _ arrangement: Arrangement, pool: WorkerPool
    ) throws(BitNetError) -> TernaryMatrix {
        guard trits.groupCount == 1, layout.canSkip, trits.arrangement != arrangement else {
            return self
        }
        return try TernaryMatrix(
            PackedTrits(trits, arrangement: arrangement, pool: pool), scale: scale)
    }

    /// `multiply` for a matrix that is not in tiles.
    func multiplyStrands(
        _ input: QuantizedActivations, tokens: Range<Int>, rows range: Range<Int>,
        into output: Activations, thread: Int, kernels: KernelSet
    ) {
        guard tokens.count == 1 else {
            return kernels.gemmStrands(
                trits, rows: range, q: input.from(tokens.lowerBound), qStride: input.stride,
                sums: input.sums[tokens], scales: input.scales[tokens], beta: factors(of: range),
                into: output.from(tokens.lowerBound, column: range.lowerBound),
                yStride: output.columns, scratch: input.gemmScratch(thread: thread))
        }
        let token = tokens.lowerBound
        let target = output[token].reinterpreted(as: Int32.self)
        if trits.arrangement == .columns {
            kernels.gemvColumns(
                trits, list: nil, rows: range, q: input[token], sum: input.sums[token],
                into: target[range])
        } else {
            kernels.gemvRows(
                trits, list: nil, range: range, q: input[token], sum: input.sums[token],
                into: target[0..<rows])
        }
        dequantize(output[token], rows: range, scale: input.scales[token], kernels: kernels)
    }

    /// Sums of the rows `list[range]` with one token of `input`, each to its place in `y`, whose
    /// other elements stay as they are. They are int32 until `dequantize` has scaled all of `y`.
    package func sums(
        _ input: QuantizedActivations, token: Int, rows list: BufferView<Int32>,
        range: Range<Int>, into y: BufferView<Float>, kernels: KernelSet
    ) {
        kernels.gemvRows(
            trits, list: list, range: range, q: input[token], sum: input.sums[token],
            into: y.reinterpreted(as: Int32.self))
    }

    /// Sums of the listed columns with one token of `input`, for every row.
    package func sums(
        _ input: QuantizedActivations, token: Int, columns list: BufferView<Int32>,
        into y: BufferView<Int32>, kernels: KernelSet
    ) {
        let q = input[token]
        var sum: Int32 = 0
        for index in 0..<list.count { sum += Int32(q[Int(list[index])]) }
        kernels.gemvColumns(trits, list: list, rows: 0..<rows, q: q, sum: sum, into: y)
    }

    /// Scales the int32 sums of `range` in place.
    package func dequantize(
        _ y: BufferView<Float>, rows range: Range<Int>, scale: Float, kernels: KernelSet
    ) {
        let part = y[range]
        kernels.dequantize(
            part.reinterpreted(as: Int32.self), scale: scale, beta: factors(of: range), into: part)
    }

    /// Whether no element of the product with one token of `input` can overflow to infinity,
    /// where `largestScale` is the largest magnitude of a scale: an int8 is at most 127, a trit 1.
    package func staysFinite(
        _ input: QuantizedActivations, token: Int, largestScale: Float
    ) -> Bool {
        let largest = 127 * Double(columns) * Double(largestScale) / Double(input.scales[token])
        return largest < Double(Float.greatestFiniteMagnitude)
    }
}
