internal import Synchronization

/// What layers compute with: a kernel set and the threads to run it on.
package struct Compute: Sendable {
    package let kernels: KernelSet
    package let pool: WorkerPool

    package init(kernels: KernelSet, pool: WorkerPool) {
        self.kernels = kernels
        self.pool = pool
    }

    /// This machine's fastest kernels on all cores that the process may use.
    package static let standard = Compute(
        kernels: .best,
        pool: WorkerPool(threads: UsableCores.count))

    /// These kernels on so many threads, 1 to 1024, or on all cores if nil.
    ///
    /// Threads once started are kept for the next product with as many: starting them would take
    /// longer than most products. They sleep meanwhile.
    package init(threads: Int?, kernels: KernelSet) throws(BitNetError) {
        guard let threads, threads != Compute.standard.pool.threads else {
            self.init(kernels: kernels, pool: Compute.standard.pool)
            return
        }
        try WorkerPool.check(threads: threads)
        let pool = Compute.pools.withLock { pools in
            let pool = pools[threads] ?? WorkerPool(threads: threads)
            // One that the system gave fewer threads may get them the next time.
            if pool.threads == threads { pools[threads] = pool }
            return pool
        }
        self.init(kernels: kernels, pool: pool)
    }

    private static let pools = Mutex<[Int: WorkerPool]>([:])
}

/// What is done with a part of a product, some rows for some tokens, as soon as it is there and still
/// in a cache. The parts make up the whole; several threads call at the same time.
package typealias PartialResult = (_ tokens: Range<Int>, _ rows: Range<Int>) -> Void

/// One ternary product of a fused job: `output[t] = matrix * input[t]`.
package struct TernaryProduct {
    let matrix: TernaryMatrix
    let output: Activations

    package init(_ matrix: TernaryMatrix, into output: Activations) {
        self.matrix = matrix
        self.output = output
    }
}

extension Compute {
    /// Normalises every row of `x`.
    package func normalize(_ x: Activations, _ norm: RMSNorm, into y: Activations) {
        pool.parallel(x.rows, work: x.rows * x.columns * elementWork) { _, rows in
            for row in rows { norm.apply(x[row], into: y[row], kernels: kernels) }
        }
    }

    /// Adds `x` to `y`.
    package func add(_ x: Activations, to y: Activations) {
        let count = x.storage.count
        pool.parallel(count, granule: 64, work: count * elementWork) { _, range in
            kernels.add(x.storage[range], to: y.storage[range])
        }
    }

    /// Normalises (if there is a norm) and quantises every row of `x`, the input of a `BitLinear`.
    /// The normalised rows stay readable in `q.normed`. A row that is not finite is noted in `q`.
    package func quantize(_ x: Activations, norm: RMSNorm?, into q: QuantizedActivations) {
        q.reshape(rows: x.rows, columns: x.columns)
        pool.parallel(x.rows, work: x.rows * x.columns * elementWork) { _, rows in
            for row in rows {
                var input = x[row]
                var factor: Float = 1
                if let norm {
                    factor = norm.apply(input, into: q.normed[row], kernels: kernels)
                    input = q.normed[row]
                }
                let (scale, sum) = kernels.quantize(input, into: q[row])
                (q.scales[row], q.sums[row]) = (scale, sum)
                // Both say so where a number, or the sum of the squares, is not finite.
                if !(factor > 0 && scale > 0) { q.noteDamage() }
            }
        }
    }

    /// Up to three products of the same input in one job: every thread takes its share of the rows,
    /// and of many tokens.
    package func multiply(
        _ input: QuantizedActivations, _ first: TernaryProduct, _ second: TernaryProduct? = nil,
        _ third: TernaryProduct? = nil
    ) {
        multiply(input, first, second, third, areAlike: false) { _, _ in }
    }

    /// Two products of matrices that are equally high and packed alike.
    ///
    /// - Parameter then: called for every part of both.
    package func multiply(
        _ input: QuantizedActivations, _ first: TernaryProduct, _ second: TernaryProduct,
        then: PartialResult
    ) {
        multiply(input, first, second, nil, areAlike: true, then: then)
    }

