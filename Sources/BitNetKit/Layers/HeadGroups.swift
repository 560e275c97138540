/// Query heads in groups of one size; the heads of a group share one key-value head, whose keys and
/// values are read once for as many of them as a thread has.
struct HeadGroups: Sendable {
    /// Number of groups, which is that of key-value heads.
    let count: Int
    /// Query heads of a group.
    let size: Int
    let headDimension: Int
    /// What dot products are multiplied by.
    let scale: Float
    /// How many of the last positions a token attends to, its own included; nil for all.
    let window: Int?

    /// Attends from every row of `q` (`[tokens, heads * headDimension]`, consecutive positions from
    /// `first` on, which are in the cache) to all positions up to its own.
    ///
    /// - Parameter split: whether threads share heads, in ranges of positions and of dimensions; nil
    ///   to decide by what there is to do. The bits are the same.
    func attend(
        _ q: Activations, _ cache: KVCache.Layer, first: Int, scratch: AttentionScratch,
        into out: Activations, _ compute: Compute, split: Bool? = nil
    ) {
        let pass = AttentionPass(
            groups: self, q: q, out: out, cache: cache, first: first, scratch: scratch,
            kernels: compute.kernels)
        let positions = positions(of: first + q.rows - 1).count
        if split
            ?? gainsFromSplitting(
                tokens: q.rows, positions: positions, threads: compute.pool.threads,
                scratch: scratch)
        {
            pass.attendSplit(compute.pool)
        } else {
            pass.attend(compute.pool)
        }
    }

    /// Whether threads outnumber the groups of all tokens, the last of which sees `positions`, and
    /// every step has enough for all of them to pay for the two more jobs that splitting takes.
    func gainsFromSplitting(
        tokens: Int, positions: Int, threads: Int, scratch: AttentionScratch
    ) -> Bool {
        let heads = tokens * count * size
        return tokens * count < threads && heads <= scratch.heads
            && stepWork(heads: heads, positions: positions) >= 2 * threads * workPerThread
    }

    /// What the scores of some heads, or their sums of values, cost.
    fileprivate func stepWork(heads: Int, positions: Int) -> Int {
        heads * headDimension * positions * elementWork / 2
    }

    /// The positions that the token at `position` attends to.
    fileprivate func positions(of position: Int) -> Range<Int> {
        max(0, position + 1 - (window ?? position + 1))..<position + 1
    }
}

/// Positions, and dimensions, of which a thread takes whole multiples where heads are split. Of
/// float16 values 32 dimensions are a cache line, which only one thread then reads.
private let positionBlock = 64
private let dimensionSlice = 32

/// One layer's attention of some tokens. A group of a token is a *unit*; units are numbered group by
/// group, and token by token within a group: a thread then reads the same keys for one token after
/// the other, and every thread gets both early tokens, which see little, and late ones.
private struct AttentionPass {
    let groups: HeadGroups
    let q: Activations
    let out: Activations
    let cache: KVCache.Layer
    let first: Int
    let scratch: AttentionScratch
    let kernels: KernelSet

    private var units: Int { groups.count * q.rows }

    /// What all scores, or all sums of values, cost at most.
    private var stepWork: Int {
        groups.stepWork(heads: units * groups.size, positions: positions(row: q.rows - 1).count)
    }

    private func positions(row: Int) -> Range<Int> { groups.positions(of: first + row) }

    /// Some heads of one unit.
    private struct Heads {
        let queries: BufferView<Float>
        let out: BufferView<Float>
        let keys: CacheView
        let values: CacheView
        /// Positions in `keys` and `values`.
        let positions: Int
    }

    private func heads(_ members: Range<Int>, unit: Int) -> Heads {
        let (group, row) = unit.quotientAndRemainder(dividingBy: q.rows)
        let size = groups.headDimension
        let start = group * groups.size
        let elements = (start + members.lowerBound) * size..<(start + members.upperBound) * size
        let positions = positions(row: row)
        return Heads(
            queries: q[row][elements], out: out[row][elements],
            keys: cache.keys(head: group).from(position: positions.lowerBound, size: size),
            values: cache.values(head: group).from(position: positions.lowerBound, size: size),
            positions: positions.count)
    }
}

