internal import Synchronization

/// Which packed layout decodes fastest on this machine: T5 reads a fifth fewer bytes than T2, but
/// takes more work to unpack, so it depends on the kernels, on the number of threads and on memory.
///
/// What is measured is the thing itself, products with matrices larger than the caches, once for
/// each kernel set and number of threads. Whatever is chosen, results are the same.
package struct LayoutChoice: Sendable {
    /// Weights in a second, by layout, streamed from memory.
    package let weightsPerSecond: [TernaryLayout: Double]

    /// The faster one; T5 where they are alike, since it takes less memory.
    var best: TernaryLayout {
        (weightsPerSecond[.t5] ?? 0) >= (weightsPerSecond[.t2] ?? 0) ? .t5 : .t2
    }

    /// The layout asked for, or else the best one for a model of `weights`. One that fits the caches
    /// is bound by work, not by memory: T2, without measuring.
    package static func layout(
        forWeights weights: Int, _ compute: Compute, asked: TernaryLayout?
    ) throws(BitNetError) -> TernaryLayout {
        if let asked { return asked }
        return isMeasured(forWeights: weights) ? try measured(compute).best : .t2
    }

    /// Whether the layout of a model of `weights` is the one that measures best.
    package static func isMeasured(forWeights weights: Int) -> Bool { weights > measuredWeights }

    /// Takes its time only once.
    package static func measured(_ compute: Compute) throws(BitNetError) -> LayoutChoice {
        let key = Key(kernels: compute.kernels.name, threads: compute.pool.threads)
        if let known = cache.withLock({ $0[key] }) { return known }
        let choice = try measure(compute)
        cache.withLock { $0[key] = choice }
        return choice
    }

    private struct Key: Hashable {
        package let kernels: String
        let threads: Int
    }

    private static let cache = Mutex<[Key: LayoutChoice]>([:])

    private static let columns = 2560
    /// 54 MB in T5 and 67 MB in T2: more than the last-level cache of a desktop processor.
    private static let measuredWeights = columns * (105 << 10)

    /// The layouts take turns, so that a moment in which the machine is busy decides nothing, and as
    /// many of them as still show something new: a choice that changes from load to load is a model
    /// whose speed does.
    private static func measure(_ compute: Compute) throws(BitNetError) -> LayoutChoice {
        let rows = measuredWeights / columns
        let input = try AlignedBuffer<Float>(count: columns, purpose: purpose)
        input.view.fill(1)
        let output = try AlignedBuffer<Float>(count: rows, purpose: purpose)
        let quantized = try QuantizedActivations(
            rows: 1, columns: columns, threads: compute.pool.threads, gemmScratch: 0)
        compute.quantize(
            Activations(input.view, rows: 1, columns: columns), norm: nil, into: quantized)
        let products = [
            try product(.t2, output, compute.pool), try product(.t5, output, compute.pool),
        ]
        var times = [TernaryLayout: Double]()
        var (turns, turnsWithoutNews) = (0, 0)
        while turns < mostTurns && turnsWithoutNews < settledTurns {
            var isNews = false
            for product in products {
                let time =
                    ContinuousClock().measure { compute.multiply(quantized, product) } / .seconds(1)
                let best = times[product.matrix.layout] ?? .infinity
                if time < best * 0.99 { isNews = true }
                times[product.matrix.layout] = min(best, time)
            }
            turns += 1
            turnsWithoutNews = isNews ? 0 : turnsWithoutNews + 1
        }
        return LayoutChoice(weightsPerSecond: times.mapValues { Double(measuredWeights) / $0 })
    }

    /// Turns of a few milliseconds each: so many without a time that is better by a per cent are
    /// enough, and so many are never exceeded.
    private static let settledTurns = 8
    private static let mostTurns = 60

    private static let purpose = "choosing a layout"

    private static func product(
        _ layout: TernaryLayout, _ output: AlignedBuffer<Float>, _ pool: WorkerPool
    ) throws(BitNetError) -> TernaryProduct {
        let trits = try PackedTrits(rows: output.count, columns: columns, layout: layout)
        // Any bytes do, but pages that nobody has written would all be one page of zeros.
        pool.parallel(trits.storage.count, granule: 64, work: trits.storage.count) {
            trits.storage.view[$1].fill(0x04)
        }
        return TernaryProduct(
            try TernaryMatrix(trits, scale: .perTensor(1)),
            into: Activations(output.view, rows: 1, columns: output.count))
    }
}
