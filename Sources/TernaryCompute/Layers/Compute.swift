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

    /// Up to three products of the same input in one job: every thread takes its share of the rows
    /// of each matrix.
    package func multiply(
        _ input: QuantizedActivations, _ first: TernaryProduct, _ second: TernaryProduct? = nil,
        _ third: TernaryProduct? = nil
    ) {
        let rows = first.matrix.rows + (second?.matrix.rows ?? 0) + (third?.matrix.rows ?? 0)
        // Panels of a GEMM want more rows than the tiles of a GEMV.
        let shares = max(pool.threads, rows / (input.rows == 1 ? 32 : 256))
        pool.parallelInPieces(shares, work: rows * first.matrix.columns * input.rows) {
            thread, part in
            let share = TernaryProduct.Share(part: part, count: shares, threads: pool.threads)
            first.compute(share, input, thread: thread, kernels: kernels)
            second?.compute(share, input, thread: thread, kernels: kernels)
            third?.compute(share, input, thread: thread, kernels: kernels)
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
    /// Shares `part` of `count` equal ones, which `threads` have between them.
    fileprivate struct Share {
        let part: Range<Int>
        let count: Int
        let threads: Int
    }

    fileprivate func compute(
        _ share: Share, _ input: QuantizedActivations, thread: Int, kernels: KernelSet
    ) {
        let rows = matrix.rows(ofShares: share.part, of: share.count, threads: share.threads)
        guard !rows.isEmpty else { return }
        matrix.multiply(input, rows: rows, into: output, thread: thread, kernels: kernels)
    }
}