    private func multiply(
        _ input: QuantizedActivations, _ first: TernaryProduct, _ second: TernaryProduct?,
        _ third: TernaryProduct?, areAlike: Bool, then: PartialResult
    ) {
        if input.rows == 1 {
            multiplyOne(input, first, second, third)
            guard areAlike else { return }
            let rows = first.matrix.rows
            precondition(second?.matrix.rows == rows)
            pool.parallel(rows, granule: 16, work: rows * elementWork) { then(0..<1, $1) }
            return
        }
        let heights = (
            first.matrix.rows, second?.matrix.rows ?? 0, third?.matrix.rows ?? 0
        )
        let rows = heights.0 + heights.1 + heights.2
        // Panels of a GEMM want more rows than a GEMV, and as many tokens as it is best to take
        // through a matrix at once: these are read again for every panel.
        let shares = max(pool.threads, max(heights.0, heights.1, heights.2) / 256)
        func sweep(_ product: TernaryProduct?) -> Int {
            product.map {
                kernels.gemmSweep($0.matrix.trits, tokens: input.rows, threads: pool.threads)
            } ?? 0
        }
        let parts = (input.rows - 1) / max(sweep(first), sweep(second), sweep(third)) + 1
        pool.parallelInPieces(
            parts * shares, work: rows * first.matrix.columns * input.rows
        ) { thread, piece in
            for unit in piece {
                let (part, begin) = unit.quotientAndRemainder(dividingBy: shares)
                let share = TernaryProduct.Share(
                    part: begin..<begin + 1, count: shares, threads: max(1, pool.threads / parts),
                    tokens: input.rows * part / parts..<input.rows * (part + 1) / parts)
                let rows = first.compute(share, input, thread: thread, kernels: kernels)
                let others = second?.compute(share, input, thread: thread, kernels: kernels)
                _ = third?.compute(share, input, thread: thread, kernels: kernels)
                precondition(!areAlike || others == rows)
                if !rows.isEmpty { then(share.tokens, rows) }
            }
        }
    }

    /// The products of one token. What is shared is one long matrix: where the weights of the matrices
    /// lie one behind the other, every thread reads a single stream of them.
    private func multiplyOne(
        _ input: QuantizedActivations, _ first: TernaryProduct, _ second: TernaryProduct?,
        _ third: TernaryProduct?
    ) {
        let ends = (
            first.tiles, first.tiles + (second?.tiles ?? 0),
            first.tiles + (second?.tiles ?? 0) + (third?.tiles ?? 0)
        )
        let rows = first.matrix.rows + (second?.matrix.rows ?? 0) + (third?.matrix.rows ?? 0)
        pool.parallelInPieces(ends.2, work: rows * first.matrix.columns) { thread, piece in
            func compute(_ product: TernaryProduct?, from start: Int) {
                guard let product else { return }
                let part = piece.clamped(to: start..<start + product.tiles)
                let share = TernaryProduct.Share(
                    part: part.lowerBound - start..<part.upperBound - start,
                    count: product.tiles, threads: pool.threads, tokens: 0..<1)
                _ = product.compute(share, input, thread: thread, kernels: kernels)
            }
            compute(first, from: 0)
            compute(second, from: ends.0)
            compute(third, from: ends.1)
        }
    }

    /// `y = W x` for a dense matrix, its rows split over the threads.
    package func multiply(_ matrix: DenseMatrix, _ x: BufferView<Float>, into y: BufferView<Float>)
    {
        pool.parallelInPieces(
            matrix.rows, granule: 4, work: matrix.rows * matrix.columns * elementWork
        ) { _, rows in
            matrix.multiply(rows: rows, x, into: y[rows], kernels: kernels)
        }
    }
}

extension TernaryProduct {
    /// Shares that a GEMV of the matrix can be cut into: of 32 rows, which are whole tiles in every
    /// layout.
    fileprivate var tiles: Int { (matrix.rows + 31) / 32 }

    /// Shares `part` of `count` equal ones of the rows, which `threads` have between them, for some
    /// tokens.
    fileprivate struct Share {
        let part: Range<Int>
        let count: Int
        let threads: Int
        let tokens: Range<Int>
    }

    /// Returns which rows the share has.
    fileprivate func compute(
        _ share: Share, _ input: QuantizedActivations, thread: Int, kernels: KernelSet
    ) -> Range<Int> {
        let rows = matrix.rows(
            ofShares: share.part, of: share.count, threads: share.threads,
            tokens: share.tokens.count, kernels: kernels)
        if !rows.isEmpty && !share.tokens.isEmpty {
            matrix.multiply(
                input, tokens: share.tokens, rows: rows, into: output, thread: thread,
                kernels: kernels)
        }
        return rows
    }
}