// MARK: - Whole heads

extension AttentionPass {
    /// Threads take contiguous ranges of heads.
    func attend(_ pool: WorkerPool) {
        pool.parallel(units * groups.size, work: stepWork * 2) { thread, jobs in
            forEachRun(in: jobs, of: groups.size) { unit, members in
                for begin in stride(
                    from: members.lowerBound, to: members.upperBound, by: scratch.headsPerThread)
                {
                    let end = min(begin + scratch.headsPerThread, members.upperBound)
                    attend(heads(begin..<end, unit: unit), count: end - begin, thread: thread)
                }
            }
        }
    }

    private func attend(_ heads: Heads, count: Int, thread: Int) {
        let slots = thread * scratch.headsPerThread..<thread * scratch.headsPerThread + count
        score(heads, count: count, positions: 0..<heads.positions, slot: slots.lowerBound)
        for slot in slots { weigh(slot, positions: heads.positions) }
        addValues(heads, slots: slots, dimensions: 0..<groups.headDimension)
    }
}

// MARK: - Heads in parts

extension AttentionPass {
    /// All scores, in blocks of positions; then all weights, by heads; then all sums of values, in
    /// slices of dimensions.
    func attendSplit(_ pool: WorkerPool) {
        precondition(units * groups.size <= scratch.heads)
        let all = 0..<groups.size
        let longest = positions(row: q.rows - 1).count
        let blocks = (longest + positionBlock - 1) / positionBlock
        pool.parallel(units * blocks, work: stepWork) { _, jobs in
            forEachRun(in: jobs, of: blocks) { unit, run in
                let heads = heads(all, unit: unit)
                let begin = run.lowerBound * positionBlock
                let end = min(run.upperBound * positionBlock, heads.positions)
                guard begin < end else { return }
                score(heads, count: all.count, positions: begin..<end, slot: unit * all.count)
            }
        }
        let exponentials = units * all.count * longest * elementWork * 3
        pool.parallel(units * all.count, work: exponentials) { _, slots in
            for slot in slots {
                weigh(slot, positions: positions(row: slot / all.count % q.rows).count)
            }
        }
        let slices = (groups.headDimension + dimensionSlice - 1) / dimensionSlice
        pool.parallel(units * slices, work: stepWork) { _, jobs in
            forEachRun(in: jobs, of: slices) { unit, run in
                let end = min(run.upperBound * dimensionSlice, groups.headDimension)
                addValues(
                    heads(all, unit: unit), slots: unit * all.count..<(unit + 1) * all.count,
                    dimensions: run.lowerBound * dimensionSlice..<end)
            }
        }
    }
}

// MARK: - Steps

extension AttentionPass {
    private func score(_ heads: Heads, count: Int, positions: Range<Int>, slot: Int) {
        kernels.attentionScores(
            queries: heads.queries, heads: count, keys: heads.keys, positions: positions,
            scale: groups.scale, into: scratch.scores(slot), stride: scratch.stride)
    }

    private func weigh(_ slot: Int, positions: Int) {
        scratch.totals(slot..<slot + 1)[0] = kernels.attentionWeights(
            scratch.scores(slot)[0..<positions])
    }

    private func addValues(_ heads: Heads, slots: Range<Int>, dimensions: Range<Int>) {
        kernels.attentionValues(
            weights: scratch.scores(slots.lowerBound), stride: scratch.stride,
            totals: scratch.totals(slots), values: heads.values, positions: heads.positions,
            dimensions: dimensions, into: heads.out)
    }
}

/// Cuts `range` where multiples of `length` are, and calls `body` with the number of each stretch
/// and the part of `0..<length` that `range` has of it.
private func forEachRun(
    in range: Range<Int>, of length: Int, _ body: (_ number: Int, _ part: Range<Int>) -> Void
) {
    var begin = range.lowerBound
    while begin < range.upperBound {
        let (number, offset) = begin.quotientAndRemainder(dividingBy: length)
        let end = min(range.upperBound, (number + 1) * length)
        body(number, offset..<offset + end - begin)
        begin = end
    }
}
