internal import Synchronization

/// Which packed layout decodes fastest on this machine, and how far ahead its weights are best asked
/// for. T5 reads a fifth fewer bytes than T2, but takes more work to unpack, so it depends on the
/// kernels, on the number of threads and on memory.
///
/// What is measured is the thing itself, products with matrices larger than the caches, once for
/// each kernel set and number of threads. Whatever is chosen, results are the same.
package struct LayoutChoice: Sendable {
    /// Weights in a second, by layout, streamed from memory.
    package let weightsPerSecond: [TernaryLayout: Double]
    /// The fastest of `KernelSet.prefetchDistances`, in bytes; the shortest of those that are alike.
    package let prefetchDistance: Int

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
        return fitsCaches(weights: weights) ? .t2 : try measured(compute).best
    }

    /// `layout`, and from now on kernels ask for weights as far ahead as is best for a model that
    /// does not fit the caches.
    package static func adopt(
        forWeights weights: Int, _ compute: Compute, asked: TernaryLayout?
    ) throws(BitNetError) -> TernaryLayout {
        if !fitsCaches(weights: weights) { try adoptDistance(compute) }
        return try layout(forWeights: weights, compute, asked: asked)
    }

    /// From now on kernels ask for weights as far ahead as is best with these kernels and threads; of
    /// several models in a process, the one that was loaded last decides.
    package static func adoptDistance(_ compute: Compute) throws(BitNetError) {
        let distance = try measured(compute).prefetchDistance
        // No measurement that is under way takes it back.
        measuring.withLock { _ in KernelSet.prefetchDistance = distance }
    }

    /// Whether a model of `weights` lives in caches rather than in memory, as far as can be told
    /// without looking at the machine.
    package static func fitsCaches(weights: Int) -> Bool { weights <= measuredWeights }

    /// Takes its time only once.
    package static func measured(_ compute: Compute) throws(BitNetError) -> LayoutChoice {
        let key = Key(kernels: compute.kernels.name, threads: compute.pool.threads)
        return try measuring.withLock { (known) throws(BitNetError) in
            if let choice = known[key] { return choice }
            let choice = try measure(compute)
            known[key] = choice
            return choice
        }
    }

    private struct Key: Hashable {
        package let kernels: String
        let threads: Int
    }

    /// What has been measured; one measurement at a time, since they would disturb each other.
    private static let measuring = Mutex<[Key: LayoutChoice]>([:])

    private static let columns = 2560
    /// 54 MB in T5 and 67 MB in T2, more than the last-level cache of a desktop processor; in three
    /// places, so that 200 MB go by.
    private static let measuredWeights = columns * (105 << 10)

    private static func measure(_ compute: Compute) throws(BitNetError) -> LayoutChoice {
        let rows = measuredWeights / columns
        let input = try AlignedBuffer<Float>(count: columns, purpose: purpose)
        input.view.fill(1)
        let output = try AlignedBuffer<Float>(count: rows, purpose: purpose)
        let quantized = try QuantizedActivations(
            rows: 1, columns: columns, threads: compute.pool.threads, gemmScratch: 0)
        compute.quantize(
            Activations(input.view, rows: 1, columns: columns), norm: nil, into: quantized)
        let layouts: [TernaryLayout] = [.t2, .t5]
        let turns = try Turns(layouts, output, compute.pool)
        let before = KernelSet.prefetchDistance
        defer { KernelSet.prefetchDistance = before }
        let distance = fastestDistance { compute.multiply(quantized, turns.next(.t2)) }
        KernelSet.prefetchDistance = distance
        let times = leastTimes(of: layouts.indices) {
            compute.multiply(quantized, turns.next(layouts[$0]))
        }
        let speeds = zip(layouts, times).map { ($0, Double(measuredWeights) / $1) }
        return LayoutChoice(
            weightsPerSecond: Dictionary(uniqueKeysWithValues: speeds), prefetchDistance: distance)
    }

    /// By a product of T2, which is the nearest to doing nothing but reading.
    private static func fastestDistance(_ product: () -> Void) -> Int {
        let distances = KernelSet.prefetchDistances
        // Kernels that take so long do not wait for memory.
        guard seconds(product) < 30e-3 else { return distances[0] }
        let times = leastTimes(of: distances.indices) {
            KernelSet.prefetchDistance = distances[$0]
            product()
        }
        let fastest = times.min() ?? 0
        return zip(distances, times).first { $1 <= fastest * 1.01 }?.0 ?? distances[0]
    }

    /// The shortest time of each. They take turns, so that a moment in which the machine is busy
    /// decides nothing, and as many of them as still show something new: a choice that changes from
    /// load to load is a model whose speed does.
    private static func leastTimes(of indices: Range<Int>, _ run: (Int) -> Void) -> [Double] {
        var times = indices.map { _ in Double.infinity }
        var (turns, turnsWithoutNews) = (0, 0)
        let start = ContinuousClock.now
        while turns < mostTurns && turnsWithoutNews < settledTurns
            && (turns < leastTurns || start.duration(to: .now) < mostTime)
        {
            var isNews = false
            for index in indices {
                let time = seconds { run(index) }
                if time < times[index] * 0.99 { isNews = true }
                times[index] = min(times[index], time)
            }
            turns += 1
            turnsWithoutNews = isNews ? 0 : turnsWithoutNews + 1
        }
        return times
    }

    private static func seconds(_ work: () -> Void) -> Double {
        ContinuousClock().measure(work) / .seconds(1)
    }

    /// Turns of a few milliseconds each: so many without a time that is better by a per cent are
    /// enough, and so many are never exceeded.
    private static let settledTurns = 8
    private static let mostTurns = 60
    /// However slow the kernels are, nobody waits for much longer.
    private static let mostTime = Duration.milliseconds(400)
    private static let leastTurns = 3

    private static let purpose = "choosing a layout"

    /// Matrices of any weights, in each layout, that lie in several places and take turns: what a
    /// cache of tens of megabytes has kept of one is gone when it comes again.
    private final class Turns {
        private var products: [[TernaryLayout: TernaryProduct]] = []
        private var turn = 0

        init(
            _ layouts: [TernaryLayout], _ output: AlignedBuffer<Float>, _ pool: WorkerPool
        ) throws(BitNetError) {
            let (rows, places) = (output.count, 3)
            let sizes = layouts.map {
                $0.byteCount(rows: rows, columns: columns, groupColumns: columns)
            }
            let size = sizes.max() ?? 0
            let memory = try AlignedBuffer<UInt8>(count: places * size, purpose: purpose)
            // Any bytes do, but pages that nobody has written would all be one page of zeros.
            pool.parallel(memory.count, granule: 64, work: memory.count) {
                memory.view[$1].fill(0x04)
            }
            for place in 0..<places {
                var here: [TernaryLayout: TernaryProduct] = [:]
                for (layout, bytes) in zip(layouts, sizes) {
                    let part = AlignedBuffer(place * size..<place * size + bytes, of: memory)
                    let trits = try PackedTrits(
                        rows: rows, columns: columns, layout: layout, in: part)
                    here[layout] = TernaryProduct(
                        try TernaryMatrix(trits, scale: .perTensor(1)),
                        into: Activations(output.view, rows: 1, columns: rows))
                }
                products.append(here)
            }
        }

        /// The layout's matrix in the next place.
        func next(_ layout: TernaryLayout) -> TernaryProduct {
            turn = (turn + 1) % products.count
            guard let product = products[turn][layout] else { preconditionFailure("\(layout)") }
            return product
        }
    }
}
